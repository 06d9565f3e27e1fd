//! Waste to come: what will still be free of a GPU after the next arrivals.
//!
//! Fragmentation looks one arrival ahead, and so holds a gap of 350 thousandths for nearly as bad as one of 190 though two requests
//! of 160 and 190 may fill it. Here the gap meets `ARRIVALS` requests drawn from the usual mix, one after the other, each of which
//! takes its part of it if it fits (a dynamic program over the sizes of the gap). What is expected to be left is the waste.

use super::ask::Gpus;
use super::fleet::WHOLE;
use super::mix::Kind;

/// Arrivals that a gap waits for. Chosen on the default list of openb, and held against lists made of it with more shares, with more jobs
/// of many GPUs and with more work without GPUs. With 8 to 32 less stays unallocated than under FGD on the default list.
const ARRIVALS: usize = 20;
/// Parts of a thousandth that are counted.
const FINE: u32 = 1_000_000;

/// The waste to come of each gap beside some number of free cores.
#[derive(Clone, Debug)]
pub(super) struct Ahead {
    /// Sizes of gaps that are told apart: multiples of so many thousandths.
    step: u32,
    waste: Vec<u32>,
}

impl Ahead {
    /// What these kinds, those that fit otherwise, will leave; `all` is how much work there is of all kinds.
    pub(super) fn of(kinds: &[Kind], all: u64) -> Self {
        let sizes: Vec<(u32, u64)> = kinds
            .iter()
            .filter(|kind| kind.gpus != Gpus::None && kind.gpus.milli() <= WHOLE)
            .map(|kind| (kind.gpus.milli(), kind.count))
            .collect();
        let step = sizes
            .iter()
            .fold(WHOLE, |step, (milli, _)| gcd(step, *milli));
        let mut waste: Vec<u32> = (0..=WHOLE / step).map(|at| at * step * FINE).collect();
        for _ in 0..ARRIVALS {
            waste = (0..)
                .zip(&waste)
                .map(|(at, now)| {
                    let filled = sizes.iter().map(|(milli, count)| {
                        let rest = (at * step)
                            .checked_sub(*milli)
                            .and_then(|rest| waste.get((rest / step) as usize));
                        rest.map_or(0, |rest| count * u64::from(now.saturating_sub(*rest)))
                    });
                    let filled = filled.sum::<u64>() / all.max(1);
                    now.saturating_sub(u32::try_from(filled).unwrap_or(u32::MAX))
                })
                .collect();
        }
        Self { step, waste }
    }

    /// What will be wasted of a GPU with so much free, in millionths of a thousandth.
    pub(super) fn waste(&self, free_milli: u32) -> i64 {
        let at = (free_milli / self.step) as usize;
        let waste = self.waste.get(at).copied().unwrap_or(0);
        // What is finer than all that is asked for is of use to nobody.
        i64::from(waste) + i64::from(free_milli % self.step) * i64::from(FINE)
    }
}

fn gcd(a: u32, b: u32) -> u32 {
    if b == 0 { a } else { gcd(b, a % b) }
}
