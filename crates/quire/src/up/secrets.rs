//! What one installation keeps secret: made at its first start, kept in a file that only its owner may read.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use chassis::seal::random_secret;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};

use crate::profile::write_private;

/// Everyone who has a key of identity; who has a password of the event bus, the bus itself says.
pub(super) const SERVICES: [&str; 10] = [
    "identity",
    "inventory",
    "volume",
    "scheduler",
    "billing",
    "notebook",
    "journal",
    "edge",
    "gateway",
    "up",
];

/// The secrets.
#[derive(Debug)]
pub(super) struct Secrets {
    /// Seals what services keep at rest.
    pub(super) master_key: SecretString,
    /// Keys of services with identity, by name.
    pub(super) service_keys: BTreeMap<String, SecretString>,
    /// Passwords on the event bus, by name.
    pub(super) bus_passwords: BTreeMap<String, SecretString>,
    /// The first user's key, until it was shown: a start that fails before must not lose it.
    pub(super) first_key: Option<SecretString>,
}

#[derive(Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(skip_serializing_if = "Option::is_none")]
    first_key: Option<String>,
    master_key: String,
    service_keys: BTreeMap<String, String>,
    bus_passwords: BTreeMap<String, String>,
}

/// Makes the secrets of `names` that are missing, and forgets those of others.
fn fill<'a>(
    secrets: &mut BTreeMap<String, String>,
    names: impl Iterator<Item = &'a str>,
    prefix: &str,
) -> Result<()> {
    let mut before = std::mem::take(secrets);
    for name in names {
        let secret = match before.remove(name) {
            Some(secret) => secret,
            None => format!("{prefix}{}", random_secret()?.expose_secret()),
        };
        secrets.insert(name.to_owned(), secret);
    }
    Ok(())
}

fn path(data_dir: &Path) -> PathBuf {
    data_dir.join("secrets.toml")
}

fn read(path: &Path) -> Result<Option<File>> {
    match fs::read_to_string(path) {
        Ok(text) => toml::from_str(&text)
            .map(Some)
            .with_context(|| format!("{} is damaged", path.display())),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).with_context(|| format!("reading {}", path.display())),
    }
}

/// Forgets the first user's key, which has been shown.
pub(super) fn forget_first_key(data_dir: &Path) -> Result<()> {
    let path = path(data_dir);
    let Some(mut file) = read(&path)? else {
        return Ok(());
    };
    file.first_key = None;
    write_private(&path, &toml::to_string(&file)?)
}

/// Reads the secrets below `data_dir`, making those that are missing.
pub(super) fn load(data_dir: &Path) -> Result<Secrets> {
    let path = path(data_dir);
    let mut file = match read(&path)? {
        Some(file) => file,
        None => File {
            first_key: Some(format!("qk_{}", random_secret()?.expose_secret())),
            ..File::default()
        },
    };
    if file.master_key.is_empty() {
        file.master_key = random_secret()?.expose_secret().to_owned();
    }
    fill(&mut file.service_keys, SERVICES.into_iter(), "qs_")?;
    fill(&mut file.bus_passwords, bus::users(), "")?;
    write_private(&path, &toml::to_string(&file)?)?;
    let secret = |map: BTreeMap<String, String>| {
        map.into_iter()
            .map(|(name, text)| (name, text.into()))
            .collect()
    };
    Ok(Secrets {
        master_key: file.master_key.into(),
        service_keys: secret(file.service_keys),
        bus_passwords: secret(file.bus_passwords),
        first_key: file.first_key.map(SecretString::from),
    })
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn secrets_stay_the_same_and_private() {
        let folder = tempfile::tempdir().unwrap();
        let first = load(folder.path()).unwrap();
        let second = load(folder.path()).unwrap();
        assert_eq!(
            first.master_key.expose_secret(),
            second.master_key.expose_secret()
        );
        assert_eq!(first.service_keys.len(), SERVICES.len());
        assert!(first.bus_passwords.keys().map(String::as_str).eq({
            let mut users: Vec<_> = bus::users().collect();
            users.sort_unstable();
            users
        }));
        assert!(second.first_key.is_some(), "kept until it was shown");
        forget_first_key(folder.path()).unwrap();
        assert!(load(folder.path()).unwrap().first_key.is_none());
        let mode = fs::metadata(folder.path().join("secrets.toml"))
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600);
    }
}
