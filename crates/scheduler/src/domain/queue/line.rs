//! One line for all: first come, first served. Where durations are declared, later jobs go ahead when that delays the first in
//! nothing (EASY backfill, JSSPP'95); where they are not, nobody does.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::gang::Gang;
use super::job::{Job, Verdict};
use crate::domain::engine::{Place, Planner, Ranking};

#[derive(Clone, Debug)]
struct Running {
    gang: Gang,
    places: Vec<Place>,
    /// When it ends by what was declared; `None` = nobody knows.
    ends_ms: Option<u64>,
}

#[derive(Clone, Debug)]
struct Waiting {
    job: Job,
    /// How long it runs at most, if that was declared.
    declared_ms: Option<u64>,
    /// Which of the gangs that ever came it has.
    kind: usize,
}

/// The line and what runs.
#[derive(Clone, Debug)]
pub(crate) struct Line {
    planner: Planner,
    waiting: VecDeque<Waiting>,
    /// The gangs that ever came.
    kinds: Vec<Gang>,
    running: BTreeMap<u64, Running>,
}

/// When and where the first in the line starts at the latest.
struct Promise {
    at_ms: u64,
    nodes: BTreeSet<usize>,
}

impl Line {
    /// A line on the planner's nodes, of which nothing is given out yet.
    pub(crate) fn new(planner: Planner) -> Self {
        Self {
            planner,
            waiting: VecDeque::new(),
            kinds: Vec::new(),
            running: BTreeMap::new(),
        }
    }

    /// The planner of these nodes.
    pub(crate) fn planner(&self) -> &Planner {
        &self.planner
    }

    /// Puts a job at the end; `declared_ms` is how long it runs at most, if that was declared.
    pub(crate) fn submit(&mut self, job: Job, declared_ms: Option<u64>) {
        let known = self.kinds.iter().position(|gang| *gang == job.gang);
        let kind = known.unwrap_or(self.kinds.len());
        if known.is_none() {
            self.kinds.push(job.gang.clone());
        }
        self.waiting.push_back(Waiting {
            job,
            declared_ms,
            kind,
        });
    }

    /// A running job has ended.
    pub(crate) fn end(&mut self, id: u64) {
        if let Some(ended) = self.running.remove(&id) {
            ended.gang.give_back(&mut self.planner, &ended.places);
        }
    }

    /// Starts what is to start now.
    pub(crate) fn decide(&mut self, now_ms: u64) -> Vec<Verdict> {
        let mut verdicts = Vec::new();
        while let Some(places) = self
            .waiting
            .front()
            .and_then(|first| first.job.gang.take(&mut self.planner))
        {
            verdicts.extend(self.start(0, places, now_ms));
        }
        let first = self.waiting.front();
        let promise = first.and_then(|first| self.promise(&first.job.gang));
        if let Some(promise) = promise {
            self.backfill(&promise, now_ms, &mut verdicts);
        }
        verdicts
    }

    /// Starts who waits at `at` in the line.
    fn start(&mut self, at: usize, places: Vec<Place>, now_ms: u64) -> Option<Verdict> {
        let Waiting {
            job, declared_ms, ..
        } = self.waiting.remove(at)?;
        let running = Running {
            gang: job.gang,
            places: places.clone(),
            ends_ms: declared_ms.map(|declared| now_ms + declared),
        };
        self.running.insert(job.id, running);
        Some(Verdict::Start {
            id: job.id,
            places,
            ranking: Ranking::default(),
        })
    }

