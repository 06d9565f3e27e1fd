//! `scripts/bench scheduler`: how fast the engine decides, and with `--data DIR` how well.
//!
//! A table of its own in place of a bench library's: those give means and medians, and the goal is a 99th percentile.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use scheduler::Policy;
use scheduler::simulate::{self, Load, Reclaim, Trace};

/// Numbers of nodes: openb's between those of the curve.
const NODES: [usize; 5] = [100, 1_000, 1_213, 5_000, 10_000];
/// Decisions that are timed at each.
const DECISIONS: usize = 50_000;
/// Numbers of nodes of the reclaim, as in KAI's own benchmark.
const RECLAIM_NODES: [u32; 4] = [100, 200, 500, 1_000];
/// Times that each reclaim is decided.
const RECLAIMS: usize = 11;
/// Streams of openb.
const SEEDS: u32 = 10;

fn main() -> Result<()> {
    let mut data = None;
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--data" => {
                data = Some(PathBuf::from(
                    arguments.next().context("--data: give a folder")?,
                ))
            }
            // What cargo passes to every bench.
            "--bench" => {}
            other => anyhow::bail!("{other}: unknown; --data DIR is known"),
        }
    }
    println!("| nodes | policy | decisions/s | p50 us | p99 us |\n|--:|---|--:|--:|--:|");
    for nodes in NODES {
        for policy in [Policy::Default, Policy::Fgd] {
            decide(nodes, policy);
        }
    }
    reclaim()?;
    match data {
        Some(folder) => openb(&folder),
        None => Ok(()),
    }
}

fn decide(nodes: usize, policy: Policy) {
    let mut load = Load::new(nodes, policy, 1);
    let mut times: Vec<Duration> = (0..DECISIONS)
        .map(|_| {
            load.settle();
            let started = Instant::now();
            load.decide();
            started.elapsed()
        })
        .collect();
    let all: Duration = times.iter().sum();
    times.sort_unstable();
    let micros = |percent: usize| {
        let at = times.get(DECISIONS * percent / 100);
        at.copied().unwrap_or_default().as_secs_f64() * 1e6
    };
    let rate = DECISIONS as f64 / all.as_secs_f64();
    println!(
        "| {nodes} | {policy} | {rate:.0} | {:.1} | {:.1} |",
        micros(50),
        micros(99)
    );
}

/// One gang of a tenth of all nodes, against nodes that are full of one-GPU jobs of a queue above its share.
fn reclaim() -> Result<()> {
    println!("\n| nodes | jobs stopped | gang reclaim, median of {RECLAIMS}, ms |\n|--:|--:|--:|");
    for nodes in RECLAIM_NODES {
        let full = Reclaim::new(nodes).map_err(anyhow::Error::msg)?;
        let mut stopped = 0;
        let mut times: Vec<Duration> = (0..RECLAIMS)
            .map(|_| {
                let mut full = full.clone();
                let started = Instant::now();
                (stopped, _) = full.decide();
                started.elapsed()
            })
            .collect();
        times.sort_unstable();
        let median = times.get(RECLAIMS / 2).copied().unwrap_or_default();
        let millis = median.as_secs_f64() * 1e3;
        println!("| {nodes} | {stopped} | {millis:.1} |");
    }
    Ok(())
}

fn openb(folder: &std::path::Path) -> Result<()> {
    let read = |name: &str| {
        let path = folder.join("openb").join(name);
        std::fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))
    };
    let nodes = read("openb_node_list_gpu_node.csv")?;
    let trace =
        Trace::read(&nodes, &read("openb_pod_list_default.csv")?).map_err(anyhow::Error::msg)?;
    println!(
        "\n| policy | unallocated GPU % at 100 / 130 % | fragmentation % | decisions/s |\n|---|--:|--:|--:|"
    );
    for policy in Policy::ALL {
        let started = Instant::now();
        let found = simulate::openb(&trace, policy, SEEDS);
        let rate = found.decisions as f64 / started.elapsed().as_secs_f64();
        let at = |load| {
            found
                .unallocated_gpu_percent
                .get(&load)
                .copied()
                .unwrap_or(f64::NAN)
        };
        let lost = |load| {
            found
                .fragmentation_percent
                .get(&load)
                .copied()
                .unwrap_or(f64::NAN)
        };
        println!(
            "| {policy} | {:.2} / {:.2} | {:.2} / {:.2} | {rate:.0} |",
            at(100),
            at(130),
            lost(100),
            lost(130)
        );
    }
    Ok(())
}
