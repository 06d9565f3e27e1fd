//! Work that waits in queues, and the rule that starts and stops it. Durations are not known here.
//!
//! - The queue that holds the least of its fair share goes first; what queues used lately makes their share smaller (`share`).
//! - In a queue the highest priority goes first, then who came first; what does not fit is passed over.
//! - Work that nobody may stop gets nothing that is guaranteed to another queue (`firm`).
//! - A queue below its share takes back from those above theirs what it needs; a job takes from jobs of lower priority of its own
//!   queue, and everybody takes from queues that get only what nobody else wants (`room`). Who goes is chosen by the least damage
//!   (`victims`), and nobody else who has run less than the minimum.
//! - Who goes with notice keeps its places until it has gone; the nodes are kept meanwhile for whom it makes room (`promise`).
//! - A gang that was passed over for too long gets nodes set aside (`reserve`): the stream of small jobs does not starve it.

use std::collections::{BTreeMap, HashSet};

use super::amount::Amount;
use super::gang::Gang;
use super::job::{Job, Rules, Turn, Verdict};
use super::promise::{Leaving, Promise};
use super::reserve::Reservation;
use super::share::Usage;
use super::tree::Tree;
use super::waiting::{Kind, Waiting, kind_of};
use crate::domain::engine::{Place, Ranking, Site};

/// What a gang took, and how that was chosen.
type Taken = (Vec<Place>, Ranking);

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
    pub(super) rules: Rules,
    pub(super) waiting: Vec<Waiting>,
    pub(super) running: BTreeMap<u64, Running>,
    /// Who makes room and has not gone yet: it has its places, and is counted no more.
    pub(super) leaving: BTreeMap<u64, Leaving>,
    /// Whom others make room for: counted as if it ran.
    pub(super) promises: BTreeMap<u64, Promise>,
    /// What the jobs of each leaf hold, and want besides.
    pub(super) held: Vec<Amount>,
    wanted: Vec<Amount>,
    /// What of it is held by work that nobody may stop.
    pub(super) firm: Vec<Amount>,
    usage: Usage,
    pub(super) reservation: Option<Reservation>,
}

/// What one pass goes by.
pub(super) struct Pass<'a> {
    pub(super) site: &'a mut Site,
    pub(super) now_ms: u64,
    /// So many verdicts are enough for once.
    most: usize,
    /// Fair shares: what decides who has to give back.
    pub(super) due: Vec<Amount>,
    /// Fair shares with lately used counted: what decides who is next.
    pub(super) next: Vec<Amount>,
    /// The lowest priority of what ran before.
    pub(super) lowest: i32,
    /// Of each leaf, the kinds of jobs that may start yet by the turns of their firsts; `None` = not looked at yet.
    lines: Vec<Option<BTreeMap<Turn, Kind>>>,
    /// Something was given back since a queue was last served.
    freed: bool,
    /// Gangs that found no room since the last change.
    unplaceable: HashSet<Gang>,
    pub(super) verdicts: Vec<Verdict>,
    /// What starts in this pass: it is not known to have started yet.
    pub(super) started: HashSet<u64>,
}

impl Pass<'_> {
    /// Something was given back: whoever found no room may find it now.
    pub(super) fn look_again(&mut self) {
        self.freed = true;
        self.lines.fill(None);
        self.unplaceable.clear();
    }

    /// Whether enough was decided for once.
    pub(super) fn is_full(&self) -> bool {
        self.verdicts.len() >= self.most
    }
}

pub(super) fn of(amounts: &[Amount], at: usize) -> Amount {
    amounts.get(at).copied().unwrap_or_default()
}

fn add(amounts: &mut [Amount], job: &Job, by: fn(Amount, Amount) -> Amount) {
    if let Some(amount) = amounts.get_mut(job.queue) {
        *amount = by(*amount, job.gang.amount());
    }
}

