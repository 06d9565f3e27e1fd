//! What is guaranteed to a queue comes back to it only from work that may be stopped. So work that may not gets beyond its queue's
//! own guarantees only what is guaranteed to nobody, at every level of the tree.

use super::amount::Amount;
use super::job::Job;
use super::queues::{Queues, of};

impl Queues {
    /// Whether all guarantees can still be kept when the job starts.
    pub(crate) fn leaves_guarantees(&self, job: &Job) -> bool {
        if job.preemptible {
            return true;
        }
        let before = self.tree.totalled(&self.firm);
        let mut after = before.clone();
        let path: Vec<usize> = self.tree.path(job.queue).collect();
        for at in &path {
            if let Some(firm) = after.get_mut(*at) {
                *firm = firm.plus(job.gang.amount());
            }
        }
        path.iter().all(|at| {
            let beyond = |firm: &[Amount], at: usize| {
                let deserved = self.tree.queues.get(at).map(|queue| queue.deserved);
                of(firm, at).minus(deserved.unwrap_or_default()).least_0()
            };
            let siblings = self.tree.siblings(*at);
            let sum = |of: &dyn Fn(usize) -> Amount| {
                let all = siblings.iter().map(|at| of(*at));
                all.fold(Amount::default(), Amount::plus)
            };
            let parent = self.tree.queues.get(*at).and_then(|queue| queue.parent);
            let (whole, lent) = match parent.and_then(|at| Some((at, self.tree.queues.get(at)?))) {
                Some((parent, queue)) => (queue.deserved, beyond(&after, parent)),
                None => (self.tree.total, Amount::default()),
            };
            let deserved = |at: usize| {
                let queue = self.tree.queues.get(at);
                queue.map(|queue| queue.deserved).unwrap_or_default()
            };
            let promised = sum(&deserved);
            let free = whole.minus(promised).least_0().plus(lent);
            // Where nodes are away, less may be there than was guaranteed: who stays within its own is not held up by that.
            let most = free.most(sum(&|at| beyond(&before, at)));
            // Kinds that are promised to nobody else are no matter of guarantees.
            let others = promised.minus(deserved(*at));
            sum(&|at| beyond(&after, at)).is_within_of(most, others)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::tree::{QueueSpec, Tree};
    use super::super::{Gang, Rules};
    use super::*;

    fn spec(name: &str, parent: Option<&str>, gpus: u32) -> QueueSpec {
        QueueSpec {
            name: name.to_owned(),
            parent: parent.map(str::to_owned),
            deserved: Amount::gpus(gpus),
            limit: None,
            over_quota_weight: 1,
        }
    }

    fn job(queue: usize, gpus: u32, preemptible: bool) -> Job {
        Job {
            id: u64::from(gpus) + 100 * queue as u64,
            queue,
            gang: Gang::of_gpus(gpus, 64),
            priority: 0,
            submitted_ms: 0,
            waits_since_ms: 0,
            preemptible,
        }
    }

    #[test]
    fn what_may_not_be_stopped_gets_only_what_is_guaranteed_to_nobody() {
        let rules = Rules {
            half_life_ms: 1,
            min_run_ms: 0,
            patience_ms: 0,
            drain_ms: 0,
            with_notice: false,
        };
        let specs = [
            spec("org", None, 10),
            spec("a", Some("org"), 6),
            spec("b", Some("org"), 4),
            spec("c", None, 0),
        ];
        let tree = Tree::new(&specs, Amount::gpus(16)).unwrap();
        let mut queues = Queues::new(tree, rules);
        let may = |queues: &Queues, queue, gpus| queues.leaves_guarantees(&job(queue, gpus, false));
        assert!(may(&queues, 3, 6), "sixteen less the ten of the other");
        assert!(!may(&queues, 3, 7));
        assert!(
            queues.leaves_guarantees(&job(3, 16, true)),
            "it can be taken back"
        );
        assert!(may(&queues, 2, 4), "its own");
        assert!(!may(&queues, 2, 5), "the fifth is its sibling's");
        queues.resume(job(1, 6, false), Vec::new(), 0);
        assert!(may(&queues, 2, 10), "its own and what is nobody's");
        assert!(!may(&queues, 3, 7), "the others keep their ten");
    }
}
