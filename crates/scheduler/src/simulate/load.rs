//! A made-up cluster in steady state: something comes, and what has been there longest goes. For benchmarks of the engine.

use std::collections::VecDeque;

use crate::domain::engine::{
    Ask, Fleet, Gpu, Gpus, Mix, Place, Planner, Policy, Seeded, Server, WHOLE,
};

/// Sizes of requests that are told apart.
const SIZES: usize = 150;
/// Load that is held, in percent of all GPUs.
const FULL_PERCENT: u64 = 90;

/// A cluster under load.
#[derive(Debug)]
pub struct Load {
    planner: Planner,
    dice: Seeded,
    sizes: Vec<Ask>,
    running: VecDeque<(usize, Place)>,
    used_milli: u64,
    total_milli: u64,
}

impl Load {
    /// `nodes` nodes of 8 and of 2 GPUs and without any, filled to nine tenths, drawn by `seed`.
    #[must_use]
    pub fn new(nodes: usize, policy: Policy, seed: u64) -> Self {
        let mut dice = Seeded::new(seed);
        let servers: Vec<Server> = (0..nodes).map(|_| server(&mut dice)).collect();
        let sizes: Vec<Ask> = (0..SIZES).map(|_| size(&mut dice)).collect();
        let gpus = servers.iter().map(|server| server.gpus.len() as u64);
        let total_milli = gpus.sum::<u64>() * u64::from(WHOLE);
        let mut load = Self {
            planner: Planner::new(Fleet::new(&servers), Mix::of(&sizes), policy, seed),
            dice,
            sizes,
            running: VecDeque::new(),
            used_milli: 0,
            total_milli,
        };
        // Bounded: a cluster whose cores are gone first never gets that full.
        for _ in 0..nodes * 20 {
            if load.is_full() {
                break;
            }
            load.decide();
        }
        load
    }

    fn is_full(&self) -> bool {
        self.used_milli * 100 >= self.total_milli * FULL_PERCENT
    }

    /// One decision, over all nodes that fit; `false` when none did.
    pub fn decide(&mut self) -> bool {
        let size = self.dice.below(self.sizes.len());
        let Some(ask) = self.sizes.get(size) else {
            return false;
        };
        let Some(place) = self.planner.decide(ask) else {
            return false;
        };
        self.planner.take(ask, place);
        self.used_milli += u64::from(ask.gpus.milli());
        self.running.push_back((size, place));
        true
    }

    /// Ends what has run longest while the cluster is fuller than it should be.
    pub fn settle(&mut self) {
        while self.is_full()
            && let Some((size, place)) = self.running.pop_front()
            && let Some(ask) = self.sizes.get(size)
        {
            self.planner.give_back(ask, place);
            self.used_milli -= u64::from(ask.gpus.milli());
        }
    }
}

fn server(dice: &mut Seeded) -> Server {
    let (milli_cores, gpus, model) = match dice.below(10) {
        0..5 => (96_000, 8, 0),
        5..8 => (104_000, 2, 1),
        8 => (64_000, 4, 2),
        _ => (64_000, 0, 0),
    };
    let gpu = Gpu {
        model,
        memory_mib: 40_960,
        free_milli: WHOLE,
        nvlink: Some(0),
        numa: None,
    };
    Server {
        open: true,
        milli_cores,
        memory_mib: milli_cores * 4,
        disk_gib: 2_000,
        gpus: vec![gpu; gpus],
        labels: Vec::new(),
    }
}

fn size(dice: &mut Seeded) -> Ask {
    let gpus = match dice.below(10) {
        0 => Gpus::None,
        1..5 => Gpus::Share(50 + 50 * u32::try_from(dice.below(18)).unwrap_or(0)),
        5..9 => Gpus::Whole(1),
        _ => Gpus::Whole(1 << dice.below(4)),
    };
    let cores = 1 + u32::try_from(dice.below(11)).unwrap_or(0);
    Ask {
        milli_cores: cores * 1_000 * gpus.milli().div_ceil(WHOLE).max(1),
        memory_mib: cores * 2_048,
        disk_gib: 1,
        gpus,
        ..Ask::default()
    }
}
