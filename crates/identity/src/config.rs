//! What identity is told.

use std::collections::BTreeMap;
use std::path::PathBuf;

use chassis::authority::Authority;
use chassis::config::{Listens, ServiceConfig, TlsConfig, redacted};
use chassis::{Address, Error, Result};
use secrecy::SecretString;
use serde::{Deserialize, Serialize};

/// Configuration of the identity service.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct IdentityConfig {
    /// What every service needs to be told.
    pub service: ServiceConfig,
    /// Seals the signing key at rest: 32 bytes as URL-safe base 64.
    #[serde(serialize_with = "redacted")]
    pub master_key: SecretString,
    /// Key of the first user, for who keeps it before the first start: `qk_` and 43 random characters. Absent = one is made up and
    /// told once.
    #[serde(skip_serializing)]
    pub first_key: Option<SecretString>,
    /// Keys of the services, by name. What stands here is in force; a service that is missing here has none.
    #[serde(skip_serializing)]
    pub service_keys: BTreeMap<String, SecretString>,
    /// The cluster's certificate authority; absent = identity makes one at its first start.
    pub authority: AuthorityConfig,
}

/// Where the certificate authority lies, as `quire authority create` writes it: both files, or neither.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AuthorityConfig {
    /// Its certificate, as PEM.
    pub certificate: Option<PathBuf>,
    /// Its key, as PEM.
    pub key: Option<PathBuf>,
}

impl AuthorityConfig {
    /// The authority in the files; `None` when none are named.
    pub(crate) fn load(&self) -> Result<Option<Authority>> {
        let read = |field: &str, path: &PathBuf| {
            std::fs::read_to_string(path)
                .map_err(|cause| Error::invalid(field, format!("{}: {cause}", path.display())))
        };
        match (&self.certificate, &self.key) {
            (None, None) => Ok(None),
            (Some(certificate), Some(key)) => {
                let certificate = read("authority.certificate", certificate)?;
                let key = read("authority.key", key)?.into();
                Authority::from_pem(&certificate, &key).map(Some)
            }
            (Some(_), None) => Err(Error::invalid("authority.key", MISSING)),
            (None, Some(_)) => Err(Error::invalid("authority.certificate", MISSING)),
        }
    }
}

const MISSING: &str = "is missing; name both files of the authority, or neither";

impl Listens for IdentityConfig {
    fn listen(&self) -> &Address {
        &self.service.listen
    }

    fn tls(&self) -> &TlsConfig {
        &self.service.tls
    }
}

#[cfg(test)]
mod tests {
    use kernel::time::from_micros;
    use secrecy::ExposeSecret as _;

    use super::*;

    #[test]
    fn an_authority_is_both_files_or_neither() {
        assert!(AuthorityConfig::default().load().unwrap().is_none());
        let folder = tempfile::tempdir().unwrap();
        let authority = Authority::create("test", from_micros(1_790_000_000_000_000)).unwrap();
        let config = AuthorityConfig {
            certificate: Some(folder.path().join("authority.pem")),
            key: Some(folder.path().join("authority.key")),
        };
        let error = config.load().unwrap_err().to_string();
        assert!(error.starts_with("authority.certificate: /"), "{error}");
        let write = |name, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
        write("authority.pem", authority.certificate_pem());
        write("authority.key", authority.key_pem().expose_secret());
        let loaded = config.load().unwrap().unwrap();
        assert_eq!(loaded.fingerprint(), authority.fingerprint());
        let half = AuthorityConfig {
            key: None,
            ..config
        };
        let error = half.load().unwrap_err().to_string();
        assert!(error.starts_with("authority.key: is missing"), "{error}");
    }
}
