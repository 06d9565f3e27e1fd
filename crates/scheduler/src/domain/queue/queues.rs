//! Work that waits in queues, and the rule that starts and stops it. Durations are not known here.
//!
//! - The queue that holds the least of its fair share goes first; what queues used lately makes their share smaller (`share`).
//! - In a queue the highest priority goes first, then who came first; what does not fit is passed over.
//! - A queue below its share takes back from those above theirs what it needs; a job takes from jobs of lower priority of its own
//!   queue. Who goes is chosen by the least damage (`victims`), and nobody who has run less than the minimum.
//! - A gang that was passed over for too long gets nodes set aside (`reserve`): the stream of small jobs does not starve it.

use std::collections::{BTreeMap, HashSet};

use super::amount::Amount;
use super::gang::Gang;
use super::job::{Job, Rules, Verdict};
use super::reserve::Reservation;
use super::share::Usage;
use super::tree::Tree;
use super::waiting::Waiting;
use crate::domain::engine::{Fleet, Place, Planner};

#[derive(Clone, Debug)]
pub(super) struct Running {
    pub(super) job: Job,
    pub(super) places: Vec<Place>,
    pub(super) started_ms: u64,
}

/// All queues and what runs.
#[derive(Clone, Debug)]
pub(crate) struct Queues {
    pub(super) tree: Tree,
    pub(super) planner: Planner,
    /// The nodes as they would be if nothing ran.
    pub(super) empty: Fleet,
    pub(super) rules: Rules,
    pub(super) waiting: Vec<Waiting>,
    pub(super) running: BTreeMap<u64, Running>,
    /// What the jobs of each leaf hold, and want besides.
    pub(super) held: Vec<Amount>,
    wanted: Vec<Amount>,
    usage: Usage,
    pub(super) reservation: Option<Reservation>,
}

/// What one pass goes by.
pub(super) struct Pass {
    pub(super) now_ms: u64,
    /// Fair shares: what decides who has to give back.
    pub(super) due: Vec<Amount>,
    /// Fair shares with lately used counted: what decides who is next.
    pub(super) next: Vec<Amount>,
    /// The lowest priority of what ran before.
    pub(super) lowest: i32,
    /// Leaves where something may start yet.
    open: Vec<bool>,
    /// Gangs that found no room since the last change.
    unplaceable: HashSet<Gang>,
    /// And of these, by leaf, those that nobody makes room for.
    hopeless: HashSet<(usize, Gang)>,
    pub(super) verdicts: Vec<Verdict>,
}

impl Pass {
    /// Something was given back: whoever found no room may find it now.
    pub(super) fn look_again(&mut self) {
        self.open.fill(true);
        self.unplaceable.clear();
        self.hopeless.clear();
    }
}

impl Queues {
    /// Queues of this tree on the planner's nodes, of which nothing is given out yet.
    pub(crate) fn new(tree: Tree, planner: Planner, rules: Rules) -> Self {
        let count = tree.queues.len();
        Self {
            empty: planner.fleet().clone(),
            planner,
            rules,
            waiting: vec![Waiting::default(); count],
            running: BTreeMap::new(),
            held: vec![Amount::default(); count],
            wanted: vec![Amount::default(); count],
            usage: Usage::new(count, rules.half_life_ms),
            reservation: None,
            tree,
        }
    }

    /// Lets a job wait. It must fit into the empty cluster and its queue's limits; what never can is refused.
    ///
    /// # Errors
    /// Why it could never start, in words.
    pub(crate) fn submit(&mut self, job: Job) -> Result<(), String> {
        let queue = self.tree.queues.get(job.queue);
        if queue.is_none_or(|queue| !queue.children.is_empty()) {
            return Err(format!(
                "queue number {} is no leaf of the tree; work waits in leaves",
                job.queue
            ));
        }
        let (members, each) = (job.gang.count, job.gang.member.gpus.milli());
        if !job.gang.fits(&self.empty) {
            return Err(format!(
                "{members} members of {each} milli-GPUs do not fit on all nodes together, even if they were empty"
            ));
        }
        let amount = job.gang.amount();
        let limits = self
            .tree
            .path(job.queue)
            .filter_map(|at| self.tree.queues.get(at)?.limit);
        if let Some(limit) = limits.into_iter().find(|limit| !amount.is_within(*limit)) {
            return Err(format!(
                "it asks for {:?} (milli-GPUs, milli-cores, MiB), and the limit of its queue is {:?}",
                amount.0, limit.0
            ));
        }
        self.wait(job);
        Ok(())
    }

