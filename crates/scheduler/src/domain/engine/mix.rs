//! What is usually asked for: the typical kinds of work, as "Beware of Fragmentation: Scheduling GPU-Sharing Workloads with
//! Fragmentation Gradient Descent" (USENIX ATC'23) has them. From them follows what a free part of a GPU is worth.

use std::collections::BTreeMap;

use super::ahead::Ahead;
use super::ask::{Ask, Gpus, Models};
use super::served::Served;

/// Share of the work that the typical kinds cover, in percent: the rare rest is left out.
const COVERED_PERCENT: u64 = 95;
/// Most kinds that are kept: tables grow with their square.
const MOST_KINDS: usize = 128;
/// Models that are told apart.
const MODELS: u8 = 64;

/// The typical kinds of work, and what they make of free GPUs.
#[derive(Clone, Debug)]
pub(crate) struct Mix {
    /// All typical work that was counted.
    pub(super) all: u64,
    /// Cores that kinds ask for, rising.
    core_steps: Vec<u32>,
    /// Models that all kinds treat alike are one class.
    class_of: Vec<u8>,
    /// One for each number of core steps that are free, and each class.
    served: Vec<Served>,
    ahead: Vec<Ahead>,
}

/// One kind and how often it came.
#[derive(Clone, Copy, Debug)]
pub(super) struct Kind {
    pub(super) milli_cores: u32,
    pub(super) gpus: Gpus,
    pub(super) models: Models,
    pub(super) count: u64,
}

impl Mix {
    /// The mix of this work.
    pub(crate) fn of<'a>(work: impl IntoIterator<Item = &'a Ask>) -> Self {
        let kinds = typical(work);
        let mut core_steps: Vec<u32> = kinds.iter().map(|kind| kind.milli_cores).collect();
        core_steps.sort_unstable();
        core_steps.dedup();
        let mut classes: Vec<Vec<bool>> = Vec::new();
        let mut class_of = Vec::new();
        for model in 0..MODELS {
            let taken_by: Vec<bool> = kinds.iter().map(|kind| kind.models.has(model)).collect();
            let known = classes.iter().position(|class| *class == taken_by);
            class_of.push(u8::try_from(known.unwrap_or(classes.len())).unwrap_or(0));
            if known.is_none() {
                classes.push(taken_by);
            }
        }
        let mut mix = Self {
            all: kinds.iter().map(|kind| kind.count).sum(),
            core_steps,
            class_of,
            served: Vec::new(),
            ahead: Vec::new(),
        };
        // Without a core not even the smallest kind fits.
        let most_cores = mix.core_steps.iter().copied().map(Some);
        for most in std::iter::once(None).chain(most_cores) {
            for class in &classes {
                let fitting: Vec<Kind> = kinds
                    .iter()
                    .zip(class)
                    .filter(|(kind, takes)| **takes && Some(kind.milli_cores) <= most)
                    .map(|(kind, _)| *kind)
                    .collect();
                mix.served.push(Served::of(&fitting, mix.all));
                mix.ahead.push(Ahead::of(&fitting, mix.all));
            }
        }
        mix
    }

    fn row(&self, milli_cores: u32, model: u8) -> usize {
        let steps = self.core_steps.partition_point(|step| *step <= milli_cores);
        let classes = self.served.len() / (self.core_steps.len() + 1);
        let class = self.class_of.get(usize::from(model)).copied().unwrap_or(0);
        steps * classes + usize::from(class)
    }

    /// What is served on GPUs of this model beside so many free cores.
    pub(super) fn served(&self, milli_cores: u32, model: u8) -> Option<&Served> {
        self.served.get(self.row(milli_cores, model))
    }

    /// What will be wasted of them.
    pub(super) fn ahead(&self, milli_cores: u32, model: u8) -> Option<&Ahead> {
        self.ahead.get(self.row(milli_cores, model))
    }
}

/// The commonest kinds that make up nearly all of the work, the commonest first.
pub(super) fn typical<'a>(work: impl IntoIterator<Item = &'a Ask>) -> Vec<Kind> {
    let mut counts: BTreeMap<(u32, Gpus, u64), u64> = BTreeMap::new();
    for ask in work {
        let kind = (ask.milli_cores, ask.gpus, ask.models.0);
        *counts.entry(kind).or_default() += 1;
    }
    let total: u64 = counts.values().sum();
    let mut kinds: Vec<Kind> = counts
        .into_iter()
        .map(|((milli_cores, gpus, models), count)| Kind {
            milli_cores,
            gpus,
            models: Models(models),
            count,
        })
        .collect();
    kinds.sort_by_key(|kind| std::cmp::Reverse(kind.count));
    kinds.truncate(MOST_KINDS);
    let mut covered = 0;
    kinds.retain(|kind| {
        let wanted = covered * 100 < total * COVERED_PERCENT;
        covered += kind.count;
        wanted
    });
    kinds
}
