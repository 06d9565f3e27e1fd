//! How a certificate is named to people: by its hash.

use std::fmt;
use std::str::FromStr;

use ring::digest::{SHA256, SHA256_OUTPUT_LEN, digest};

/// SHA-256 of a certificate as it is signed (DER). Whoever has it from a trusted place knows the certificate when it comes from
/// anywhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fingerprint([u8; SHA256_OUTPUT_LEN]);

/// A text is not a fingerprint.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is not a fingerprint: 64 hexadecimal digits are expected, colons between them allowed"
)]
pub struct ParseFingerprintError(String);

impl Fingerprint {
    /// Of a certificate as DER.
    pub fn of(der: &[u8]) -> Self {
        let mut bytes = [0; SHA256_OUTPUT_LEN];
        let hash = digest(&SHA256, der);
        for (byte, hashed) in bytes.iter_mut().zip(hash.as_ref()) {
            *byte = *hashed;
        }
        Self(bytes)
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl FromStr for Fingerprint {
    type Err = ParseFingerprintError;

    fn from_str(text: &str) -> Result<Self, ParseFingerprintError> {
        let failed = || ParseFingerprintError(text.chars().take(100).collect());
        let digits: Vec<u8> = text
            .chars()
            .filter(|character| *character != ':')
            .map(|character| {
                character
                    .to_digit(16)
                    .and_then(|digit| u8::try_from(digit).ok())
            })
            .collect::<Option<_>>()
            .ok_or_else(failed)?;
        let (pairs, rest) = digits.as_chunks::<2>();
        let bytes: Vec<u8> = pairs.iter().map(|[high, low]| high << 4 | low).collect();
        match (rest, bytes.try_into()) {
            ([], Ok(bytes)) => Ok(Self(bytes)),
            _ => Err(failed()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fingerprints_are_read_as_people_and_programs_write_them() {
        let fingerprint = Fingerprint::of(b"abc");
        // FIPS 180-4, example "abc".
        let text = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(fingerprint.to_string(), text);
        let pairs: Vec<&str> = (0..32).map(|at| &text[2 * at..2 * at + 2]).collect();
        for written in [text.to_owned(), text.to_uppercase(), pairs.join(":")] {
            assert_eq!(written.parse(), Ok(fingerprint), "{written}");
        }
        for wrong in [
            "",
            &text[1..],
            &format!("{text}0"),
            &format!("{text}00"),
            "é",
        ] {
            assert!(wrong.parse::<Fingerprint>().is_err(), "{wrong}");
        }
    }
}