    /// A running job has ended.
    pub(crate) fn end(&mut self, id: u64, now_ms: u64) {
        self.use_until(now_ms);
        self.stop(id);
    }

    /// When time alone may change what is decided, after the last look: somebody has run for the minimum, or lost patience.
    pub(crate) fn next_look(&self) -> Option<u64> {
        self.waiting.iter().flat_map(Waiting::firsts).next()?;
        let running = self.running.values();
        let ran = running.map(|one| one.started_ms + self.rules.min_run_ms);
        let tired = self
            .claims()
            .map(|job| job.submitted_ms + self.rules.patience_ms);
        let reserved = self.reservation.iter();
        let drained = reserved.map(|reserved| reserved.since_ms + self.rules.drain_ms);
        ran.chain(tired)
            .chain(drained)
            .filter(|at| *at > self.usage.at_ms())
            .min()
    }

    /// The nodes as they are now.
    pub(crate) fn fleet(&self) -> &Fleet {
        self.planner.fleet()
    }

    fn use_until(&mut self, now_ms: u64) {
        let held = self.tree.summed(&self.held);
        self.usage.advance(now_ms, &held, self.tree.total);
    }

    pub(super) fn wait(&mut self, job: Job) {
        self.count(job.queue, |_, wanted| {
            *wanted = wanted.plus(job.gang.amount())
        });
        if let Some(queue) = self.waiting.get_mut(job.queue) {
            queue.insert(job);
        }
    }

    fn count(&mut self, queue: usize, by: impl Fn(&mut Amount, &mut Amount)) {
        if let (Some(held), Some(wanted)) = (self.held.get_mut(queue), self.wanted.get_mut(queue)) {
            by(held, wanted);
        }
    }

    /// Takes a job off its places.
    pub(super) fn stop(&mut self, id: u64) -> Option<Job> {
        let Running { job, places, .. } = self.running.remove(&id)?;
        job.gang.give_back(&mut self.planner, &places);
        self.count(job.queue, |held, _| *held = held.minus(job.gang.amount()));
        Some(job)
    }

    /// Starts and stops what is to start and stop now.
    pub(crate) fn decide(&mut self, now_ms: u64) -> Vec<Verdict> {
        self.use_until(now_ms);
        let both = self.held.iter().zip(&self.wanted);
        let demand: Vec<Amount> = both.map(|(held, wanted)| held.plus(*wanted)).collect();
        let demand = self.tree.summed(&demand);
        let plain: Vec<f64> = self.tree.queues.iter().map(|queue| queue.weight).collect();
        let mut pass = Pass {
            now_ms,
            due: self.tree.fair_shares(&demand, &plain),
            next: self
                .tree
                .fair_shares(&demand, &self.usage.weights(&self.tree)),
            lowest: self.lowest_priority(),
            open: vec![true; self.waiting.len()],
            unplaceable: HashSet::new(),
            hopeless: HashSet::new(),
            verdicts: Vec::new(),
        };
        self.start_reserved(&mut pass);
        loop {
            let open = pass.open.iter().enumerate();
            let open = open.filter(|(_, open)| **open).map(|(leaf, _)| leaf);
            let Some(queue) = self.next_queue(open, &pass.next) else {
                break;
            };
            if !self.serve(queue, &mut pass)
                && let Some(open) = pass.open.get_mut(queue)
            {
                *open = false;
            }
        }
        self.reserve(&pass);
        pass.verdicts
    }

    fn lowest_priority(&self) -> i32 {
        let priorities = self.running.values().map(|running| running.job.priority);
        priorities.min().unwrap_or(i32::MAX)
    }

