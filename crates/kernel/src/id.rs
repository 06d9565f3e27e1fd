//! Typed identifiers: a two-letter kind, a hyphen, and a time-ordered UUID (version 7, RFC 9562) as 26 lower-case
//! characters of Crockford's base 32. They sort by creation time, are valid DNS labels, and cannot be confused with each other.

use std::fmt;
use std::str::FromStr;

use uuid::Uuid;

const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
const TEXT_LEN: usize = 26;

/// A text is not an identifier of the expected kind.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not an identifier: expected \"{prefix}-\" and 26 letters or digits")]
pub struct ParseIdError {
    /// The text that was given.
    pub text: String,
    /// The kind that was expected.
    pub prefix: &'static str,
}

fn encode(value: u128) -> String {
    (0..TEXT_LEN)
        .rev()
        .filter_map(|position| {
            let digit = usize::try_from((value >> (5 * position)) & 31).ok()?;
            ALPHABET.get(digit).copied().map(char::from)
        })
        .collect()
}

fn decode(text: &str) -> Option<u128> {
    if text.len() != TEXT_LEN {
        return None;
    }
    let mut value: u128 = 0;
    for (position, byte) in text.bytes().enumerate() {
        let digit = ALPHABET.iter().position(|known| *known == byte)?;
        // 26 characters hold 130 bits: the first may use only three of its five.
        if position == 0 && digit > 7 {
            return None;
        }
        value = (value << 5) | u128::try_from(digit).ok()?;
    }
    Some(value)
}

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident = $prefix:literal;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Uuid);

        impl $name {
            /// What its texts begin with.
            pub const PREFIX: &'static str = $prefix;

            /// A new identifier, later than all that this process made before.
            pub fn generate() -> Self {
                Self(Uuid::now_v7())
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}-{}", $prefix, encode(self.0.as_u128()))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }

        impl FromStr for $name {
            type Err = ParseIdError;

            fn from_str(text: &str) -> Result<Self, ParseIdError> {
                text.strip_prefix(concat!($prefix, "-"))
                    .and_then(decode)
                    .map(|value| Self(Uuid::from_u128(value)))
                    .ok_or_else(|| ParseIdError { text: text.chars().take(80).collect(), prefix: $prefix })
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> Self {
                id.to_string()
            }
        }
    )*};
}

ids! {
    /// A team.
    TeamId = "te";
    /// A person.
    UserId = "us";
    /// A project of a team.
    ProjectId = "pr";
    /// A key: of a user, a service or a node.
    KeyId = "ak";
    /// A public key of a person, for ssh.
    SshKeyId = "sk";
    /// A host that runs workloads.
    NodeId = "no";
    /// A set of packages that a team made.
    EnvironmentId = "en";
    /// Persistent files.
    VolumeId = "vo";
    /// What files were at one moment.
    SnapshotId = "sn";
    /// One copying of files on a node.
    CopyId = "cp";
    /// Something that runs or waits to run.
    WorkloadId = "wo";
    /// One try to run a workload.
    AttemptId = "at";
    /// A finished sandbox that waits on a node for what it will run.
    SandboxId = "sa";
    /// A hosted notebook.
    NotebookId = "nb";
    /// A notebook opened to somebody.
    ShareId = "sh";
    /// What a team makes notebooks from.
    TemplateId = "tp";
    /// An event, as `ce-id`.
    EventId = "ev";
    /// A transaction of the ledger.
    TransactionId = "tx";
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn kinds_do_not_mix() {
        let team = TeamId::generate().to_string();
        assert!(team.parse::<TeamId>().is_ok());
        let error = team.parse::<UserId>().unwrap_err();
        assert!(error.to_string().contains("\"us-\""), "{error}");
    }

    #[test]
    fn later_ids_sort_later_as_text() {
        let ids: Vec<String> = (0..100).map(|_| NotebookId::generate().into()).collect();
        assert!(ids.is_sorted());
    }

    proptest! {
        #[test]
        fn text_round_trips(value: u128) {
            prop_assert_eq!(decode(&encode(value)), Some(value));
        }

        #[test]
        fn text_orders_as_the_value_does(a: u128, b: u128) {
            prop_assert_eq!(encode(a).cmp(&encode(b)), a.cmp(&b));
        }

        #[test]
        fn no_text_panics(text in ".{0,40}") {
            let parsed = text.parse::<NodeId>();
            if let Ok(id) = parsed {
                prop_assert_eq!(id.to_string(), text);
            }
        }
    }
}
