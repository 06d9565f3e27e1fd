//! Nodes that are set aside for a gang which was passed over for too long: nothing new starts there until it has started.
//!
//! One gang at a time has them, as in EASY backfill: the first in turn of the queue that has the least of its share. Durations are not
//! known, so nothing is let in meanwhile, and who is still there after a while is stopped, whatever its queue deserves (which it then takes
//! back from whoever is above its share); other nodes go on as always.

use std::collections::BTreeSet;

use super::job::Job;
use super::queues::{Pass, Queues, Running};
use crate::domain::engine::Site;

/// Nodes where nothing but this job starts.
#[derive(Clone, Debug)]
pub(super) struct Reservation {
    pub(super) job: Job,
    pub(super) nodes: Vec<usize>,
    /// When they were set aside.
    pub(super) since_ms: u64,
}

impl Queues {
    /// Starts the job that nodes are set aside for, if it fits now; lets go of nodes that are of no use to it any more.
    pub(super) fn start_reserved(&mut self, pass: &mut Pass<'_>) {
        let Some(reserved) = self.reservation.take() else {
            return;
        };
        self.reopen(&reserved.nodes, pass.site);
        let fleet = pass.site.planner.fleet();
        let are_open = reserved.nodes.iter().all(|node| fleet.is_open(*node));
        if are_open && self.may_start(&reserved.job) {
            let is_settled = self.try_start(&reserved.job, pass) || self.clear(&reserved, pass);
            if !is_settled {
                self.reservation = Some(reserved);
            }
        }
        self.keep_aside(pass.site);
        pass.look_again();
    }

    /// The job that nodes are set aside for, the nodes, and since when.
    pub(crate) fn reserved(&self) -> Option<(u64, Vec<usize>, u64)> {
        let reserved = self.reservation.as_ref()?;
        Some((reserved.job.id, reserved.nodes.clone(), reserved.since_ms))
    }

    /// Nodes are known to be set aside for a job that waits, since then; if room is made for it by now, that is enough.
    pub(crate) fn resume_reservation(
        &mut self,
        job: Job,
        nodes: Vec<usize>,
        since_ms: u64,
        site: &mut Site,
    ) {
        if self.promises.contains_key(&job.id) {
            return;
        }
        self.reservation = Some(Reservation {
            job,
            nodes,
            since_ms,
        });
        self.keep_aside(site);
    }

    /// Stops what still runs on the nodes, if it had its time and all of it may be stopped, and starts the job there; with notice once
    /// they have gone.
    fn clear(&mut self, reserved: &Reservation, pass: &mut Pass<'_>) -> bool {
        let is_in_the_way = |running: &&Running| {
            let mut nodes = running.places.iter().map(|place| place.node);
            nodes.any(|node| reserved.nodes.contains(&node))
        };
        let may_go = |running: &&Running| {
            may_make_room(running, &reserved.job)
                && pass.now_ms.saturating_sub(running.started_ms) >= self.rules.min_run_ms
        };
        let is_over = pass.now_ms >= reserved.since_ms + self.rules.drain_ms;
        let in_the_way = || self.running.values().filter(is_in_the_way);
        if !is_over || !in_the_way().all(|running| may_go(&running)) {
            return false;
        }
        let victims: Vec<u64> = in_the_way().map(|running| running.job.id).collect();
        if self.rules.with_notice {
            return !victims.is_empty() && self.promise(&reserved.job, &victims, pass);
        }
        self.preempt(&victims, reserved.job.id, pass);
        self.try_start(&reserved.job, pass)
    }

    /// Opens what was set aside for the job: it has started, or is promised room.
    pub(super) fn release(&mut self, id: u64, pass: &mut Pass<'_>) {
        if let Some(reserved) = self.reservation.take_if(|reserved| reserved.job.id == id) {
            self.reopen(&reserved.nodes, pass.site);
            pass.look_again();
        }
    }

    /// What could get nodes set aside: in each queue the first in turn that keeps the limits, if it can starve. What is bound to a node and
    /// cannot is passed over: others do not wait for that node.
    pub(super) fn claims(&self) -> impl Iterator<Item = &Job> {
        let is_free = self.reservation.is_none();
        let queues = self.waiting.iter().filter(move |_| is_free);
        queues.filter_map(|waiting| {
            let counts = |job: &&Job| job.gang.member.node.is_none() || job.gang.can_starve();
            let within = waiting
                .firsts()
                .filter(counts)
                .filter(|job| self.may_start(job));
            let first = within.min_by_key(|job| job.turn());
            first.filter(|job| job.gang.can_starve())
        })
    }

    /// Sets nodes aside for the gang that has been passed over for too long, if there is one.
    pub(super) fn reserve(&mut self, pass: &mut Pass<'_>) {
        let is_tired =
            |job: &&Job| pass.now_ms.saturating_sub(job.waits_since_ms) >= self.rules.patience_ms;
        // What does not fit on the nodes that take work now would keep some for nothing.
        let fits = |job: &&Job| job.gang.fits(&pass.site.empty);
        let tired: Vec<&Job> = self.claims().filter(is_tired).filter(fits).collect();
        let queue = self.next_queue(tired.iter().map(|job| job.queue), &pass.next);
        let claim = tired.into_iter().find(|job| Some(job.queue) == queue);
        let Some(job) = claim.cloned() else {
            return;
        };
        let Some(nodes) = self.least_in_the_way(&job, pass.site) else {
            return;
        };
        self.reservation = Some(Reservation {
            job,
            nodes,
            since_ms: pass.now_ms,
        });
        self.keep_aside(pass.site);
    }

    /// As many nodes as the job needs, of those that are kept for nobody: first those where all may be stopped for it, of these those
    /// with the least in use.
    fn least_in_the_way(&self, job: &Job, site: &Site) -> Option<Vec<usize>> {
        let fleet = site.planner.fleet();
        let all = |node: usize| site.empty.free_milli_gpu(node);
        let in_use = |node: usize| all(node).saturating_sub(fleet.free_milli_gpu(node));
        let stay = self
            .running
            .values()
            .filter(|running| !may_make_room(running, job));
        let stay: BTreeSet<usize> = stay
            .flat_map(|running| running.places.iter().map(|place| place.node))
            .collect();
        let kept: BTreeSet<usize> = self.kept_aside().collect();
        let nodes = (0..fleet.len()).filter(|node| !kept.contains(node));
        let mut nodes: Vec<(bool, u32, usize)> = nodes
            .map(|node| (stay.contains(&node), in_use(node), node))
            .collect();
        nodes.sort_unstable();
        let mut missing = job.gang.count;
        let usable = nodes.into_iter().map(|(_, _, node)| node).filter(|node| {
            let room = job.gang.room(&site.empty, *node).min(missing);
            missing -= room;
            room > 0
        });
        let usable = usable.collect();
        (missing == 0).then_some(usable)
    }
}

/// Whether what runs may be stopped for the job's sake, once it has had its time.
fn may_make_room(running: &Running, job: &Job) -> bool {
    running.job.preemptible && running.job.priority <= job.priority
}
