//! Jobs, nodes and quotas as they are written down.

use super::{JobsTrace, Work};
use crate::domain::engine::{Fleet, Mix, Planner, Policy, Server};
use crate::domain::queue::{Amount, QueueSpec, Tree};
use crate::simulate::table::Table;

impl JobsTrace {
    /// Reads jobs (`submit_s,duration_s,gpus,queue`) for nodes such as `88x8`, and quotas (`queue,nodes`). Without quotas all queues
    /// weigh the same and deserve nothing for themselves; with them, a queue deserves its nodes and weighs as much.
    ///
    /// # Errors
    /// The file, line, column and value that cannot be used, in words.
    pub fn read(trace: &str, nodes: &str, quotas: Option<&str>) -> Result<Self, String> {
        let sizes = nodes.split_once('x');
        let sizes = sizes.and_then(|(nodes, gpus)| Some((nodes.parse().ok()?, gpus.parse().ok()?)));
        let is_good =
            |(nodes, gpus): &(u32, u32)| (1..=100_000).contains(nodes) && (1..=64).contains(gpus);
        let (count, gpus) = sizes.filter(is_good).ok_or_else(|| {
            format!("nodes is {nodes:?}; such as 88x8 is needed: 1 to 100000 nodes of 1 to 64 GPUs")
        })?;
        let mut queues = Vec::new();
        if let Some(quotas) = quotas {
            let table = Table::read("quotas", quotas)?;
            for row in &table.rows {
                let deserved = table.number(row, "nodes")?;
                queues.push(spec(
                    table.text(row, "queue")?,
                    deserved.saturating_mul(gpus),
                    deserved,
                ));
            }
        }
        let table = Table::read("trace", trace)?;
        let mut jobs = Vec::new();
        for row in &table.rows {
            let name = table.text(row, "queue")?;
            let known = queues.iter().position(|queue| queue.name == name);
            let queue = known.unwrap_or(queues.len());
            if known.is_none() {
                queues.push(spec(name, 0, 1));
            }
            jobs.push(Work {
                submitted_ms: millis(table.amount(row, "submit_s")?),
                duration_ms: millis(table.amount(row, "duration_s")?),
                gpus: table.count(row, "gpus")?,
                queue,
            });
        }
        if jobs.is_empty() {
            return Err("trace: a simulation needs a job at least".to_owned());
        }
        jobs.sort_by_key(|job| job.submitted_ms);
        let trace = Self {
            nodes: count,
            gpus,
            queues,
            jobs,
        };
        trace.tree()?;
        Ok(trace)
    }

    pub(super) fn tree(&self) -> Result<Tree, String> {
        Tree::new(&self.queues, Amount::gpus(self.nodes * self.gpus))
    }

    pub(super) fn planner(&self) -> Planner {
        let servers = vec![Server::of_gpus(self.gpus as usize); self.nodes as usize];
        Planner::new(Fleet::new(&servers), Mix::of(&[]), Policy::BestFit, 0)
    }
}

fn spec(name: &str, deserved_gpus: u32, weight: u32) -> QueueSpec {
    QueueSpec {
        name: name.to_owned(),
        parent: None,
        deserved: Amount::gpus(deserved_gpus),
        limit: None,
        over_quota_weight: weight.max(1),
    }
}

/// Milliseconds; a duration of none counts as one.
fn millis(seconds: f64) -> u64 {
    (seconds * 1_000.0).round() as u64
}