    /// The one of these leaves that has the least of its share, from the top down.
    pub(super) fn next_queue(
        &self,
        leaves: impl Iterator<Item = usize>,
        shares: &[Amount],
    ) -> Option<usize> {
        let held = self.tree.summed(&self.held);
        let of = |amounts: &[Amount], at: usize| amounts.get(at).copied().unwrap_or_default();
        let rank = |leaf: usize| {
            let mut path: Vec<usize> = self.tree.path(leaf).collect();
            path.reverse();
            // Who is due nothing comes last, for what nobody else wants.
            let ratio = |at: &usize| match of(shares, *at) {
                share if share == Amount::default() => f64::INFINITY,
                share => of(&held, *at).dominant_of(share),
            };
            path.iter().map(ratio).collect::<Vec<f64>>()
        };
        let ranked = leaves.map(|leaf| (rank(leaf), leaf));
        ranked
            .min_by(|one, other| {
                let pairs = one.0.iter().zip(&other.0);
                let by_rank = pairs.map(|(one, other)| one.total_cmp(other));
                by_rank.fold(std::cmp::Ordering::Equal, std::cmp::Ordering::then)
            })
            .map(|(_, leaf)| leaf)
    }

    /// Starts the first in turn of the queue that can start, if there is one.
    fn serve(&mut self, queue: usize, pass: &mut Pass) -> bool {
        let waiting = self.waiting.get(queue).into_iter();
        let mut firsts: Vec<Job> = waiting.flat_map(Waiting::firsts).cloned().collect();
        firsts.sort_unstable_by_key(Job::turn);
        firsts.iter().any(|job| self.try_start(job, pass))
    }

    pub(super) fn try_start(&mut self, job: &Job, pass: &mut Pass) -> bool {
        let kind = (job.queue, job.gang.clone());
        if pass.hopeless.contains(&kind) || !self.is_within_limits(job) {
            return false;
        }
        if !pass.unplaceable.contains(&job.gang) {
            if let Some(places) = job.gang.take(&mut self.planner) {
                self.start(job, places, pass);
                return true;
            }
            pass.unplaceable.insert(job.gang.clone());
        }
        let is_started = self.make_room(job, pass);
        if !is_started {
            pass.hopeless.insert(kind);
        }
        is_started
    }

    /// Whether its queue and all above keep their limits when it starts, with what is reserved counted.
    pub(super) fn is_within_limits(&self, job: &Job) -> bool {
        let reserved = self.reservation.as_ref().map(|reserved| &reserved.job);
        let reserved = reserved.filter(|other| other.id != job.id);
        let reserved = reserved.map(|other| (other.queue, other.gang.amount()));
        let holders: Vec<(usize, Amount)> = (0..)
            .zip(self.held.iter().copied())
            .chain(reserved)
            .chain([(job.queue, job.gang.amount())])
            .collect();
        let limited = |at: usize| Some((at, self.tree.queues.get(at)?.limit?));
        self.tree
            .path(job.queue)
            .filter_map(limited)
            .all(|(at, limit)| {
                let is_below = |leaf: usize| self.tree.path(leaf).any(|above| above == at);
                let below = holders.iter().filter(|(leaf, _)| is_below(*leaf));
                let sum = below.fold(Amount::default(), |sum, (_, amount)| sum.plus(*amount));
                sum.is_within(limit)
            })
    }

    pub(super) fn start(&mut self, job: &Job, places: Vec<Place>, pass: &mut Pass) {
        let amount = job.gang.amount();
        self.count(job.queue, |held, wanted| {
            (*held, *wanted) = (held.plus(amount), wanted.minus(amount));
        });
        if let Some(waiting) = self.waiting.get_mut(job.queue) {
            waiting.remove(job);
        }
        let running = Running {
            job: job.clone(),
            places: places.clone(),
            started_ms: pass.now_ms,
        };
        self.running.insert(job.id, running);
        pass.verdicts.push(Verdict::Start { id: job.id, places });
        self.release(job.id, pass);
    }
}

#[cfg(test)]
mod tests;
