//! Secrets at rest: AES-256-GCM (NIST SP 800-38D) with a random nonce before the text and the owner's identifier as associated
//! data, so that a sealed text moved to another row does not open.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::rand::{SecureRandom, SystemRandom};
use secrecy::{ExposeSecret, SecretString};

use crate::{Error, Result};

/// Seals and opens the secrets of one service.
pub struct Sealer {
    key: LessSafeKey,
    random: SystemRandom,
}

impl std::fmt::Debug for Sealer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Sealer")
    }
}

/// 32 random bytes as base 64: a master key, a token, a password.
///
/// # Errors
/// When the system gives no randomness.
pub fn random_secret() -> Result<SecretString> {
    let mut bytes = [0_u8; 32];
    SystemRandom::new()
        .fill(&mut bytes)
        .map_err(|_| Error::internal("drawing randomness", "the system's generator failed"))?;
    Ok(base64::engine::general_purpose::URL_SAFE_NO_PAD
        .encode(bytes)
        .into())
}

/// SHA-256 of a text as lower-case hexadecimal: how keys and tokens of full entropy are stored and compared.
pub fn sha256_hex(text: &str) -> String {
    let digest = ring::digest::digest(&ring::digest::SHA256, text.as_bytes());
    digest
        .as_ref()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

impl Sealer {
    /// With a master key as [`random_secret`] makes it: 32 bytes as URL-safe base 64.
    ///
    /// # Errors
    /// When the key has another length or alphabet.
    pub fn new(master_key: &SecretString) -> Result<Self> {
        let bytes = base64::engine::general_purpose::URL_SAFE_NO_PAD
            .decode(master_key.expose_secret())
            .map_err(|_| Error::invalid("master_key", "is not 32 bytes as URL-safe base 64"))?;
        let key = UnboundKey::new(&AES_256_GCM, &bytes)
            .map_err(|_| Error::invalid("master_key", "is not 32 bytes as URL-safe base 64"))?;
        Ok(Self {
            key: LessSafeKey::new(key),
            random: SystemRandom::new(),
        })
    }

    /// Seals `text` for `owner`.
    ///
    /// # Errors
    /// When the system gives no randomness.
    pub fn seal(&self, owner: &str, text: &SecretString) -> Result<String> {
        let failed = |_| Error::internal("sealing a secret", "the cipher failed");
        let mut nonce = [0_u8; NONCE_LEN];
        self.random.fill(&mut nonce).map_err(failed)?;
        let mut sealed = text.expose_secret().as_bytes().to_vec();
        self.key
            .seal_in_place_append_tag(
                Nonce::assume_unique_for_key(nonce),
                Aad::from(owner.as_bytes()),
                &mut sealed,
            )
            .map_err(failed)?;
        Ok(STANDARD.encode([nonce.as_slice(), &sealed].concat()))
    }

    /// Opens what was sealed for `owner`.
    ///
    /// # Errors
    /// When it was sealed for another owner, with another key, or was changed.
    pub fn open(&self, owner: &str, sealed: &str) -> Result<SecretString> {
        let failed =
            || Error::internal("opening a sealed secret", "wrong master key, owner or text");
        let mut bytes = STANDARD.decode(sealed).map_err(|_| failed())?;
        let (nonce, text) = bytes.split_at_mut_checked(NONCE_LEN).ok_or_else(failed)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| failed())?;
        let opened = self
            .key
            .open_in_place(nonce, Aad::from(owner.as_bytes()), text)
            .map_err(|_| failed())?;
        String::from_utf8(opened.to_vec())
            .map(SecretString::from)
            .map_err(|_| failed())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn opens_for_its_owner_only() {
        let sealer = Sealer::new(&random_secret().unwrap()).unwrap();
        let sealed = sealer.seal("nb-1", &"token".into()).unwrap();
        assert_eq!(
            sealer.open("nb-1", &sealed).unwrap().expose_secret(),
            "token"
        );
        assert!(sealer.open("nb-2", &sealed).is_err());
        let other = Sealer::new(&random_secret().unwrap()).unwrap();
        assert!(other.open("nb-1", &sealed).is_err());
        assert!(sealer.open("nb-1", "AAAA").is_err());
        assert_ne!(sealed, sealer.seal("nb-1", &"token".into()).unwrap());
    }

    #[test]
    fn hashes_are_sha256() {
        // FIPS 180-4, example "abc".
        let abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(sha256_hex("abc"), abc);
    }
}
