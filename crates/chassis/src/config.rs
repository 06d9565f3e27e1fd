//! Configuration: defaults, then a TOML file, then `QUIRE_<AREA>_…` variables (`__` between sections), then flags.
//! A variable whose name ends in `_FILE` names a file that holds the value: secrets come this way, never in the environment.
//! A key that nobody knows is an error that names it.

use std::convert::Infallible;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::{env, fs};

use figment::Figment;
use figment::providers::{Env, Format, Serialized, Toml};
use figment::value::Value;
use secrecy::SecretString;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::Address;

/// A configuration cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("configuration of {area}: {problem}")]
pub struct ConfigError {
    /// The program that it is for.
    pub area: &'static str,
    /// The key, what is wrong, and where it came from.
    pub problem: String,
}

/// Reads the configuration of `area`.
///
/// # Errors
/// [`ConfigError`] naming the key and its source.
pub fn load<T: Default + Serialize + DeserializeOwned>(
    area: &'static str,
    file: Option<&Path>,
) -> Result<T, ConfigError> {
    load_with(area, file, &[])
}

/// Reads the configuration of `area`; `settings`, from the command line, come last.
///
/// # Errors
/// [`ConfigError`] naming the key and its source; a setting that is a secret is refused: others can read command lines.
pub fn load_with<T: Default + Serialize + DeserializeOwned>(
    area: &'static str,
    file: Option<&Path>,
    settings: &[(String, String)],
) -> Result<T, ConfigError> {
    let mut figment = Figment::from(Serialized::defaults(T::default()));
    if let Some(file) = file {
        figment = figment.merge(Toml::file_exact(file));
    }
    let prefix = format!("QUIRE_{}_", area.to_uppercase());
    let wrong = |problem| ConfigError { area, problem };
    let plain = Env::prefixed(&prefix).filter(|key| file_key(key.as_str()).is_none());
    figment = figment.merge(plain.split("__"));
    for (key, value) in values_in_files(&prefix, env::vars()).map_err(wrong)? {
        figment = figment.merge(Serialized::default(&key, value));
    }
    for (key, value) in settings {
        if is_secret(key) {
            let variable = format!("{prefix}{}_FILE", key.replace('.', "__").to_uppercase());
            return Err(wrong(format!(
                "--set {key}: is a secret, and others can read command lines; name a file that holds it in {variable}"
            )));
        }
        let value: Value = value.parse().map_err(|never: Infallible| match never {})?;
        figment = figment.merge(Serialized::default(key, value));
    }
    figment.extract().map_err(|error| wrong(error.to_string()))
}

/// The settings that are secrets, of all programs and of their section `service`, and sections of nothing else.
const SECRETS: [&str; 6] = [
    "database",
    "key",
    "bus.password",
    "master_key",
    "first_key",
    "service_keys",
];

/// Whether a setting with this key is a secret, or in a section of secrets.
#[must_use]
pub fn is_secret(key: &str) -> bool {
    let key = key.strip_prefix("service.").unwrap_or(key);
    SECRETS.into_iter().any(|secret| {
        let rest = key.strip_prefix(secret);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
    })
}

/// Reads `KEY=VALUE`.
///
/// # Errors
/// In words, when it is not of that form.
pub fn setting(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
        _ => Err(format!(
            "{text:?} is no setting; write KEY=VALUE, such as listen=127.0.0.1:7710"
        )),
    }
}

/// Largest file that is taken for a value, in bytes.
const MAX_VALUE: u64 = 64 << 10;

/// The key whose value lies in a file, when a variable's name says so.
fn file_key(name: &str) -> Option<String> {
    let key = name.to_lowercase();
    key.strip_suffix("_file").map(|key| key.replace("__", "."))
}

/// The values that lie in files, by key. Always text, also where it looks like a number.
fn values_in_files(
    prefix: &str,
    variables: impl Iterator<Item = (String, String)>,
) -> Result<Vec<(String, String)>, String> {
    let mut values = Vec::new();
    for (variable, path) in variables {
        let Some(key) = variable.strip_prefix(prefix).and_then(file_key) else {
            continue;
        };
        let value = read_value(&path)
            .map_err(|problem| format!("{variable}: cannot read {path:?}: {problem}"))?;
        values.push((key, value));
    }
    Ok(values)
}

/// The text in a file, without the end of line that editors put after it.
fn read_value(path: &str) -> std::io::Result<String> {
    let mut text = String::new();
    fs::File::open(path)?
        .take(MAX_VALUE)
        .read_to_string(&mut text)?;
    Ok(text.trim_end_matches(['\r', '\n']).to_owned())
}

/// A program that serves calls, as far as its configuration tells.
pub trait Listens {
    /// Where it listens.
    fn listen(&self) -> &Address;
    /// The certificate that it shows there, and the authority that this is of.
    fn tls(&self) -> &TlsConfig;
}

