//! Fragmentation (USENIX ATC'23). Of a node's free thousandths, a kind of work cannot use: all, where it does not fit the node at all
//! or wants no GPU; else those of the GPUs that have too little left. Turned round: a GPU with `x` free is of use to `served(x)` of
//! the work, and the fragmentation of a node is the sum over its GPUs of `x * (1 - served(x))`. `served` depends on the free cores,
//! the model and the number of whole GPUs only, so that it is looked up.

use super::ask::Gpus;
use super::fleet::{MOST_GPUS, WHOLE};
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
        // Tables are made anew for each pass of the service, so no kind is looked at twice.
        let mut shares = vec![0; WHOLE as usize + 1];
        let mut whole = vec![0];
        for kind in kinds {
            let (table, size) = match kind.gpus {
                Gpus::None => continue,
                // No node has so many.
                Gpus::Whole(count) if count as usize > MOST_GPUS => continue,
                Gpus::Share(milli) => (&mut shares, milli as usize),
                Gpus::Whole(count) => {
                    let size = count as usize;
                    whole.resize(whole.len().max(size + 1), 0);
                    (&mut whole, size)
                }
            };
            if let Some(content) = table.get_mut(size) {
                *content += kind.count;
            }
        }
        for table in [&mut shares, &mut whole] {
            let mut sum = 0;
            for content in table {
                sum += *content;
                *content = sum;
            }
        }
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
