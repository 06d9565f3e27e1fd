//! How people write what a machine should have at least: `2`, `A100:2`, `16GiB`.

use std::str::FromStr;

/// Longest name of a model, in bytes.
const LONGEST_MODEL: usize = 64;

/// GPUs that are asked for: so many, of a model that is named or of any.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GpuRequest {
    /// How many, 1 or more.
    pub count: u32,
    /// Name of the model or a part of it; empty = any.
    pub model: String,
}

/// A text does not say what is asked for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not {wanted}")]
pub struct ParseSizeError {
    text: String,
    wanted: &'static str,
}

impl ParseSizeError {
    fn new(text: &str, wanted: &'static str) -> Self {
        let text = text.chars().take(40).collect();
        Self { text, wanted }
    }
}

/// Reads `N`, `MODEL` or `MODEL:N`.
impl FromStr for GpuRequest {
    type Err = ParseSizeError;

    fn from_str(text: &str) -> Result<Self, ParseSizeError> {
        let error = || {
            ParseSizeError::new(
                text,
                "a number of GPUs, a model, or both; write 1, A100 or A100:2",
            )
        };
        let number = |text: &str| -> Option<u32> {
            let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
            text.parse().ok().filter(|count| digits && *count > 0)
        };
        let (model, count) = match text.split_once(':') {
            Some((model, count)) => (model, number(count).ok_or_else(error)?),
            None if text.bytes().all(|byte| byte.is_ascii_digit()) => {
                ("", number(text).ok_or_else(error)?)
            }
            None => (text, 1),
        };
        let is_name = model.len() <= LONGEST_MODEL
            && model
                .bytes()
                .all(|byte| byte.is_ascii_graphic() || byte == b' ')
            && model.bytes().any(|byte| byte.is_ascii_alphabetic());
        if !is_name && text.bytes().any(|byte| !byte.is_ascii_digit()) {
            return Err(error());
        }
        Ok(Self {
            count,
            model: model.to_owned(),
        })
    }
}

/// Reads an amount of memory or of files such as `512MiB` or `16GiB`, in MiB.
///
/// # Errors
/// [`ParseSizeError`] for other units, for 0, and for more than 32 bits of MiB hold.
pub fn parse_mib(text: &str) -> Result<u32, ParseSizeError> {
    let error = || ParseSizeError::new(text, "an amount; write 512MiB, 16GiB or 1TiB");
    let units = [("MiB", 1), ("GiB", 1 << 10), ("TiB", 1 << 20)];
    let (number, each): (&str, u32) = units
        .into_iter()
        .find_map(|(unit, each)| Some((text.strip_suffix(unit)?, each)))
        .ok_or_else(error)?;
    if !number.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(error());
    }
    let number: u32 = number.parse().map_err(|_| error())?;
    number
        .checked_mul(each)
        .filter(|mib| *mib > 0)
        .ok_or_else(error)
}

/// Bytes for people, in the largest unit that leaves 1 or more, rounded down: `9.2 GiB`.
#[must_use]
pub fn bytes_text(bytes: u64) -> String {
    let units = [
        (50, "PiB"),
        (40, "TiB"),
        (30, "GiB"),
        (20, "MiB"),
        (10, "KiB"),
    ];
    let fits = units.into_iter().find(|(shift, _)| bytes >> shift > 0);
    let Some((shift, unit)) = fits else {
        return format!("{bytes} B");
    };
    let tenths = ((bytes & ((1 << shift) - 1)) * 10) >> shift;
    format!("{}.{tenths} {unit}", bytes >> shift)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn gpus(text: &str) -> Option<(u32, String)> {
        let read: Result<GpuRequest, _> = text.parse();
        read.ok().map(|read| (read.count, read.model))
    }

    #[test]
    fn gpus_are_a_number_a_model_or_both() {
        assert_eq!(gpus("1"), Some((1, String::new())));
        assert_eq!(gpus("A100"), Some((1, "A100".to_owned())));
        assert_eq!(gpus("a100-80g:8"), Some((8, "a100-80g".to_owned())));
        assert_eq!(gpus("RTX 4000:2"), Some((2, "RTX 4000".to_owned())));
        for wrong in [
            "",
            "0",
            "-1",
            "A100:0",
            "A100:",
            ":2",
            "A100:x",
            "A100:2:3",
            "1.5",
            "A100:+2",
            "ä",
            " ",
            "99999999999",
        ] {
            assert_eq!(gpus(wrong), None, "{wrong:?}");
        }
    }

    #[test]
    fn memory_has_a_unit_of_two() {
        for (text, mib) in [("512MiB", 512), ("16GiB", 16_384), ("1TiB", 1 << 20)] {
            assert_eq!(parse_mib(text), Ok(mib));
        }
        for wrong in [
            "16",
            "16XB",
            "16GB",
            "16gib",
            "0GiB",
            "-1GiB",
            "+1GiB",
            "1.5GiB",
            "GiB",
            "",
            "9999999TiB",
        ] {
            let error = parse_mib(wrong).unwrap_err().to_string();
            assert!(error.contains("16GiB"), "{wrong:?}: {error}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(count in 1_u32.., model in "[A-Za-z][A-Za-z0-9-]{0,20}") {
            let text = format!("{model}:{count}");
            let read = text.parse::<GpuRequest>();
            prop_assert_eq!(read, Ok(GpuRequest { count, model }));
        }

        #[test]
        fn nothing_makes_it_panic(text in ".*") {
            drop(text.parse::<GpuRequest>());
            drop(parse_mib(&text));
        }
    }

    #[test]
    fn bytes_are_written_in_the_unit_that_fits() {
        for (bytes, text) in [
            (0, "0 B"),
            (1_023, "1023 B"),
            (1 << 10, "1.0 KiB"),
            ((10 << 30) - 1, "9.9 GiB"),
            (3 << 29, "1.5 GiB"),
            (u64::MAX, "16383.9 PiB"),
        ] {
            assert_eq!(bytes_text(bytes), text);
        }
    }
}
