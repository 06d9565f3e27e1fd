//! The hash chain over the raw usage inputs: each hash covers the one before, so no row can be changed, moved or taken out unseen.

use std::fmt::Write as _;

use kernel::Timestamp;

use super::usage::Input;

/// What the first input is chained to.
pub(crate) const START: &str = "";

/// A raw input as it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Link {
    /// Counts the inputs from 1.
    pub(crate) sequence: u64,
    /// What was said.
    pub(crate) input: Input,
    /// When it came in.
    pub(crate) received_at: Timestamp,
    /// [`hash`] of the one before and this.
    pub(crate) hash: String,
}

/// SHA-256 (FIPS 180-4), as hexadecimal, of `previous` and a canonical encoding of the rest: each field as its length in bytes, a
/// colon, the text and a comma, so that no two rows are encoded alike.
pub(crate) fn hash(previous: &str, sequence: u64, input: &Input, received_at: Timestamp) -> String {
    let micros = |time: Option<Timestamp>| {
        time.map_or_else(String::new, |time| time.timestamp_micros().to_string())
    };
    let fields = [
        previous.to_owned(),
        sequence.to_string(),
        input.attempt.to_string(),
        input.revision.to_string(),
        input.team.to_string(),
        input.project.clone(),
        input.owner.clone(),
        input.machine_type.clone(),
        micros(input.billable_from),
        micros(input.billable_until),
        micros(Some(received_at)),
    ];
    let mut encoded = String::new();
    for field in fields {
        write!(encoded, "{}:{field},", field.len()).ok();
    }
    chassis::seal::sha256_hex(&encoded)
}

#[cfg(test)]
mod tests {
    use kernel::id::{AttemptId, TeamId};
    use kernel::time::from_micros;

    use super::super::usage::tests::input;
    use super::*;

    #[test]
    fn every_field_counts() {
        let (attempt, team) = (AttemptId::generate(), TeamId::generate());
        let row = input(attempt, team, 1, Some(1), None);
        let at = from_micros(9);
        let others = [
            hash("x", 1, &row, at),
            hash(START, 2, &row, at),
            hash(START, 1, &row, from_micros(8)),
            hash(
                START,
                1,
                &input(AttemptId::generate(), team, 1, Some(1), None),
                at,
            ),
            hash(
                START,
                1,
                &input(attempt, TeamId::generate(), 1, Some(1), None),
                at,
            ),
            hash(START, 1, &input(attempt, team, 2, Some(1), None), at),
            hash(START, 1, &input(attempt, team, 1, Some(2), None), at),
            hash(START, 1, &input(attempt, team, 1, None, Some(1)), at),
            hash(
                START,
                1,
                &Input {
                    machine_type: "C1".to_owned(),
                    ..row.clone()
                },
                at,
            ),
            hash(
                START,
                1,
                &Input {
                    project: "p".to_owned(),
                    owner: "rnb".to_owned(),
                    ..row.clone()
                },
                at,
            ),
        ];
        let own = hash(START, 1, &row, at);
        assert!(others.iter().all(|other| *other != own));
        assert_eq!(own, hash(START, 1, &row, at));
    }
}
