//! Fragmentation (USENIX ATC'23). Of a node's free thousandths, a kind of work cannot use: all, where it does not fit the node at all
//! or wants no GPU; else those of the GPUs that have too little left. Turned round: a GPU with `x` free is of use to `served(x)` of
//! the work, and the fragmentation of a node is the sum over its GPUs of `x * (1 - served(x))`. `served` depends on the free cores,
//! the model and the number of whole GPUs only, so that it is looked up.

use super::ask::Gpus;
use super::fleet::WHOLE;
use super::mix::Kind;

/// How much work free GPUs serve beside some number of free cores.
#[derive(Clone, Debug)]
pub(super) struct Served {
    all: u64,
    /// By free thousandths: the work that is content with so much of a GPU.
    shares: Vec<u64>,
    /// By whole free GPUs: the work that is content with so many.
    whole: Vec<u64>,
}

impl Served {
    /// What these kinds, those that fit otherwise, make of free GPUs; `all` is how much work there is of all kinds.
    pub(super) fn of(kinds: &[Kind], all: u64) -> Self {
        let count = |wanted: &dyn Fn(Gpus) -> bool| -> u64 {
            let content = kinds.iter().filter(|kind| wanted(kind.gpus));
            content.map(|kind| kind.count).sum()
        };
        let shares = (0..=WHOLE)
            .map(|free| count(&|gpus| matches!(gpus, Gpus::Share(milli) if milli <= free)))
            .collect();
        let wholes = kinds.iter().filter_map(|kind| match kind.gpus {
            Gpus::Whole(count) => Some(count),
            Gpus::None | Gpus::Share(_) => None,
        });
        let whole = (0..=wholes.max().unwrap_or(0))
            .map(|free| count(&|gpus| matches!(gpus, Gpus::Whole(count) if count <= free)))
            .collect();
        Self { all, shares, whole }
    }

    /// What is lost of a GPU with so much free, a part of it: thousandths times work.
    pub(super) fn lost_of_part(&self, free_milli: u32) -> i64 {
        let served = self.shares.get(free_milli as usize).copied();
        lost(free_milli, self.all - served.unwrap_or(0))
    }

    /// What is lost of so many GPUs that are wholly free.
    pub(super) fn lost_of_whole(&self, count: u32) -> i64 {
        let shares = self.shares.last().copied().unwrap_or(0);
        let at = (count as usize).min(self.whole.len().saturating_sub(1));
        let served = shares + self.whole.get(at).copied().unwrap_or(0);
        lost(count * WHOLE, self.all - served)
    }
}

fn lost(milli: u32, work: u64) -> i64 {
    i64::from(milli).saturating_mul(i64::try_from(work).unwrap_or(i64::MAX))
}
