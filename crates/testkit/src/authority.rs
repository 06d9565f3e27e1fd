//! A certificate authority of its own for a test.

use std::fs;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};

use chassis::config::TlsConfig;
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose};
use tempfile::TempDir;

/// An authority; its files, and those of what it issued, end with this value.
#[derive(Debug)]
pub struct Authority {
    folder: TempDir,
    issuer: Issuer<'static, KeyPair>,
    issued: AtomicU32,
}

impl Default for Authority {
    fn default() -> Self {
        Self::new()
    }
}

impl Authority {
    /// A new one, that nobody trusts yet.
    ///
    /// # Panics
    /// When its files cannot be written.
    pub fn new() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        params
            .distinguished_name
            .push(DnType::CommonName, "test authority");
        let key = KeyPair::generate().expect("a key");
        let certificate = params.self_signed(&key).expect("a certificate");
        let authority = Self {
            folder,
            issuer: Issuer::new(params, key),
            issued: AtomicU32::new(0),
        };
        fs::write(authority.file(), certificate.pem()).expect("the authority's file");
        authority
    }

    /// Its own certificate, as PEM: what those read who trust it.
    pub fn file(&self) -> PathBuf {
        self.folder.path().join("authority.pem")
    }

    /// A certificate for a server that is reached by `names` (names or IP addresses), as a program is told it.
    ///
    /// # Panics
    /// When it cannot be made or written.
    pub fn issue(&self, names: &[&str]) -> TlsConfig {
        let names: Vec<String> = names.iter().map(ToString::to_string).collect();
        let key = KeyPair::generate().expect("a key");
        let certificate = CertificateParams::new(names)
            .and_then(|params| params.signed_by(&key, &self.issuer))
            .expect("a certificate");
        let number = self.issued.fetch_add(1, Ordering::Relaxed);
        let write = |kind: &str, pem: String| {
            let path = self.folder.path().join(format!("{number}-{kind}.pem"));
            fs::write(&path, pem).expect("a file");
            Some(path)
        };
        TlsConfig {
            authority: Some(self.file()),
            certificate: write("certificate", certificate.pem()),
            key: write("key", key.serialize_pem()),
        }
    }
}
