//! Public keys for ssh: which are taken, and how they are kept.

use chassis::{Error, Result};
use ssh_key::public::KeyData;
use ssh_key::{HashAlg, PublicKey};

/// Longest line that is read, in bytes: an RSA key of 16,384 bits with its comment is shorter.
const LONGEST: usize = 8 << 10;
/// Fewest bits of an RSA key: below, the factors can be found (NIST SP 800-131A).
const LEAST_RSA_BITS: usize = 2_048;
/// Most bits of an RSA key: OpenSSH verifies with no more (`OPENSSL_RSA_MAX_MODULUS_BITS`).
const MOST_RSA_BITS: usize = 16_384;

/// A key that is taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SshKey {
    /// Kind and key as OpenSSH writes them, without a comment.
    pub(crate) line: String,
    /// SHA-256 as OpenSSH shows it.
    pub(crate) fingerprint: String,
    /// What its owner wrote after it; may be empty.
    pub(crate) comment: String,
}

/// Reads a line of a file `*.pub`.
///
/// # Errors
/// [`Error::Invalid`] about `public_key`, in words for whoever gave it: the text itself is not repeated, because it may be a
/// private key that was taken for the public one.
pub(crate) fn read(text: &str) -> Result<SshKey> {
    let invalid = |problem: &str| Err(Error::invalid("public_key", problem));
    let text = text.trim();
    if text.contains("PRIVATE KEY") {
        return invalid(
            "is a private key, which is nobody's but yours; give the file that ends in .pub",
        );
    }
    if text.len() > LONGEST {
        return invalid("is longer than 8 KiB; give one line of a file that ends in .pub");
    }
    if text.lines().count() > 1 {
        return invalid("has several lines; give one key, as a line of a file that ends in .pub");
    }
    let Ok(mut key) = PublicKey::from_openssh(text) else {
        return invalid(
            "is no public key as OpenSSH writes it; expected a kind such as ssh-ed25519 and the key, as in a file that ends in .pub",
        );
    };
    match key.key_data() {
        KeyData::Ed25519(_) | KeyData::Ecdsa(_) => {}
        KeyData::Rsa(rsa) => {
            let bits = rsa.n.as_positive_bytes().map_or(0, bits);
            if !(LEAST_RSA_BITS..=MOST_RSA_BITS).contains(&bits) {
                return invalid(&format!(
                    "is an RSA key of {bits} bits; {LEAST_RSA_BITS} to {MOST_RSA_BITS} are allowed, and an Ed25519 key is shorter and safe (ssh-keygen -t ed25519)"
                ));
            }
        }
        other => {
            return invalid(&format!(
                "is of kind {}; Ed25519, ECDSA and RSA are allowed (ssh-keygen -t ed25519)",
                other.algorithm()
            ));
        }
    }
    let comment = key.comment().trim().to_owned();
    key.set_comment("");
    let line = key
        .to_openssh()
        .map_err(|error| Error::internal("writing a public key", error))?;
    Ok(SshKey {
        line,
        fingerprint: key.fingerprint(HashAlg::Sha256).to_string(),
        comment,
    })
}

