//! KAI's own benchmark of reclaim: nodes full of one-GPU jobs of one queue, and a gang of a tenth of them that is due to another.

use super::jobs::RULES;
use crate::domain::engine::{Fleet, Mix, Planner, Policy, Server, Site};
use crate::domain::queue::{Amount, Gang, Job, QueueSpec, Queues, Tree, Verdict};

/// GPUs of a node.
const GPUS: u32 = 8;

/// The full cluster, before the gang is decided on.
#[derive(Clone, Debug)]
pub struct Reclaim {
    queues: Queues,
    site: Site,
}

impl Reclaim {
    /// `nodes` nodes of 8 GPUs, all held by one queue that deserves half of them; the gang of the other waits.
    ///
    /// # Errors
    /// Why there can be no such cluster, in words.
    pub fn new(nodes: u32) -> Result<Self, String> {
        let spec = |name: &str| QueueSpec {
            name: name.to_owned(),
            parent: None,
            deserved: Amount::gpus(nodes / 2 * GPUS),
            limit: None,
            over_quota_weight: 1,
        };
        let tree = Tree::new(
            &[spec("full"), spec("below its share")],
            Amount::gpus(nodes * GPUS),
        )?;
        let servers = vec![Server::of_gpus(GPUS as usize); nodes as usize];
        let planner = Planner::new(Fleet::new(&servers), Mix::of(&[]), Policy::BestFit, 0);
        let mut site = Site::of_empty(planner);
        let mut queues = Queues::new(tree, RULES);
        let job = |id: u32, queue: usize, gpus: u32| Job {
            id: id.into(),
            queue,
            gang: Gang::of_gpus(gpus, GPUS),
            priority: 0,
            submitted_ms: 0,
            waits_since_ms: 0,
            preemptible: true,
        };
        for id in 0..nodes * GPUS {
            queues.submit(&site, job(id, 0, 1))?;
        }
        queues.decide(&mut site, 0, usize::MAX);
        queues.submit(&site, job(nodes * GPUS, 1, (nodes / 10).max(1) * GPUS))?;
        Ok(Self { queues, site })
    }

    /// The decision that is timed: how many jobs are stopped, and how many start.
    pub fn decide(&mut self) -> (usize, usize) {
        let verdicts = self
            .queues
            .decide(&mut self.site, RULES.min_run_ms, usize::MAX);
        let is_start = |verdict: &&Verdict| matches!(verdict, Verdict::Start { .. });
        let starts = verdicts.iter().filter(is_start).count();
        (verdicts.len() - starts, starts)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_many_go_as_the_gang_needs_and_no_more() {
        let mut reclaim = Reclaim::new(20).unwrap();
        assert_eq!(reclaim.decide(), (16, 1));
    }
}
