//! How much of each kind of thing: what queues deserve, may have and hold.

use serde::{Deserialize, Serialize};

use std::fmt;

use crate::domain::engine::Ask;

/// Kinds of things that are counted, by the names in errors.
pub(crate) const KINDS: [&str; 3] = ["milli-GPUs", "milli-cores", "MiB memory"];

/// Thousandths of GPUs, thousandths of cores, MiB of memory.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Amount(pub(crate) [i64; KINDS.len()]);

impl Amount {
    /// So many whole GPUs, and nothing else.
    pub(crate) fn gpus(count: u32) -> Self {
        Self([i64::from(count) * 1_000, 0, 0])
    }

    /// What `count` times `ask` takes.
    pub(crate) fn of(ask: &Ask, count: u32) -> Self {
        let each = [ask.gpus.milli(), ask.milli_cores, ask.memory_mib];
        Self(each.map(|each| i64::from(each) * i64::from(count)))
    }

    /// Kind by kind.
    fn with(self, other: Self, by: impl Fn(i64, i64) -> i64) -> Self {
        let mut both = self;
        for (one, other) in both.0.iter_mut().zip(other.0) {
            *one = by(*one, other);
        }
        both
    }

    /// Both together.
    pub(crate) fn plus(self, other: Self) -> Self {
        self.with(other, i64::saturating_add)
    }

    /// Without `other`.
    pub(crate) fn minus(self, other: Self) -> Self {
        self.with(other, i64::saturating_sub)
    }

    /// The larger of each kind.
    pub(crate) fn most(self, other: Self) -> Self {
        self.with(other, i64::max)
    }

    /// The smaller of each kind.
    pub(crate) fn least(self, other: Self) -> Self {
        self.with(other, i64::min)
    }

    /// Without what is below nothing.
    pub(crate) fn least_0(self) -> Self {
        self.most(Self::default())
    }

    /// Whether there is no more of any kind than in `other`.
    pub(crate) fn is_within(self, other: Self) -> bool {
        self.0.iter().zip(other.0).all(|(one, other)| *one <= other)
    }

    /// The same, for those kinds only of which `matter` has some.
    pub(crate) fn is_within_of(self, other: Self, matter: Self) -> bool {
        let kinds = self.0.iter().zip(other.0).zip(matter.0);
        let mut those = kinds.filter(|(_, matter)| *matter > 0);
        those.all(|((one, other), _)| *one <= other)
    }

    /// The largest share that it is of `whole`, over the kinds (dominant resource, NSDI'11); infinite of a kind that is not there.
    pub(crate) fn dominant_of(self, whole: Self) -> f64 {
        let share = |(part, whole): (&i64, i64)| match part {
            0 => 0.0,
            part if whole <= 0 => f64::INFINITY * (*part as f64).signum(),
            part => *part as f64 / whole as f64,
        };
        self.0.iter().zip(whole.0).map(share).fold(0.0, f64::max)
    }
}

/// What it is of, in words; kinds of which there is nothing, or no end, are left out.
impl fmt::Display for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kinds = self.0.iter().zip([
            (1_000.0, "GPUs"),
            (1_000.0, "cores"),
            (1_024.0, "GiB memory"),
        ]);
        let there = kinds.filter(|(amount, _)| ![0, i64::MAX].contains(*amount));
        let words = there.map(|(amount, (unit, name))| {
            let hundredths = (*amount as f64 / unit * 100.0).round() / 100.0;
            format!("{hundredths} {name}")
        });
        let words: Vec<String> = words.collect();
        f.write_str(if words.is_empty() { "nothing" } else { "" })?;
        f.write_str(&words.join(", "))
    }
}
