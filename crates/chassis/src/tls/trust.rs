//! Whom a client trusts, and who it is.

use std::fmt;
use std::path::Path;
use std::sync::{Arc, LazyLock};

use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{ClientConfig, RootCertStore};

use super::anybody::Anybody;
use super::{certified, protocols, provider, read, roots};
use crate::config::TlsConfig;
use crate::{Error, Result};

/// What this machine trusts, read when it is first needed.
static MACHINE: LazyLock<Arc<RootCertStore>> = LazyLock::new(|| {
    let found = rustls_native_certs::load_native_certs();
    for error in found.errors {
        tracing::warn!(%error, "reading the authorities that this machine trusts");
    }
    let mut store = RootCertStore::empty();
    store.add_parsable_certificates(found.certs);
    Arc::new(store)
});

/// Whom a client trusts, and the certificate that it shows if it has one.
#[derive(Clone, Default)]
pub struct Trust {
    /// Authorities of our own; `None` = those of the machine.
    private: Option<Arc<RootCertStore>>,
    identity: Option<Arc<CertifiedKey>>,
    /// Whoever answers is believed.
    unchecked: bool,
}

impl fmt::Debug for Trust {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let authorities = self.private.as_ref().map(|store| store.len());
        f.debug_struct("Trust")
            .field("private_authorities", &authorities)
            .field("identity", &self.identity.is_some())
            .finish()
    }
}

impl Trust {
    /// Trusts whom this machine trusts, nobody of our own.
    pub fn public() -> Self {
        Self::default()
    }

    /// Trusts `tls.authority` alone; whom the machine trusts where it is not set.
    ///
    /// # Errors
    /// [`Error::Invalid`] when the file cannot be read or has no certificates.
    pub fn from_config(tls: &TlsConfig) -> Result<Self> {
        Self::from_file(tls.authority.as_deref())
    }

    /// Trusts the authorities in the file `authority` alone; whom the machine trusts where there is none.
    ///
    /// # Errors
    /// [`Error::Invalid`] when the file cannot be read or has no certificates.
    pub fn from_file(authority: Option<&Path>) -> Result<Self> {
        match authority {
            None => Ok(Self::public()),
            Some(path) => Self::from_pem(&read("authority", path)?),
        }
    }

    /// Trusts the authorities in `authority`, and no others.
    ///
    /// # Errors
    /// [`Error::Invalid`] when these are not certificates as PEM.
    pub fn from_pem(authority: &[u8]) -> Result<Self> {
        Ok(Self {
            private: Some(Arc::new(roots("authority", authority)?)),
            ..Self::default()
        })
    }

    /// Believes whoever answers. For the one question that nothing depends on before its answer was checked by other means: which
    /// authority a server has.
    pub(crate) fn unchecked() -> Self {
        Self {
            unchecked: true,
            ..Self::default()
        }
    }

    /// Shows a certificate of its own to servers that ask for one.
    ///
    /// # Errors
    /// [`Error::Invalid`] when the two are not PEM or do not go together.
    pub fn with_identity(mut self, certificate_pem: &[u8], key_pem: &[u8]) -> Result<Self> {
        self.identity = Some(Arc::new(certified(certificate_pem, key_pem)?));
        Ok(self)
    }

    /// What a TLS client is made with that speaks the protocols `alpn`.
    ///
    /// # Errors
    /// When the cryptography cannot be set up.
    pub fn client_config(&self, alpn: &[&[u8]]) -> Result<Arc<ClientConfig>> {
        let roots = self.private.as_ref().unwrap_or(&*MACHINE);
        let builder = ClientConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .map_err(|error| Error::internal("setting up TLS", error))?
            .with_root_certificates(roots.clone());
        let mut config = match &self.identity {
            None => builder.with_no_client_auth(),
            Some(identity) => builder
                .with_client_cert_resolver(Arc::new(SingleCertAndKey::from(identity.clone()))),
        };
        config.alpn_protocols = protocols(alpn);
        if self.unchecked {
            let anybody = Arc::new(Anybody(provider()));
            config.dangerous().set_certificate_verifier(anybody);
        }
        Ok(Arc::new(config))
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::Authority;
    use super::*;

    #[test]
    fn what_is_no_certificate_is_told_so() {
        for wrong in ["", "-----BEGIN CERTIFICATE-----\nx", "a key"] {
            let error = Trust::from_pem(wrong.as_bytes()).unwrap_err().to_string();
            assert!(error.starts_with("authority: "), "{error}");
        }
        let missing = TlsConfig {
            authority: Some("/nowhere/authority.pem".into()),
            ..TlsConfig::default()
        };
        let error = Trust::from_config(&missing).unwrap_err().to_string();
        assert!(error.contains("/nowhere/authority.pem"), "{error}");
    }

    #[test]
    fn keys_stay_hidden_and_must_be_the_certificates_own() {
        let authority = Authority::new();
        let (one, other) = (authority.issue(&["a"]), authority.issue(&["b"]));
        let trust = Trust::from_pem(authority.pem().as_bytes()).unwrap();
        let error = trust
            .clone()
            .with_identity(one.chain.as_bytes(), other.key.as_bytes())
            .unwrap_err();
        assert!(error.to_string().starts_with("tls.key: "), "{error}");
        let trust = trust
            .with_identity(one.chain.as_bytes(), one.key.as_bytes())
            .unwrap();
        assert_eq!(
            format!("{trust:?}"),
            "Trust { private_authorities: Some(1), identity: true }"
        );
    }
}