    /// The earliest time at which `gang` fits when all that runs ends as declared; `None` = too much of it is not known.
    fn promise(&self, gang: &Gang) -> Option<Promise> {
        let known = self
            .running
            .values()
            .filter_map(|one| Some((one.ends_ms?, one)));
        let mut ends: Vec<(u64, &Running)> = known.collect();
        ends.sort_by_key(|(at, _)| *at);
        let mut fleet = self.planner.fleet().clone();
        let mut rooms: Vec<u32> = (0..fleet.len())
            .map(|node| gang.room(&fleet, node))
            .collect();
        for (at_ms, ended) in ends {
            for place in &ended.places {
                fleet.give_back(&ended.gang.member, *place);
                if let Some(room) = rooms.get_mut(place.node) {
                    *room = gang.room(&fleet, place.node);
                }
            }
            if rooms.iter().sum::<u32>() >= gang.count {
                let mut missing = gang.count;
                let nodes = rooms.iter().enumerate().filter(|(_, room)| {
                    let takes = **room > 0 && missing > 0;
                    missing -= missing.min(**room);
                    takes
                });
                let nodes = nodes.map(|(node, _)| node).collect();
                return Some(Promise { at_ms, nodes });
            }
        }
        None
    }

    /// Starts later jobs that end before the promised time, or keep off the promised nodes.
    fn backfill(&mut self, promise: &Promise, now_ms: u64, verdicts: &mut Vec<Verdict>) {
        // What found no room, by gang and whether it has to keep off the promised nodes.
        let mut unplaceable = vec![[false; 2]; self.kinds.len()];
        let mut at = 1;
        while let Some(Waiting {
            job,
            declared_ms,
            kind,
        }) = self.waiting.get(at)
        {
            let keeps_off = declared_ms.is_none_or(|declared| now_ms + declared > promise.at_ms);
            let known = unplaceable.get_mut(*kind);
            let known = known.and_then(|kind| kind.get_mut(usize::from(keeps_off)));
            let open = known.filter(|known| !**known && declared_ms.is_some());
            let Some(known) = open else {
                at += 1;
                continue;
            };
            let gang = job.gang.clone();
            self.set_aside(promise, keeps_off);
            match gang.take(&mut self.planner) {
                Some(places) => verdicts.extend(self.start(at, places, now_ms)),
                None => *known = true,
            }
        }
        self.set_aside(promise, false);
    }

    fn set_aside(&mut self, promise: &Promise, aside: bool) {
        for node in &promise.nodes {
            self.planner.set_aside(*node, aside);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::engine::{Fleet, Mix, Policy, Server};

    fn line() -> Line {
        let servers = [Server::of_gpus(8), Server::of_gpus(8)];
        let planner = Planner::new(Fleet::new(&servers), Mix::of(&[]), Policy::BestFit, 0);
        Line::new(planner)
    }

    fn submit(line: &mut Line, id: u64, gpus: u32, declared: Option<u64>) {
        let job = Job {
            id,
            queue: 0,
            gang: Gang::of_gpus(gpus, 8),
            priority: 0,
            submitted_ms: 0,
            waits_since_ms: 0,
            preemptible: false,
        };
        line.submit(job, declared);
    }

    fn decided(line: &mut Line, now: u64) -> Vec<u64> {
        let ids = line.decide(now).into_iter().map(|verdict| match verdict {
            Verdict::Start { id, .. } | Verdict::Preempt { id, .. } => id,
        });
        ids.collect()
    }

    #[test]
    fn who_delays_the_first_in_nothing_goes_ahead() {
        let mut line = line();
        submit(&mut line, 1, 8, Some(100));
        submit(&mut line, 2, 16, Some(100));
        submit(&mut line, 3, 4, Some(101));
        submit(&mut line, 4, 4, Some(100));
        assert_eq!(
            decided(&mut line, 0),
            [1, 4],
            "3 would end after the promised time"
        );
        line.end(4);
        line.end(1);
        assert_eq!(decided(&mut line, 100), [2]);
        line.end(2);
        assert_eq!(decided(&mut line, 200), [3]);
    }

    #[test]
    fn without_declared_durations_nobody_goes_ahead() {
        let mut line = line();
        submit(&mut line, 1, 8, None);
        submit(&mut line, 2, 16, None);
        submit(&mut line, 3, 4, None);
        assert_eq!(decided(&mut line, 0), [1]);
        line.end(1);
        assert_eq!(decided(&mut line, 5), [2]);
    }
}
