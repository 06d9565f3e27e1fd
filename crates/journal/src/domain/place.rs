//! Places in the journal, as texts that callers hand back.

use chassis::{Error, Result};

/// Behind which entry a list goes on, and where the journal ended when the list began: what is written down later is for the
/// tail, not for the next page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    /// Time of the entry, in microseconds.
    pub(crate) time: i64,
    /// Its number.
    pub(crate) seq: u64,
    /// The last number at the first page.
    pub(crate) head: u64,
}

impl Place {
    /// Reads what [`Place::to_text`] wrote; empty = the start.
    pub(crate) fn parse(text: &str) -> Result<Option<Self>> {
        if text.is_empty() {
            return Ok(None);
        }
        let mut parts = text.split('.');
        let (time, seq, head, rest) = (parts.next(), parts.next(), parts.next(), parts.next());
        let time = time.and_then(|part| part.parse().ok());
        match (time, number(seq), number(head), rest) {
            (Some(time), Some(seq), Some(head), None) => Ok(Some(Self { time, seq, head })),
            _ => Err(Error::invalid(
                "after",
                "is not the nextPage of a page before",
            )),
        }
    }

    pub(crate) fn to_text(self) -> String {
        format!("{}.{}.{}", self.time, self.seq, self.head)
    }
}

/// Reads the cursor of an event; `None` = from now on.
pub(crate) fn parse_cursor(text: &str) -> Result<Option<u64>> {
    if text.is_empty() {
        return Ok(None);
    }
    number(Some(text))
        .map(Some)
        .ok_or_else(|| Error::invalid("after", "is not the cursor of an event"))
}

/// A number that databases can hold.
fn number(part: Option<&str>) -> Option<u64> {
    part?
        .parse()
        .ok()
        .filter(|number| i64::try_from(*number).is_ok())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn places_round_trip(time: i64, seq in 0..=i64::MAX.unsigned_abs(), head in 0..=i64::MAX.unsigned_abs()) {
            let place = Place { time, seq, head };
            prop_assert_eq!(Place::parse(&place.to_text()).unwrap(), Some(place));
            prop_assert_eq!(parse_cursor(&seq.to_string()).unwrap(), Some(seq));
        }

        #[test]
        fn other_texts_are_refused_in_words(text in "[a-z.]{1,20}|-[0-9]{1,30}|[1-9][0-9]{19,30}") {
            for error in [Place::parse(&text).unwrap_err(), parse_cursor(&text).unwrap_err()] {
                prop_assert!(error.to_string().starts_with("after: is not the "));
            }
        }
    }
}
