//! Who comes first. What a policy may know is fixed by types: one without declared durations is never given any.

use super::history::History;

/// What may be known of any job.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Seen {
    /// When it came, in seconds.
    pub(crate) submitted_s: f64,
    pub(crate) gpus: u32,
    /// How long it has held its GPUs so far, all starts together.
    pub(crate) attained_s: f64,
}

/// An order of jobs: the smallest key goes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Order {
    Blind(Blind),
    Declared(Declared),
}

/// Orders that know no durations.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Blind {
    /// As they came.
    Fifo,
    /// The least GPU time so far (Tiresias, NSDI'19, without its queues).
    LeastAttained,
    /// By steps of attained time, ranked by what ended so far (`history`).
    Learned,
}

/// Orders that know what work is left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Declared {
    /// The shortest time left.
    Srtf,
    /// The least GPU time left.
    Srsf,
}

/// How much more than its share of GPUs a gang is put back by: its rank grows with this power of them. Chosen on the traces
/// of Muri, where 1.5 to 2.5 do alike.
const GANG_POWER: f64 = 2.0;

impl Blind {
    /// The key of a job.
    pub(crate) fn key(self, seen: &Seen, history: &History) -> f64 {
        let gpus = f64::from(seen.gpus);
        match self {
            Self::Fifo => seen.submitted_s,
            Self::LeastAttained => seen.attained_s * gpus,
            Self::Learned => history.expected_s(seen) * gpus.powf(GANG_POWER),
        }
    }
}

impl Declared {
    /// The key of a job with `left_s` seconds of work left.
    pub(crate) fn key(self, seen: &Seen, left_s: f64) -> f64 {
        match self {
            Self::Srtf => left_s,
            Self::Srsf => left_s * f64::from(seen.gpus),
        }
    }
}
