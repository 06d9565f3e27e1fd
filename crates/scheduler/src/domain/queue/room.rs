//! Who makes room for a job that fits nowhere: lower priorities of its own queue, and queues above their share if it is due to its own.

use std::collections::BTreeSet;

use super::amount::Amount;
use super::job::{Job, Verdict};
use super::queues::{Pass, Queues, Running};
use super::victims::{self, Candidate};

impl Queues {
    /// Stops others for `job` and starts it, if that is due to it and possible.
    pub(super) fn make_room(&mut self, job: &Job, pass: &mut Pass) -> bool {
        let of = |amounts: &[Amount], at: usize| amounts.get(at).copied().unwrap_or_default();
        let after = of(&self.held, job.queue).plus(job.gang.amount());
        let is_due = after.is_within(of(&pass.due, job.queue));
        if !is_due && job.priority <= pass.lowest {
            return false;
        }
        let can_go = |running: &&Running| {
            let there = &running.job;
            let is_lower = there.queue == job.queue && there.priority < job.priority;
            let is_above = !of(&self.held, there.queue).is_within(of(&pass.due, there.queue));
            let ran_ms = pass.now_ms.saturating_sub(running.started_ms);
            there.preemptible
                && ran_ms >= self.rules.min_run_ms
                && (is_lower || (is_due && there.queue != job.queue && is_above))
        };
        let running: Vec<&Running> = self.running.values().filter(can_go).collect();
        let candidates: Vec<Candidate<'_>> = running
            .iter()
            .map(|running| Candidate {
                id: running.job.id,
                priority: running.job.priority,
                started_ms: running.started_ms,
                gang: &running.job.gang,
                places: &running.places,
            })
            .collect();
        // A queue gives back until it is at its share: the last to go may take it below.
        let may_go = |gone: &BTreeSet<usize>, at: usize| {
            let Some(queue) = running.get(at).map(|running| running.job.queue) else {
                return false;
            };
            let gone = gone.iter().filter_map(|at| running.get(*at));
            let gone = gone.filter(|running| running.job.queue == queue);
            let left = gone.fold(of(&self.held, queue), |left, running| {
                left.minus(running.job.gang.amount())
            });
            queue == job.queue || !left.is_within(of(&pass.due, queue))
        };
        let fleet = self.planner.fleet();
        let Some(victims) = victims::choose(fleet, &job.gang, &candidates, &may_go) else {
            return false;
        };
        self.preempt(&victims, pass);
        let places = job.gang.take(&mut self.planner);
        let is_placed = places.is_some();
        if let Some(places) = places {
            self.start(job, places, pass);
        }
        is_placed
    }

    /// Stops these; they wait again.
    pub(super) fn preempt(&mut self, victims: &[u64], pass: &mut Pass) {
        for id in victims {
            if let Some(victim) = self.stop(*id) {
                pass.verdicts.push(Verdict::Preempt { id: *id });
                self.wait(victim);
            }
        }
        pass.look_again();
    }
}
