//! What queues never hold more of.

use super::amount::Amount;
use super::job::Job;
use super::queues::Queues;

impl Queues {
    /// Whether limits and guarantees are kept when it starts.
    pub(super) fn may_start(&self, job: &Job) -> bool {
        self.limit_in_the_way(job).is_none() && self.leaves_guarantees(job)
    }

    /// The queue that would go beyond its limit if the job started, with what is reserved counted, and the limit.
    pub(crate) fn limit_in_the_way(&self, job: &Job) -> Option<(usize, Amount)> {
        let mut limited = self.tree.path(job.queue).filter_map(|at| {
            let limit = self.tree.queues.get(at)?.limit?;
            Some((at, limit))
        });
        let reserved = self.reservation.as_ref().map(|reserved| &reserved.job);
        let reserved = reserved.filter(|other| other.id != job.id);
        let reserved = reserved.map(|other| (other.queue, other.gang.amount()));
        limited.find(|(at, limit)| {
            let is_below = |leaf: usize| self.tree.path(leaf).any(|above| above == *at);
            let sum = (0..)
                .zip(self.held.iter().copied())
                .chain(reserved)
                .chain([(job.queue, job.gang.amount())])
                .filter(|(leaf, _)| is_below(*leaf))
                .fold(Amount::default(), |sum, (_, amount)| sum.plus(amount));
            !sum.is_within(*limit)
        })
    }
}
