//! Room that is made with notice: who goes keeps its places until it has gone, and the nodes are kept for whom it makes room.

use std::collections::BTreeSet;

use super::aside::set_aside;
use super::job::{Job, Verdict};
use super::queues::{Pass, Queues, Running};
use crate::domain::engine::{Place, Site};

/// Room that is not there so long after it was promised is not waited for: who was told to go may hang.
const PATIENCE_MS: u64 = 600_000;

/// Who makes room, and for whom.
#[derive(Clone, Debug)]
pub(super) struct Leaving {
    pub(super) job: Job,
    pub(super) places: Vec<Place>,
    /// `None` = for nobody any more.
    by: Option<u64>,
}

/// Whom others make room for, and the nodes that are kept for it.
#[derive(Clone, Debug)]
pub(super) struct Promise {
    job: Job,
    pub(super) nodes: Vec<usize>,
    /// When it was first looked at.
    since_ms: Option<u64>,
}

impl Queues {
    /// Has these make room for the job, if it fits once they have gone.
    pub(super) fn promise(&mut self, job: &Job, victims: &[u64], pass: &mut Pass<'_>) -> bool {
        let Some(nodes) = self.nodes_without(job, victims, pass.site) else {
            return false;
        };
        self.dismiss(victims, job.id, pass);
        self.count_as_started(job);
        self.release(job.id, pass);
        self.keep(job.clone(), nodes, pass.site);
        true
    }

    /// Where the job would be if these had gone.
    fn nodes_without(&self, job: &Job, victims: &[u64], site: &mut Site) -> Option<Vec<usize>> {
        let victims = || victims.iter().filter_map(|id| self.running.get(id));
        for victim in victims() {
            victim.job.gang.give_back(&mut site.planner, &victim.places);
        }
        let places = job.gang.take(&mut site.planner);
        if let Some(places) = &places {
            job.gang.give_back(&mut site.planner, places);
        }
        for victim in victims() {
            for place in &victim.places {
                site.planner.take(&victim.job.gang.member, *place);
            }
        }
        let nodes: BTreeSet<usize> = places?.iter().map(|place| place.node).collect();
        Some(nodes.into_iter().collect())
    }

    /// Tells these to go for `by`.
    fn dismiss(&mut self, victims: &[u64], by: u64, pass: &mut Pass<'_>) {
        for id in victims {
            if let Some(Running { job, places, .. }) = self.stop(*id) {
                pass.verdicts.push(Verdict::Preempt { id: *id, by });
                let by = Some(by);
                self.leaving.insert(*id, Leaving { job, places, by });
            }
        }
        pass.look_again();
    }

    fn keep(&mut self, job: Job, nodes: Vec<usize>, site: &mut Site) {
        let promise = Promise {
            job,
            nodes,
            since_ms: None,
        };
        self.promises.insert(promise.job.id, promise);
        self.keep_aside(site);
    }

    /// A running job is known to make room, for `by` if that still waits.
    pub(crate) fn resume_leaving(&mut self, id: u64, by: Option<&Job>, site: &mut Site) {
        let Some(Running { job, places, .. }) = self.stop(id) else {
            return;
        };
        let nodes = places.iter().map(|place| place.node);
        if let Some(by) = by {
            match self.promises.get_mut(&by.id) {
                Some(promise) => promise.nodes.extend(nodes),
                None => {
                    let promise = Promise {
                        job: by.clone(),
                        nodes: nodes.collect(),
                        since_ms: None,
                    };
                    self.count_as_started(by);
                    self.promises.insert(by.id, promise);
                }
            }
        }
        let by = by.map(|by| by.id);
        self.leaving.insert(id, Leaving { job, places, by });
        self.keep_aside(site);
    }

    /// Starts those whose room is there; whoever has nobody left that makes room for it waits as others do.
    pub(super) fn start_promised(&mut self, pass: &mut Pass<'_>) {
        let mut promised: Vec<Job> = self.promises.values().map(|one| one.job.clone()).collect();
        promised.sort_unstable_by_key(Job::turn);
        for job in promised {
            if pass.is_full() {
                return;
            }
            let id = job.id;
            set_aside(&self.promised_nodes(id), false, pass.site);
            if let Some(taken) = job.gang.take_ranked(&mut pass.site.planner) {
                self.promises.remove(&id);
                self.run(job, taken, pass);
                self.release(id, pass);
            } else if !self.may_come_true(id, pass) {
                self.break_promise(id, pass.site);
            }
            self.keep_aside(pass.site);
        }
    }

    /// Whether somebody still makes room for the job, on nodes that take work, and does not take for ever.
    fn may_come_true(&mut self, id: u64, pass: &Pass<'_>) -> bool {
        let is_made = self.makes_room(id) > 0;
        let Some(promise) = self.promises.get_mut(&id) else {
            return false;
        };
        let since_ms = *promise.since_ms.get_or_insert(pass.now_ms);
        let fleet = pass.site.planner.fleet();
        let are_open = promise.nodes.iter().all(|node| fleet.is_open(*node));
        is_made && are_open && pass.now_ms < since_ms + PATIENCE_MS
    }

    fn promised_nodes(&self, id: u64) -> Vec<usize> {
        let promise = self.promises.get(&id);
        promise.map_or_else(Vec::new, |promise| promise.nodes.clone())
    }

    /// The job waits as others do, and whoever was told to go for it goes for nobody.
    pub(super) fn break_promise(&mut self, id: u64, site: &mut Site) {
        if let Some(Promise { job, nodes, .. }) = self.promises.remove(&id) {
            self.reopen(&nodes, site);
            self.let_go(&job);
            self.wait(job);
            for leaving in self.leaving.values_mut() {
                leaving.by.take_if(|by| *by == id);
            }
        }
    }

    /// Who goes for nobody any more.
    pub(crate) fn leaving_for_nobody(&self) -> impl Iterator<Item = u64> + '_ {
        let leaving = self.leaving.iter();
        leaving
            .filter(|(_, leaving)| leaving.by.is_none())
            .map(|(id, _)| *id)
    }

    /// How many make room for the job; 0 = nobody does.
    pub(crate) fn makes_room(&self, id: u64) -> usize {
        let leaving = self.leaving.values();
        leaving.filter(|leaving| leaving.by == Some(id)).count()
    }
}