/// Bits of a positive number.
fn bits(bytes: &[u8]) -> usize {
    let first = bytes.first().map_or(0, |byte| byte.leading_zeros());
    (bytes.len() * 8).saturating_sub(usize::try_from(first).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    // Made with ssh-keygen for this test; their private halves were thrown away.
    const ED25519: &str =
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIA1KVe/aRMQMWityTzDgDruFv4Iac6AVd60iXDw9sstO";
    const ECDSA: &str = "ecdsa-sha2-nistp256 AAAAE2VjZHNhLXNoYTItbmlzdHAyNTYAAAAIbmlzdHAyNTYAAABBBKHeE1zBTEZoNDzNvqa+FDEnUHR/7CVkoxAiXONDCwm8FpvlgPfUZqk5NBeHTMrq14rnE6LIkYdrJCHo9NHIlqY=";
    const RSA_2048: &str = "ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAABAQCwHQ79C6p+jh0RX675/LfMPtwG3MjSDi9/i68Vz+0eEE45UMQo2zB1udlXNzitTv4twFyDmbCvRcZoQqton/22v5B3Br+zAhOSvBqUBDKL8xyTTeUqK9y6nRSqi1KJ2JbHFqZ1C+p65CLU9elW1wvDNZRuIRApdQaHjkjA4Khhmjeu5f54c0y3O78V50tGq8kkld0GNt5ODALk2zfZEjtS872tiYGguqzvoTlDL9zYKS8CpluziAGWds2U8UQhqiDLHq5N/Xik2QOPt5/t8R/wGaapqoXuwSylP9a0SupoRHcg6NG4ge1CbpejvvPPnJErz9hfAn0+47quJThJmS7n";
    const RSA_1024: &str = "ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAAAgQDGH9VBwWfGTXIS/0MSSkue3+wEUC40XCSEOsva1VRjzu6TF2PMYCPiZgIeApYrtR6J34V+NrGFYJDsSP5u7xzrAJm56s02w0P/tU6JKck8j4E5vszwbfyz4JBltVm+cla18FyL89fM4ZLgN8M4lbDTk9FZiRnyxmdXsGnAXvk2Ww==";
    const DSA: &str = "ssh-dss AAAAB3NzaC1kc3MAAACBAJzTMA/jWdjjdn25nYo5mMnQqQ110Lgw/nLy9oghNibwqGAmWF/FS3UoY5JCHsZD0ApKbS0xsQnCMIbX76fVG/2azdFc/8nTg7C4FlqKpnXH4R7QZKcjqPsCjHdo9YWkJyJ3lagbnHwcPrgh7ytCQDIbzXcW3Zwa47Gir50HrQDFAAAAFQC1m15rWFONADtgJNfoS2de7LQFqwAAAIBgsYg3KI2RofKVVmM6WLbwUDSKFIGQQN5QTNR8l2Xill8u+3Sj9TQcpKH6tiO0kKde3bOgexYIqWCZJc6dHa5p1s4fM6vwp0FKciYxG9g7qnReryZsm79gofwvrZV6D32yZjhK2NhKPSBGj0K0ghQ7JA3uHUA+7Rew152ntRkcqQAAAIAOKI7v621Di4yoJDI+qYYyLEB+ysHi/uBGnbFd/X8vA3UDetyAJ0qsUs2Wifp8fpOvOVtjbMruUovIlMdCcIP7TKjJILYgI3s7chmkQleoenfDWmZ+fBTFTLPyPcZJL5dUUWcq5ACs1bGQpwXdI5BXoCGKxulFvbgMqCopLkwIcw==";
    const FINGERPRINT: &str = "SHA256:6P5mT5TJysne9MLeYbQOyralN5HXEg6FZ3SD9wcwNYw";

    fn refusal(text: &str) -> String {
        read(text).unwrap_err().to_string()
    }

    #[test]
    fn good_keys_are_kept_without_their_comments() {
        for (text, kind) in [
            (ED25519, "ssh-ed25519 "),
            (ECDSA, "ecdsa-sha2-nistp256 "),
            (RSA_2048, "ssh-rsa "),
        ] {
            let key = read(&format!("  {text} ada@lab  \n")).unwrap();
            assert!(key.line.starts_with(kind), "{key:?}");
            assert_eq!(key.line, text);
            assert_eq!(key.comment, "ada@lab");
            // What is kept is read as the same.
            let again = read(&key.line).unwrap();
            assert_eq!(
                (again.line, again.fingerprint, again.comment),
                (key.line, key.fingerprint, String::new())
            );
        }
        assert_eq!(read(ED25519).unwrap().fingerprint, FINGERPRINT);
    }

    #[test]
    fn others_are_refused_in_words() {
        for (text, told) in [
            ("", "no public key"),
            ("ssh-ed25519", "no public key"),
            ("ssh-ed25519 AAAA", "no public key"),
            (&ED25519[..40], "no public key"),
            (
                &ED25519.replace("ssh-ed25519 ", "ssh-rsa "),
                "no public key",
            ),
            (&format!("command=\"sh\" {ED25519}"), "no public key"),
            (&format!("{ED25519}\n{ED25519}"), "several lines"),
            (
                "-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA",
                "is a private key",
            ),
            (RSA_1024, "RSA key of 1024 bits; 2048 to 16384"),
            (DSA, "is of kind ssh-dss"),
            (&"a".repeat(9_000), "longer than 8 KiB"),
        ] {
            let refused = refusal(text);
            assert!(refused.starts_with("public_key: "), "{refused}");
            assert!(refused.contains(told), "{text}: {refused}");
        }
    }

    proptest! {
        /// Whatever is given, what is kept is one line that a file of authorized keys can hold as it is.
        #[test]
        fn what_is_kept_is_one_line(comment in ".{0,60}", cut in 0_usize..120, junk in ".{0,80}") {
            for text in [format!("{ED25519} {comment}"), ED25519.chars().take(cut).collect(), junk] {
                if let Ok(key) = read(&text) {
                    prop_assert_eq!(key.line, ED25519);
                }
            }
        }
    }
}
