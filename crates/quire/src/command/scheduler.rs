//! `quire scheduler`: the scheduler, tried without a server.

mod jobs;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::str::FromStr;
use std::time::Instant;

use ::scheduler::simulate::{self, MuriPolicy, MuriTrace, Trace};
use anyhow::{Context as _, Result, anyhow, bail};
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
    match args.protocol {
        Protocol::Openb => openb(args, output),
        Protocol::Muri => muri(args, output),
        Protocol::Jobs => jobs::run(args, output),
    }
}

fn openb(args: &SimulateArgs, output: Output) -> Result<()> {
    let nodes = text("--nodes", args.nodes.as_ref().map(Path::new))?;
    let pods = text("--pods", args.pods.as_deref())?;
    let policy: ::scheduler::Policy = parsed(&args.policy)?;
    let trace = Trace::read(&nodes, &pods).map_err(|why| anyhow!(why))?;
    let started = Instant::now();
    let found = simulate::openb(&trace, policy, args.seeds);
    let micros = started.elapsed().as_micros().max(1);
    let per_second = u128::from(found.decisions) * 1_000_000 / micros;
    let simulated = Simulated {
        unallocated_gpu_percent: found.unallocated_gpu_percent,
        fragmentation_percent: found.fragmentation_percent,
        decisions_per_second: u64::try_from(per_second).unwrap_or(u64::MAX),
    };
    print::one(output, &simulated)
}

/// What Muri's protocol found, in seconds.
#[derive(Clone, Copy, Debug, Serialize)]
struct Completed {
    mean_completion_s: f64,
    makespan_s: f64,
    p99_completion_s: f64,
}

impl Row for Completed {
    const COLUMNS: &'static [&'static str] = &[
        "MEAN COMPLETION S",
        "MAKESPAN S",
        "99TH PERCENTILE OF COMPLETION S",
    ];

    fn cells(&self) -> Vec<String> {
        let figures = [
            self.mean_completion_s,
            self.makespan_s,
            self.p99_completion_s,
        ];
        figures.map(|figure| format!("{figure:.0}")).to_vec()
    }
}

fn muri(args: &SimulateArgs, output: Output) -> Result<()> {
    let policy: MuriPolicy = parsed(&args.policy)?;
    let trace = text("--trace", args.trace.as_deref())?;
    let trace = MuriTrace::read(&trace).map_err(|why| anyhow!(why))?;
    let found = simulate::muri(&trace, policy);
    let completed = Completed {
        mean_completion_s: found.mean_completion_s,
        makespan_s: found.makespan_s,
        p99_completion_s: found.p99_completion_s,
    };
    print::one(output, &completed)
}

fn parsed<T: FromStr<Err = String>>(name: &str) -> Result<T> {
    name.parse()
        .map_err(|why: String| anyhow!("--policy: {why}"))
}

/// The text of a file that an argument names.
fn text(argument: &str, path: Option<&Path>) -> Result<String> {
    let path = path.with_context(|| format!("{argument} FILE is needed"))?;
    let bytes = fs::read(path).with_context(|| format!("reading {}", path.display()))?;
    // The first two bytes of gzip (RFC 1952).
    if bytes.starts_with(&[0x1f, 0x8b]) {
        let path = path.display();
        bail!("{path} is packed with gzip; plain CSV is needed: gunzip --keep {path}");
    }
    String::from_utf8(bytes).with_context(|| format!("{} is not UTF-8 text", path.display()))
}
