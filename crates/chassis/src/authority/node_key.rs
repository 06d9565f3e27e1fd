//! The node's side: its key never leaves the node; what leaves is a request, signed with it.

use rcgen::{CertificateParams, DistinguishedName, KeyPair};
use secrecy::{ExposeSecret as _, SecretString};

use crate::{Error, Result};

/// A node's own key.
#[derive(Debug)]
pub struct NodeKey(KeyPair);

impl NodeKey {
    /// A new one: ECDSA on P-256.
    ///
    /// # Errors
    /// When the system gives no randomness.
    pub fn generate() -> Result<Self> {
        KeyPair::generate()
            .map(Self)
            .map_err(|cause| Error::internal("making a node's key", cause))
    }

    /// One that was kept.
    ///
    /// # Errors
    /// When it is not a key as PEM.
    pub fn from_pem(pem: &SecretString) -> Result<Self> {
        KeyPair::from_pem(pem.expose_secret())
            .map(Self)
            .map_err(|_| Error::invalid("key", "is not a private key as PEM (PKCS #8)"))
    }

    /// The key as PEM, to be kept where nobody else reads it.
    pub fn to_pem(&self) -> SecretString {
        self.0.serialize_pem().into()
    }

    /// A request for a certificate, as PEM: this key, signed with it, and no names. Who the node is, the authority's side knows.
    ///
    /// # Errors
    /// When it cannot be signed.
    pub fn request(&self) -> Result<String> {
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        params
            .serialize_request(&self.0)
            .and_then(|request| request.pem())
            .map_err(|cause| Error::internal("asking for a certificate", cause))
    }
}
