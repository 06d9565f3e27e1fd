//! The engine of the service, run over published traces: what a policy makes of them. Reads no file and no clock.

mod load;
mod openb;
mod trace;

use std::collections::BTreeMap;

use crate::domain::engine::Policy;

pub use load::Load;
pub use trace::Trace;

/// Arrived loads that are reported, in percent of all GPUs.
const REPORTED: [u64; 2] = [100, 130];

/// What a policy made of openb: means over the seeds, by arrived load in percent.
#[derive(Clone, Debug, PartialEq)]
pub struct Placement {
    /// GPUs that were not given out, in percent of all.
    pub unallocated_gpu_percent: BTreeMap<u64, f64>,
    /// Free GPU that the usual work could not use, in percent of all GPUs.
    pub fragmentation_percent: BTreeMap<u64, f64>,
    /// Decisions that were made.
    pub decisions: u64,
}

/// Plays openb's protocol with each of the seeds `0..seeds`.
#[must_use]
pub fn openb(trace: &Trace, policy: Policy, seeds: u32) -> Placement {
    let mut sum = Placement {
        unallocated_gpu_percent: BTreeMap::new(),
        fragmentation_percent: BTreeMap::new(),
        decisions: 0,
    };
    for seed in 0..seeds {
        let course = openb::Stream::draw(trace, policy, seed.into()).run(&REPORTED);
        sum.decisions += course.decisions;
        for (all, one) in [
            (&mut sum.unallocated_gpu_percent, course.unallocated),
            (&mut sum.fragmentation_percent, course.fragmented),
        ] {
            for (load, percent) in one {
                *all.entry(load).or_default() += percent / f64::from(seeds);
            }
        }
    }
    sum
}
