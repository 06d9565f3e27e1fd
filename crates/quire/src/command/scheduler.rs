//! `quire scheduler`: the placement engine, tried without a server.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::Instant;

use ::scheduler::simulate::{self, Trace};
use anyhow::{Context as _, Result, anyhow};
use serde::Serialize;

use super::scheduler_record::{replay, snapshot};
use crate::api::Api;
use crate::cli::{Output, Protocol, SchedulerCommand, SimulateArgs};
use crate::print::{self, Row};

/// What a simulation found; names of fields as programs read them.
#[derive(Clone, Debug, Serialize)]
struct Simulated {
    unallocated_gpu_percent: BTreeMap<u64, f64>,
    fragmentation_percent: BTreeMap<u64, f64>,
    decisions_per_second: u64,
}

impl Row for Simulated {
    const COLUMNS: &'static [&'static str] = &[
        "UNALLOCATED GPU % AT 100 / 130 %",
        "FRAGMENTATION % AT 100 / 130 %",
        "DECISIONS A SECOND",
    ];

    fn cells(&self) -> Vec<String> {
        let both = |percent: &BTreeMap<u64, f64>| {
            let rounded: Vec<_> = percent
                .values()
                .map(|value| format!("{value:.2}"))
                .collect();
            rounded.join(" / ")
        };
        vec![
            both(&self.unallocated_gpu_percent),
            both(&self.fragmentation_percent),
            self.decisions_per_second.to_string(),
        ]
    }
}

/// Runs a command; only a snapshot needs the server, which `api` then finds.
pub(crate) async fn run(
    command: SchedulerCommand,
    api: impl FnOnce() -> Result<Api>,
    output: Output,
) -> Result<()> {
    match command {
        SchedulerCommand::Simulate(args) => simulate(&args, output),
        SchedulerCommand::Snapshot(args) => snapshot(&api()?, &args.file, output).await,
        SchedulerCommand::Replay(args) => replay(&args.file, output),
    }
}

fn simulate(args: &SimulateArgs, output: Output) -> Result<()> {
    let Protocol::Openb = args.protocol;
    let trace = Trace::read(&text(&args.nodes)?, &text(&args.pods)?).map_err(|why| anyhow!(why))?;
    let started = Instant::now();
    let found = simulate::openb(&trace, args.policy, args.seeds);
    let micros = started.elapsed().as_micros().max(1);
    let per_second = u128::from(found.decisions) * 1_000_000 / micros;
    let simulated = Simulated {
        unallocated_gpu_percent: found.unallocated_gpu_percent,
        fragmentation_percent: found.fragmentation_percent,
        decisions_per_second: u64::try_from(per_second).unwrap_or(u64::MAX),
    };
    print::one(output, &simulated)
}

fn text(path: &Path) -> Result<String> {
    fs::read_to_string(path).with_context(|| format!("reading {}", path.display()))
}
