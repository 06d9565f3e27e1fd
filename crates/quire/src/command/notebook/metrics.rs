//! `quire notebook metrics`: what a running notebook uses, live.

use std::collections::VecDeque;
use std::io::{self, IsTerminal as _};
use std::time::Duration;

use agent::Usage;
use anyhow::{Context as _, Result};
use reqwest::Method;
use serde::Serialize;

use super::door::Door;
use super::find;
use crate::api::Api;
use crate::cli::Output;
use crate::print::{self, out};

/// How often it is measured.
const EVERY: Duration = Duration::from_secs(1);
/// Measurements that a sparkline shows.
const SHOWN: usize = 40;
/// From nothing to all of it.
const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// What was used between two measurements, and is used at the second.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
struct Metrics {
    /// Processors at work.
    cores: Option<f64>,
    /// Processors that it may use; 0 = all.
    cores_limit: f64,
    memory_bytes: Option<u64>,
    /// 0 = not limited.
    memory_limit_bytes: u64,
    network_bytes_per_second: Option<f64>,
    gpu_percent: Option<u32>,
}

impl Metrics {
    fn between(before: &Usage, now: &Usage) -> Self {
        let seconds = now.at_ms.saturating_sub(before.at_ms).max(1) as f64 / 1e3;
        let rate = |before: Option<u64>, now: Option<u64>| {
            let (before, now) = before.zip(now)?;
            Some(now.saturating_sub(before) as f64 / seconds)
        };
        Self {
            cores: rate(before.cpu_us, now.cpu_us).map(|micros| micros / 1e6),
            cores_limit: f64::from(now.milli_cores) / 1e3,
            memory_bytes: now.memory_bytes,
            memory_limit_bytes: u64::from(now.memory_mib) << 20,
            network_bytes_per_second: rate(before.network_bytes, now.network_bytes),
            gpu_percent: now.gpu_percent,
        }
    }

    /// Name, share of all that there is, and words; only what is known.
    fn lines(&self) -> Vec<(&'static str, Option<f64>, String)> {
        let share = |part: f64, all: f64| (all > 0.0).then(|| part / all);
        let cores = self.cores.map(|cores| {
            let of = match self.cores_limit > 0.0 {
                true => format!(" of {}", self.cores_limit),
                false => String::new(),
            };
            let words = format!("{cores:.2}{of} cores");
            ("CPU", share(cores, self.cores_limit), words)
        });
        let memory = self.memory_bytes.map(|used| {
            let limit = self.memory_limit_bytes;
            let of = match limit > 0 {
                true => format!(" of {}", size(limit as f64)),
                false => String::new(),
            };
            let words = format!("{}{of}", size(used as f64));
            ("memory", share(used as f64, limit as f64), words)
        });
        let network = self.network_bytes_per_second;
        let network = network.map(|rate| ("network", None, format!("{}/s", size(rate))));
        let gpu = self.gpu_percent;
        let gpu = gpu.map(|used| ("GPU", Some(f64::from(used) / 1e2), format!("{used} %")));
        [cores, memory, network, gpu]
            .into_iter()
            .flatten()
            .collect()
    }
}

/// Bytes in the largest unit that leaves a number from 1 on.
fn size(bytes: f64) -> String {
    let units = ["B", "KiB", "MiB", "GiB", "TiB"];
    let mut left = bytes;
    for unit in units {
        if left < 1024.0 {
            let places = usize::from(unit != "B" && left < 100.0);
            return format!("{left:.places$} {unit}");
        }
        left /= 1024.0;
    }
    format!("{left:.1} PiB")
}

/// One bar a share, the newest last.
fn sparkline(shares: &VecDeque<Option<f64>>) -> String {
    let bar = |share: f64| {
        let steps = (share.clamp(0.0, 1.0) * (BARS.len() - 1) as f64).round();
        BARS.get(steps as usize).copied().unwrap_or(' ')
    };
    shares.iter().flatten().map(|share| bar(*share)).collect()
}

/// Shows what a notebook uses until it stops, or once.
pub(super) async fn metrics(api: &Api, output: Output, id: &str, once: bool) -> Result<()> {
    let door = Door::of(api, find::running(api, id).await?)?;
    let mut before = measured(&door).await?;
    let live = output == Output::Table && !once && io::stdout().is_terminal();
    let mut history: Vec<VecDeque<Option<f64>>> = Vec::new();
    loop {
        tokio::time::sleep(EVERY).await;
        let now = measured(&door).await?;
        let metrics = Metrics::between(&before, &now);
        before = now;
        if output == Output::Json {
            // One a line while it goes on, for programs that read as it comes.
            match once {
                true => print::json(&metrics)?,
                false => out!("{}", serde_json::to_string(&metrics)?),
            }
        } else {
            let lines = metrics.lines();
            if live && history.len() == lines.len() {
                print::up(lines.len());
            }
            history.resize_with(lines.len(), VecDeque::new);
            for ((name, share, words), shares) in lines.iter().zip(&mut history) {
                shares.push_back(*share);
                if shares.len() > SHOWN {
                    shares.pop_front();
                }
                let bars = if once {
                    String::new()
                } else {
                    sparkline(shares)
                };
                out!("{name:<8} {words:<24} {bars}");
            }
        }
        if once {
            return Ok(());
        }
    }
}

async fn measured(door: &Door) -> Result<Usage> {
    let what = format!("nothing is measured of {}", door.name);
    let asked = door.ask(Method::GET, "usage", &[]);
    let answer = door.send(&what, asked).await?;
    answer.json().await.with_context(|| what)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn usage(at_ms: u64, cpu_us: u64, bytes: u64) -> Usage {
        Usage {
            at_ms,
            cpu_us: Some(cpu_us),
            milli_cores: 2_000,
            memory_bytes: Some(512 << 20),
            memory_mib: 4_096,
            network_bytes: Some(bytes),
            gpu_percent: None,
        }
    }

    #[test]
    fn rates_are_between_two_measurements() {
        let metrics = Metrics::between(&usage(1_000, 0, 100), &usage(3_000, 1_000_000, 4_196));
        assert_eq!(metrics.cores, Some(0.5));
        let lines = metrics.lines();
        let words: Vec<_> = lines.iter().map(|(_, _, words)| words.as_str()).collect();
        assert_eq!(
            words,
            ["0.50 of 2 cores", "512 MiB of 4.0 GiB", "2.0 KiB/s"]
        );
        assert_eq!((lines[0].1, lines[1].1), (Some(0.25), Some(0.125)));
        let unknown = Usage {
            cpu_us: None,
            network_bytes: None,
            ..usage(2_000, 0, 0)
        };
        let lines = Metrics::between(&unknown, &unknown).lines();
        assert_eq!(lines.len(), 1, "what is not known is left out");
    }

    #[test]
    fn a_sparkline_rises() {
        let shares = [Some(0.0), None, Some(0.5), Some(1.0), Some(7.0)];
        assert_eq!(sparkline(&shares.into_iter().collect()), "▁▅██");
    }
}
