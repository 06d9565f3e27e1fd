//! Between wire types and kernel types. What comes from outside is checked here, with the field's name.

use kernel::{Micros, Resources, Timestamp};

use crate::common::v1 as wire;

/// A field of a request or event cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvalidField {
    /// Name of the field as the contract writes it.
    pub field: &'static str,
    /// What is wrong and what would be right.
    pub problem: String,
}

impl std::fmt::Display for InvalidField {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.field, self.problem)
    }
}

impl std::error::Error for InvalidField {}

/// As the wire carries it.
pub fn to_wire_time(time: Timestamp) -> prost_types::Timestamp {
    let nanos = time.timestamp_subsec_micros().saturating_mul(1_000);
    prost_types::Timestamp {
        seconds: time.timestamp(),
        nanos: i32::try_from(nanos).unwrap_or(0),
    }
}

/// As the house counts it, cut to microseconds.
///
/// # Errors
/// [`InvalidField`] when it lies outside the calendar.
pub fn from_wire_time(
    field: &'static str,
    time: prost_types::Timestamp,
) -> Result<Timestamp, InvalidField> {
    let micros = time
        .seconds
        .checked_mul(1_000_000)
        .and_then(|micros| micros.checked_add(i64::from(time.nanos) / 1_000));
    // 9999-12-31, the last day that protobuf's JSON and both databases can hold.
    match micros {
        Some(micros) if (0..253_402_300_800_000_000).contains(&micros) => {
            Ok(kernel::time::from_micros(micros))
        }
        _ => Err(InvalidField {
            field,
            problem: "is not a time between the years 1970 and 9999".to_owned(),
        }),
    }
}

impl From<wire::Resources> for Resources {
    fn from(wire: wire::Resources) -> Self {
        Self {
            milli_cores: wire.milli_cores,
            memory_mib: wire.memory_mib,
            disk_gib: wire.disk_gib,
            gpus: wire.gpus,
            gpu_model: wire.gpu_model,
        }
    }
}

impl From<Resources> for wire::Resources {
    fn from(resources: Resources) -> Self {
        Self {
            milli_cores: resources.milli_cores,
            memory_mib: resources.memory_mib,
            disk_gib: resources.disk_gib,
            gpus: resources.gpus,
            gpu_model: resources.gpu_model,
        }
    }
}

impl wire::Money {
    /// An amount in `currency`.
    pub fn new(amount: Micros, currency: &str) -> Self {
        Self {
            micros: amount.0,
            currency: currency.to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_round_trip_and_are_bounded() {
        let time = kernel::time::from_micros(1_700_000_000_123_456);
        assert_eq!(from_wire_time("at", to_wire_time(time)), Ok(time));
        for seconds in [i64::MIN, -1, i64::MAX] {
            let error = from_wire_time("at", prost_types::Timestamp { seconds, nanos: 0 });
            assert_eq!(error.unwrap_err().field, "at");
        }
    }
}
