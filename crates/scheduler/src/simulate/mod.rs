//! The engine of the service, run over published traces: what a policy makes of them. Reads no file and no clock.

mod course;
mod jobs;
mod load;
mod muri;
mod openb;
mod plot;
mod reclaim;
mod table;
mod trace;

use std::collections::BTreeMap;

use crate::domain::engine::Policy;

pub use course::{Spread, Summary};
pub use jobs::{Figures, JobsPolicy, JobsTrace, Moment, Outcome, jobs};
pub use load::Load;
pub use muri::{MuriPolicy, MuriTrace, muri};
pub use plot::plots;
pub use reclaim::Reclaim;
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

/// The policy of this name.
fn named<T: Copy>(protocol: &str, all: &[(&str, T)], name: &str) -> Result<T, String> {
    let known = all.iter().find(|(known, _)| *known == name);
    known.map(|(_, policy)| *policy).ok_or_else(|| {
        let names: Vec<&str> = all.iter().map(|(name, _)| *name).collect();
        let names = names.join(", ");
        format!("{name:?} is no policy of protocol {protocol}; there are: {names}")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const NODES: &str = "sn,cpu_milli,memory_mib,gpu,model\na,8000,8192,2,T4\nb,8000,8192,2,T4\n";

    fn pods(rows: &[&str]) -> String {
        let head = "name,cpu_milli,memory_mib,num_gpu,gpu_milli,gpu_spec";
        let rows: Vec<String> = (0..)
            .zip(rows)
            .map(|(at, row): (u32, _)| format!("p{at},{row}"))
            .collect();
        format!("{head}\n{}\n", rows.join("\n"))
    }

    #[test]
    fn what_fits_is_counted_out_exactly() {
        // Whole GPUs fill four of four; what comes then is dropped.
        let whole = Trace::read(NODES, &pods(&["1000,1024,1,1000,"; 5])).unwrap();
        // Two of 600 do not share a GPU: of each 400 stay free, and nobody wants so little.
        let gaps = Trace::read(NODES, &pods(&["1000,1024,1,600,T4|A10"; 8])).unwrap();
        // Nobody has this model.
        let foreign = Trace::read(NODES, &pods(&["1000,1024,1,1000,A10"; 5])).unwrap();
        for policy in Policy::ALL {
            let at = |trace, load| {
                let found = openb(trace, policy, 3);
                let percents = [&found.unallocated_gpu_percent, &found.fragmentation_percent];
                percents.map(|percent| percent[&load].round())
            };
            assert_eq!(at(&whole, 100), [0.0, 0.0], "{policy}");
            assert_eq!(at(&foreign, 100), [100.0, 100.0], "{policy}");
            let found = openb(&gaps, policy, 3);
            assert_eq!(
                found.decisions,
                3 * 8,
                "1.3 times four GPUs are 8 of 600 and a rest"
            );
            assert_eq!(found, openb(&gaps, policy, 3), "equal input, equal figures");
        }
    }

    #[test]
    fn what_cannot_be_read_is_named() {
        let refused = |nodes: &str, pods: &str| Trace::read(nodes, pods).unwrap_err();
        let good = pods(&["1,1,1,1000,"]);
        assert_eq!(refused("", &good), "nodes: the file is empty");
        assert_eq!(
            refused("cpu_milli\n1\n", &good),
            "nodes: there is no column model"
        );
        assert_eq!(
            refused(NODES, &pods(&["1,1,1,1000,", "many,1,1,1000,"])),
            "pods, line 3: cpu_milli is \"many\"; a whole number is needed"
        );
        assert!(
            refused(NODES, &pods(&["1,1,2,500,"]))
                .contains("line 2: gpu_milli is 500 of each of 2 GPUs")
        );
        assert!(refused(NODES, "name,cpu_milli\n").contains("a GPU and a pod at least"));
    }
}