impl Queues {
    /// Queues of this tree, where nothing waits or runs.
    pub(crate) fn new(tree: Tree, rules: Rules) -> Self {
        let count = tree.queues.len();
        Self {
            rules,
            waiting: vec![Waiting::default(); count],
            running: BTreeMap::new(),
            leaving: BTreeMap::new(),
            promises: BTreeMap::new(),
            held: vec![Amount::default(); count],
            firm: vec![Amount::default(); count],
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
    pub(crate) fn submit(&mut self, site: &Site, job: Job) -> Result<(), String> {
        let queue = self.tree.queues.get(job.queue);
        if queue.is_none_or(|queue| !queue.children.is_empty()) {
            return Err(format!(
                "queue number {} is no leaf of the tree; work waits in leaves",
                job.queue
            ));
        }
        let (members, each) = (job.gang.count, job.gang.member.gpus.milli());
        if !job.gang.fits(&site.empty) {
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

    /// Lets a job wait that was found possible before.
    pub(crate) fn wait(&mut self, job: Job) {
        add(&mut self.wanted, &job, Amount::plus);
        if let Some(queue) = self.waiting.get_mut(job.queue) {
            queue.insert(job);
        }
    }

    /// A job that waits has gone away.
    pub(crate) fn withdraw(&mut self, job: &Job, site: &mut Site) {
        self.break_promise(job.id, site);
        let is_its = |reserved: &mut Reservation| reserved.job.id == job.id;
        if let Some(reserved) = self.reservation.take_if(is_its) {
            self.reopen(&reserved.nodes, site);
        }
        self.take_off_line(job);
    }

    fn take_off_line(&mut self, job: &Job) {
        add(&mut self.wanted, job, Amount::minus);
        if let Some(queue) = self.waiting.get_mut(job.queue) {
            queue.remove(job);
        }
    }

    /// A job is known to run there, since then.
    pub(crate) fn resume(&mut self, job: Job, places: Vec<Place>, started_ms: u64) {
        self.hold(&job);
        let running = Running {
            job,
            places,
            started_ms,
        };
        self.running.insert(running.job.id, running);
    }

    /// A running job has ended. Gives it with what it had, which is free again.
    pub(crate) fn end(&mut self, id: u64, now_ms: u64) -> Option<(Job, Vec<Place>)> {
        self.use_until(now_ms);
        if let Some(leaving) = self.leaving.remove(&id) {
            return Some((leaving.job, leaving.places));
        }
        let Running { job, places, .. } = self.stop(id)?;
        Some((job, places))
    }

    /// When time alone may change what is decided, after the last look: somebody has run for the minimum, or lost patience.
    pub(crate) fn next_look(&self) -> Option<u64> {
        self.waiting.iter().flat_map(Waiting::firsts).next()?;
        let running = self.running.values();
        let ran = running.map(|one| one.started_ms + self.rules.min_run_ms);
        let tired = self
            .claims()
            .map(|job| job.waits_since_ms + self.rules.patience_ms);
        let reserved = self.reservation.iter();
        let drained = reserved.map(|reserved| reserved.since_ms + self.rules.drain_ms);
        ran.chain(tired)
            .chain(drained)
            .filter(|at| *at > self.usage.at_ms())
            .min()
    }

    /// What was used lately, to be kept when there are other queues.
    pub(crate) fn usage(&self) -> &Usage {
        &self.usage
    }

    /// The same of before.
    pub(crate) fn set_usage(&mut self, usage: Usage) {
        self.usage = usage;
    }

    fn use_until(&mut self, now_ms: u64) {
        let held = self.tree.summed(&self.held);
        self.usage.advance(now_ms, &held, self.tree.total);
    }

    fn hold(&mut self, job: &Job) {
        add(&mut self.held, job, Amount::plus);
        if !job.preemptible {
            add(&mut self.firm, job, Amount::plus);
        }
    }

    /// Counts a job no more as one that runs.
    pub(super) fn let_go(&mut self, job: &Job) {
        add(&mut self.held, job, Amount::minus);
        if !job.preemptible {
            add(&mut self.firm, job, Amount::minus);
        }
    }

    /// Counts a running job no more.
    pub(super) fn stop(&mut self, id: u64) -> Option<Running> {
        let running = self.running.remove(&id)?;
        self.let_go(&running.job);
        Some(running)
    }

    /// Starts and stops what is to start and stop now; after `most` verdicts, or a few more, the others are left for the next time.
    pub(crate) fn decide(&mut self, site: &mut Site, now_ms: u64, most: usize) -> Vec<Verdict> {
        self.use_until(now_ms);
        let both = self.held.iter().zip(&self.wanted);
        let demand: Vec<Amount> = both.map(|(held, wanted)| held.plus(*wanted)).collect();
        let demand = self.tree.summed(&demand);
        let plain: Vec<f64> = self.tree.queues.iter().map(|queue| queue.weight).collect();
        let mut pass = Pass {
            site,
            now_ms,
            most,
            due: self.tree.fair_shares(&demand, &plain),
            next: self
                .tree
                .fair_shares(&demand, &self.usage.weights(&self.tree)),
            lowest: self.lowest_priority(),
            lines: vec![None; self.waiting.len()],
            freed: false,
            unplaceable: HashSet::new(),
            verdicts: Vec::new(),
            started: HashSet::new(),
        };
        self.start_promised(&mut pass);
        self.start_reserved(&mut pass);
        while !pass.is_full() {
            let lines = pass.lines.iter().zip(&self.waiting).enumerate();
            let open = lines.filter(|(_, (line, waiting))| match line {
                Some(line) => !line.is_empty(),
                None => !waiting.is_empty(),
            });
            let Some(queue) = self.next_queue(open.map(|(leaf, _)| leaf), &pass.next) else {
                break;
            };
            self.serve(queue, &mut pass);
        }
        if !pass.is_full() {
            self.reserve(&mut pass);
        }
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
    fn serve(&mut self, queue: usize, pass: &mut Pass<'_>) {
        let kept = pass.lines.get_mut(queue).and_then(Option::take);
        let mut line = kept.unwrap_or_else(|| {
            let firsts = self
                .waiting
                .get(queue)
                .into_iter()
                .flat_map(Waiting::firsts);
            firsts.map(|job| (job.turn(), kind_of(job))).collect()
        });
        pass.freed = false;
        while let Some((_, kind)) = line.pop_first() {
            let first = |queues: &Self| queues.waiting.get(queue)?.first_of(&kind).cloned();
            let Some(job) = first(self) else {
                continue;
            };
            if self.try_start(&job, pass) {
                line.extend(first(self).map(|next| (next.turn(), kind.clone())));
                break;
            }
        }
        if let Some(kept) = pass.lines.get_mut(queue).filter(|_| !pass.freed) {
            *kept = Some(line);
        }
    }

    /// Starts the job, or has others make room for it; `false` when neither can be.
    pub(super) fn try_start(&mut self, job: &Job, pass: &mut Pass<'_>) -> bool {
        if !self.may_start(job) {
            return false;
        }
        if !pass.unplaceable.contains(&job.gang) {
            if let Some(taken) = job.gang.take_ranked(&mut pass.site.planner) {
                self.start(job, taken, pass);
                return true;
            }
            pass.unplaceable.insert(job.gang.clone());
        }
        self.make_room(job, pass)
    }

    /// Counts a job that waits as one that runs: it starts, or is promised to.
    pub(super) fn count_as_started(&mut self, job: &Job) {
        self.take_off_line(job);
        self.hold(job);
    }

    pub(super) fn start(&mut self, job: &Job, taken: Taken, pass: &mut Pass<'_>) {
        self.count_as_started(job);
        self.run(job.clone(), taken, pass);
        self.release(job.id, pass);
    }

    /// A job that is counted already has its places.
    pub(super) fn run(&mut self, job: Job, (places, ranking): Taken, pass: &mut Pass<'_>) {
        let id = job.id;
        pass.started.insert(id);
        pass.verdicts.push(Verdict::Start {
            id,
            places: places.clone(),
            ranking,
        });
        let running = Running {
            job,
            places,
            started_ms: pass.now_ms,
        };
        self.running.insert(id, running);
    }
}

#[cfg(test)]
mod tests;