/// What every service needs to be told.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ServiceConfig {
    /// Where it listens.
    pub listen: Address,
    /// `sqlite:///path` or `postgres://…`, off loopback with `sslmode=verify-full`. May hold a password: never shown.
    #[serde(serialize_with = "redacted")]
    pub database: SecretString,
    /// Where identity is found.
    pub identity: Address,
    /// The service's own key, which it exchanges for tokens.
    #[serde(serialize_with = "redacted")]
    pub key: SecretString,
    /// The event bus.
    pub bus: BusConfig,
    /// Certificates: what it shows where it listens by `https://`, and whom it trusts where it calls.
    pub tls: TlsConfig,
}

/// Files with certificates, as PEM. Servers take a new certificate and key as soon as the files have them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TlsConfig {
    /// Authorities to trust, and no others; none = those that this machine trusts.
    pub authority: Option<PathBuf>,
    /// Own certificate, followed by those that lead to its authority.
    pub certificate: Option<PathBuf>,
    /// The certificate's private key.
    pub key: Option<PathBuf>,
}

/// How the event bus is reached.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct BusConfig {
    /// `nats://host:port` on loopback, or `tls://host:port`.
    pub url: String,
    /// File with the authority of its certificate, as PEM; none = those that this machine trusts.
    pub authority: Option<PathBuf>,
    /// User name on the server.
    pub user: String,
    /// Password on the server.
    #[serde(serialize_with = "redacted")]
    pub password: SecretString,
}

impl Default for ServiceConfig {
    fn default() -> Self {
        Self {
            listen: Address::Http("127.0.0.1:0".to_owned()),
            database: SecretString::default(),
            identity: Address::Http("127.0.0.1:7710".to_owned()),
            key: SecretString::default(),
            bus: BusConfig::default(),
            tls: TlsConfig::default(),
        }
    }
}

impl Default for BusConfig {
    fn default() -> Self {
        Self {
            url: "nats://127.0.0.1:4222".to_owned(),
            authority: None,
            user: String::new(),
            password: SecretString::default(),
        }
    }
}

/// Serializes a secret as an empty text: defaults are empty, and nothing else is ever written out.
///
/// # Errors
/// Those of the serializer.
pub fn redacted<S: serde::Serializer>(_: &SecretString, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str("")
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_wrong_key_is_named_and_secrets_stay_hidden() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("a.toml");
        fs::write(&file, "database = \"postgres://u:hunter2@h/d\"\n").unwrap();
        let config: ServiceConfig = load("sample", Some(&file)).unwrap();
        assert!(!format!("{config:?}").contains("hunter2"));

        fs::write(&file, "[bus]\nurll = \"nats://x\"\n").unwrap();
        let error = load::<ServiceConfig>("sample", Some(&file))
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("urll") && error.contains("a.toml"),
            "{error}"
        );

        let missing = folder.path().join("missing.toml");
        assert!(load::<ServiceConfig>("sample", Some(&missing)).is_err());
    }

    #[test]
    fn settings_of_the_command_line_come_last_and_are_no_secrets() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("a.toml");
        fs::write(&file, "listen = \"http://127.0.0.1:1\"\n").unwrap();
        let read = |key: &str, value: &str| {
            let settings = [(key.to_owned(), value.to_owned())];
            load_with::<ServiceConfig>("sample", Some(&file), &settings)
        };
        let config = read("bus.url", "tls://nats:4222").unwrap();
        assert_eq!(config.bus.url, "tls://nats:4222");
        let config = read("listen", "http://127.0.0.1:2").unwrap();
        assert_eq!(config.listen, Address::Http("127.0.0.1:2".to_owned()));
        assert!(read("tls.key", "/etc/quire/key.pem").is_ok());

        let unknown = read("bus.urll", "x").unwrap_err().to_string();
        assert!(unknown.contains("urll"), "{unknown}");
        for secret in ["key", "database", "bus.password", "service.bus.password"] {
            let refused = read(secret, "hunter2").unwrap_err().to_string();
            assert!(refused.contains("_FILE"), "{refused}");
            assert!(!refused.contains("hunter2"), "{refused}");
        }
        assert!(setting("listen").is_err());
        let read = setting("bus.url=a=b").unwrap();
        assert_eq!(read, ("bus.url".to_owned(), "a=b".to_owned()));
    }

    #[test]
    fn a_variable_may_name_a_file_that_holds_the_value() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("password");
        fs::write(&file, "12345\n").unwrap();
        let path = file.to_str().unwrap().to_owned();
        let read = |variable: &str, path: &str| {
            let variables = [(variable.to_owned(), path.to_owned())];
            values_in_files("QUIRE_SAMPLE_", variables.into_iter())
        };
        let expected = ("bus.password".to_owned(), "12345".to_owned());
        let found = read("QUIRE_SAMPLE_BUS__PASSWORD_FILE", &path).unwrap();
        assert_eq!(found, [expected]);
        assert!(read("QUIRE_OTHER_KEY_FILE", &path).unwrap().is_empty());
        assert!(read("QUIRE_SAMPLE_KEY", &path).unwrap().is_empty());

        let problem = read("QUIRE_SAMPLE_KEY_FILE", "/nowhere").unwrap_err();
        assert!(
            problem.contains("QUIRE_SAMPLE_KEY_FILE") && problem.contains("/nowhere"),
            "{problem}"
        );
    }
}
