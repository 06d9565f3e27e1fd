//! The protocol of openb: how much of all GPUs a policy leaves unallocated when work arrives until it is 1.3 times what there is
//! (Alibaba's cluster-trace-gpu-v2023, as in USENIX ATC'23).

use std::collections::BTreeMap;

use super::Trace;
use crate::domain::engine::{Ask, Fleet, Mix, Planner, Policy, Seeded};

/// Arrived load at the end, in percent of all GPUs.
const LAST_PERCENT: u64 = 130;

/// What one stream did: by whole percent of arrived load, the means over the events there.
#[derive(Clone, Debug, Default)]
pub(super) struct Course {
    pub(super) unallocated: BTreeMap<u64, f64>,
    pub(super) fragmented: BTreeMap<u64, f64>,
    /// Decisions that were made.
    pub(super) decisions: u64,
}

/// One stream of arrivals, drawn by `seed`, on the nodes in an order drawn by it too.
#[derive(Debug)]
pub(super) struct Stream<'a> {
    arrivals: Vec<&'a Ask>,
    planner: Planner,
    total: u64,
}

impl<'a> Stream<'a> {
    /// The stream of this seed.
    pub(super) fn draw(trace: &'a Trace, policy: Policy, seed: u64) -> Self {
        let mut dice = Seeded::new(seed);
        let mut servers = trace.servers.clone();
        dice.shuffle(&mut servers);
        let gpus = servers.iter().map(|server| server.gpus.len() as u64);
        let total = gpus.sum::<u64>() * 1_000;
        let mut arrivals: Vec<&Ask> = trace.asks.iter().collect();
        dice.shuffle(&mut arrivals);
        let most = total * LAST_PERCENT / 100;
        let demand =
            |asks: &[&Ask]| -> u64 { asks.iter().map(|ask| u64::from(ask.gpus.milli())).sum() };
        let mut arrived = demand(&arrivals);
        while arrived > most {
            let removed = arrivals.swap_remove(dice.below(arrivals.len()));
            arrived -= u64::from(removed.gpus.milli());
        }
        while let Some(next) = trace.asks.get(dice.below(trace.asks.len())) {
            arrived += u64::from(next.gpus.milli());
            if arrived > most {
                break;
            }
            arrivals.push(next);
        }
        let planner = Planner::new(
            Fleet::new(&servers),
            Mix::of(&trace.asks),
            policy,
            dice.next(),
        );
        Self {
            arrivals,
            planner,
            total,
        }
    }

    /// Places one arrival after the other; what fits nowhere is dropped. Tells of the loads `reported`.
    pub(super) fn run(mut self, reported: &[u64]) -> Course {
        let (mut arrived, mut used) = (0, 0);
        let mut sums: BTreeMap<u64, Sum> = BTreeMap::new();
        for ask in &self.arrivals {
            let milli = u64::from(ask.gpus.milli());
            arrived += milli;
            if let Some(place) = self.planner.decide(ask) {
                self.planner.take(ask, place);
                used += milli;
            }
            let percent = (arrived * 100 + self.total / 2) / self.total;
            if reported.contains(&percent) {
                let sum = sums.entry(percent).or_default();
                sum.events += 1.0;
                sum.unallocated += (self.total - used) as f64;
                sum.fragmented += self.planner.fragmented();
            }
        }
        let percent = |milli: f64, sum: &Sum| milli * 100.0 / self.total as f64 / sum.events;
        Course {
            unallocated: sums
                .iter()
                .map(|(at, sum)| (*at, percent(sum.unallocated, sum)))
                .collect(),
            fragmented: sums
                .iter()
                .map(|(at, sum)| (*at, percent(sum.fragmented, sum)))
                .collect(),
            decisions: self.arrivals.len() as u64,
        }
    }
}

/// Of the events at one load: how many there were, and free thousandths added up.
#[derive(Clone, Copy, Debug, Default)]
struct Sum {
    events: f64,
    unallocated: f64,
    fragmented: f64,
}
