//! Transport security: one provider for the whole house.

/// Makes ring the cryptography of every TLS connection of this process. Harmless when called again.
pub fn install_provider() {
    rustls::crypto::ring::default_provider()
        .install_default()
        .ok();
}
