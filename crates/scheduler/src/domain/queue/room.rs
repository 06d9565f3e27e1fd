//! Who makes room for a job that fits nowhere: lower priorities of its own queue, queues above their share if it is due to its own,
//! and queues that get only what nobody else wants.

use std::collections::BTreeSet;

use super::amount::Amount;
use super::job::{Job, Verdict};
use super::queues::{Pass, Queues, Running, of};
use super::victims::{self, Candidate};

impl Queues {
    /// Whether a queue gets only what nobody else wants: whoever else wants it gets it back at once.
    fn is_spare(&self, queue: usize) -> bool {
        let queue = self.tree.queues.get(queue);
        queue.is_some_and(|queue| queue.weight <= 0.0 && queue.deserved == Amount::default())
    }

    /// Stops others for `job`, if that is due to it and possible, and starts it; with notice it starts once they have gone.
    pub(super) fn make_room(&mut self, job: &Job, pass: &mut Pass<'_>) -> bool {
        let after = of(&self.held, job.queue).plus(job.gang.amount());
        let is_due = after.is_within(of(&pass.due, job.queue));
        let of_spare = !self.is_spare(job.queue) && self.spare_runs();
        if !is_due && job.priority <= pass.lowest && !of_spare {
            return false;
        }
        let can_go = |running: &&Running| {
            let there = &running.job;
            let is_lower = there.queue == job.queue && there.priority < job.priority;
            let is_above = !of(&self.held, there.queue).is_within(of(&pass.due, there.queue));
            let ran_ms = pass.now_ms.saturating_sub(running.started_ms);
            let has_run = ran_ms >= self.rules.min_run_ms;
            let is_spare = of_spare && self.is_spare(there.queue);
            let gives_back = is_due && there.queue != job.queue && is_above;
            let is_there = !pass.started.contains(&there.id) && is_where(job, running);
            there.preemptible && is_there && (is_spare || has_run && (is_lower || gives_back))
        };
        let running: Vec<&Running> = self.running.values().filter(can_go).collect();
        if running.is_empty() {
            return false;
        }
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
            let gives_back = !left.is_within(of(&pass.due, queue));
            queue == job.queue || self.is_spare(queue) || gives_back
        };
        let fleet = pass.site.planner.fleet();
        let Some(victims) = victims::choose(fleet, &job.gang, &candidates, &may_go) else {
            return false;
        };
        if self.rules.with_notice {
            return self.promise(job, &victims, pass);
        }
        self.preempt(&victims, job.id, pass);
        let taken = job.gang.take_ranked(&mut pass.site.planner);
        let is_placed = taken.is_some();
        if let Some(taken) = taken {
            self.start(job, taken, pass);
        }
        is_placed
    }

    /// From when on work of lower priority in the job's own queue may be stopped for it, in milliseconds; `None` = there is none.
    pub(crate) fn lower_may_go_from(&self, job: &Job) -> Option<u64> {
        let lower = self.running.values().filter(|running| {
            let there = &running.job;
            there.preemptible && there.queue == job.queue && there.priority < job.priority
        });
        let from = lower.map(|running| running.started_ms + self.rules.min_run_ms);
        from.min()
    }

    fn spare_runs(&self) -> bool {
        let held = self.held.iter().enumerate();
        let mut holders = held.filter(|(_, held)| **held != Amount::default());
        holders.any(|(queue, _)| self.is_spare(queue))
    }

    /// Stops these for `by`, without notice; they wait again.
    pub(super) fn preempt(&mut self, victims: &[u64], by: u64, pass: &mut Pass<'_>) {
        for id in victims {
            if let Some(Running { job, places, .. }) = self.stop(*id) {
                job.gang.give_back(&mut pass.site.planner, &places);
                pass.verdicts.push(Verdict::Preempt { id: *id, by });
                self.wait(job);
            }
        }
        pass.look_again();
    }
}

/// Whether what runs is on the node that the job is bound to, if it is to one.
fn is_where(job: &Job, running: &Running) -> bool {
    let bound = job.gang.member.node;
    bound.is_none_or(|bound| running.places.iter().any(|place| place.node == bound))
}
