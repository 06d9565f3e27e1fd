//! Certificates for tests.

use std::fs;
use std::path::Path;

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose};

use crate::config::TlsConfig;

/// An authority for one test.
pub(crate) struct Authority {
    pem: String,
    issuer: Issuer<'static, KeyPair>,
}

/// A certificate with its key, as PEM.
pub(crate) struct Issued {
    pub(crate) chain: String,
    pub(crate) key: String,
}

impl Authority {
    pub(crate) fn new() -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        params
            .distinguished_name
            .push(DnType::CommonName, "test authority");
        let key = KeyPair::generate().unwrap();
        let pem = params.self_signed(&key).unwrap().pem();
        Self {
            pem,
            issuer: Issuer::new(params, key),
        }
    }

    pub(crate) fn pem(&self) -> &str {
        &self.pem
    }

    /// A certificate for the host `names`.
    pub(crate) fn issue(&self, names: &[&str]) -> Issued {
        let names: Vec<String> = names.iter().map(ToString::to_string).collect();
        let params = CertificateParams::new(names).unwrap();
        let key = KeyPair::generate().unwrap();
        Issued {
            chain: params.signed_by(&key, &self.issuer).unwrap().pem(),
            key: key.serialize_pem(),
        }
    }
}

impl Issued {
    /// Writes both files, each in one go, as those do who renew certificates.
    pub(crate) fn write(&self, folder: &Path) -> TlsConfig {
        let write = |name: &str, text: &str| {
            let (path, fresh) = (folder.join(name), folder.join(format!("{name}.new")));
            fs::write(&fresh, text).unwrap();
            fs::rename(fresh, &path).unwrap();
            Some(path)
        };
        TlsConfig {
            authority: None,
            certificate: write("certificate.pem", &self.chain),
            key: write("key.pem", &self.key),
        }
    }
}
