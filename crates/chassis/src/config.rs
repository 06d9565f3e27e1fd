//! Configuration: defaults, then a TOML file, then `QUIRE_<AREA>_…` variables (`__` between sections), then flags.
//! A key that nobody knows is an error that names it.

use std::path::{Path, PathBuf};

use figment::Figment;
use figment::providers::{Env, Format, Serialized, Toml};
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
    let mut figment = Figment::from(Serialized::defaults(T::default()));
    if let Some(file) = file {
        figment = figment.merge(Toml::file_exact(file));
    }
    let prefix = format!("QUIRE_{}_", area.to_uppercase());
    figment
        .merge(Env::prefixed(&prefix).split("__"))
        .extract()
        .map_err(|error| ConfigError {
            area,
            problem: error.to_string(),
        })
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
}
