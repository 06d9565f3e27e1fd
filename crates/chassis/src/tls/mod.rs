//! Transport security: one provider of cryptography for the whole house, what servers show, and whom clients trust.

mod anybody;
mod server;
#[cfg(test)]
pub(crate) mod testing;
mod trust;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::RootCertStore;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;

use crate::{Error, Result};

pub use server::{Clients, server_config};
pub use trust::Trust;

/// ALPN of HTTP/2.
pub const H2: &[u8] = b"h2";
/// ALPN of HTTP/1.1.
pub const HTTP1: &[u8] = b"http/1.1";

/// Makes ring the cryptography of every TLS connection of this process, also of those that libraries make on their own.
/// Harmless when called again.
pub fn install_provider() {
    rustls::crypto::ring::default_provider()
        .install_default()
        .ok();
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

fn protocols(alpn: &[&[u8]]) -> Vec<Vec<u8>> {
    alpn.iter().map(|name| name.to_vec()).collect()
}

/// Reads the file of the setting `field`.
fn read(field: &'static str, path: &Path) -> Result<Vec<u8>> {
    std::fs::read(path).map_err(|error| {
        Error::invalid(field, format!("{} cannot be read: {error}", path.display()))
    })
}

fn required<'a>(field: &'static str, path: Option<&'a PathBuf>) -> Result<&'a PathBuf> {
    path.ok_or_else(|| Error::invalid(field, "is not set; serving TLS needs this file, as PEM"))
}

fn certificates(field: &'static str, pem: &[u8]) -> Result<Vec<CertificateDer<'static>>> {
    let wrong = |problem: &dyn std::fmt::Display| {
        Error::invalid(
            field,
            format!("is not a PEM file of certificates: {problem}"),
        )
    };
    let found = CertificateDer::pem_slice_iter(pem)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| wrong(&error))?;
    if found.is_empty() {
        return Err(wrong(&"it has none"));
    }
    Ok(found)
}

fn roots(field: &'static str, pem: &[u8]) -> Result<RootCertStore> {
    let mut store = RootCertStore::empty();
    for certificate in certificates(field, pem)? {
        store.add(certificate).map_err(|error| {
            Error::invalid(
                field,
                format!("has a certificate that cannot be used: {error}"),
            )
        })?;
    }
    Ok(store)
}

/// A certificate with its key; the key is checked to be its own.
fn certified(certificate_pem: &[u8], key_pem: &[u8]) -> Result<CertifiedKey> {
    let chain = certificates("tls.certificate", certificate_pem)?;
    let key = PrivateKeyDer::from_pem_slice(key_pem).map_err(|error| {
        Error::invalid(
            "tls.key",
            format!("is not a PEM file of a private key: {error}"),
        )
    })?;
    CertifiedKey::from_der(chain, key, &provider()).map_err(|error| {
        Error::invalid(
            "tls.key",
            format!("does not go with the certificate: {error}"),
        )
    })
}
