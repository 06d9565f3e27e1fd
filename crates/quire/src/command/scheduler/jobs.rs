//! `quire scheduler simulate --protocol jobs`.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use ::scheduler::simulate::{self, Figures, JobsPolicy, JobsTrace, Outcome, Spread};
use anyhow::{Context as _, Result, anyhow};
use serde::Serialize;

use super::{parsed, text};
use crate::cli::{Output, SimulateArgs};
use crate::print::{self, Row};

/// What the protocol found.
#[derive(Clone, Debug, Serialize)]
struct Played {
    overall: Told,
    queues: BTreeMap<String, Told>,
    makespan_s: f64,
    /// Jobs that do not fit into the empty cluster.
    refused: u64,
}

/// What became of some jobs.
#[derive(Clone, Debug, Serialize)]
struct Told {
    jobs: u64,
    queue_delay_s: Spreads,
    slowdown: Spreads,
    preemptions: u64,
}

#[derive(Clone, Copy, Debug, Serialize)]
struct Spreads {
    mean: f64,
    median: f64,
    p90: f64,
    p99: f64,
}

/// A line of the table: all jobs, or those of a queue.
#[derive(Clone, Debug, Serialize)]
struct Line {
    queue: String,
    #[serde(flatten)]
    told: Told,
}

impl Row for Line {
    const COLUMNS: &'static [&'static str] = &[
        "QUEUE",
        "JOBS",
        "QUEUE DELAY S: MEAN / MEDIAN / P90 / P99",
        "SLOWDOWN: MEAN / MEDIAN / P90 / P99",
        "PREEMPTIONS",
    ];

    fn cells(&self) -> Vec<String> {
        let four = |of: Spreads, digits: usize| {
            let figures = [of.mean, of.median, of.p90, of.p99];
            figures
                .map(|figure| format!("{figure:.digits$}"))
                .join(" / ")
        };
        vec![
            self.queue.clone(),
            self.told.jobs.to_string(),
            four(self.told.queue_delay_s, 0),
            four(self.told.slowdown, 2),
            self.told.preemptions.to_string(),
        ]
    }
}

impl From<Figures> for Told {
    fn from(figures: Figures) -> Self {
        Self {
            jobs: figures.jobs,
            queue_delay_s: figures.queue_delay_s.into(),
            slowdown: figures.slowdown.into(),
            preemptions: figures.preemptions,
        }
    }
}

impl From<Spread> for Spreads {
    fn from(spread: Spread) -> Self {
        let Spread {
            mean,
            median,
            p90,
            p99,
            ..
        } = spread;
        Self {
            mean,
            median,
            p90,
            p99,
        }
    }
}

pub(super) fn run(args: &SimulateArgs, output: Output) -> Result<()> {
    let policy: JobsPolicy = parsed(&args.policy)?;
    let trace = text("--trace", args.trace.as_deref())?;
    let nodes = args.nodes.as_deref().context("--nodes NxG is needed")?;
    let quotas = args.quotas.as_deref();
    let quotas = quotas
        .map(|path| text("--quotas", Some(path)))
        .transpose()?;
    let trace = JobsTrace::read(&trace, nodes, quotas.as_deref()).map_err(|why| anyhow!(why))?;
    let found = simulate::jobs(&trace, policy).map_err(|why| anyhow!(why))?;
    if let Some(folder) = &args.plot {
        draw(&found, folder)?;
    }
    let queues = found.queues.into_iter();
    let played = Played {
        overall: found.overall.into(),
        queues: queues
            .map(|(name, figures)| (name, figures.into()))
            .collect(),
        makespan_s: found.makespan_s,
        refused: found.refused,
    };
    match output {
        Output::Json => print::json(&played),
        Output::Table => print::list(output, &lines(played), ""),
    }
}

fn lines(played: Played) -> Vec<Line> {
    let all = ("(all)".to_owned(), played.overall);
    let lines = [all].into_iter().chain(played.queues);
    lines.map(|(queue, told)| Line { queue, told }).collect()
}

fn draw(found: &Outcome, folder: &Path) -> Result<()> {
    fs::create_dir_all(folder).with_context(|| format!("making {}", folder.display()))?;
    for (name, drawing) in simulate::plots(found) {
        let path = folder.join(name);
        fs::write(&path, drawing).with_context(|| format!("writing {}", path.display()))?;
    }
    Ok(())
}
