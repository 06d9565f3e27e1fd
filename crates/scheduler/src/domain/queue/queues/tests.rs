//! What holds whatever comes: played with random streams of jobs.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::domain::engine::{Fleet, Mix, Planner, Policy, Server};
use crate::domain::queue::QueueSpec;

const RULES: Rules = Rules {
    half_life_ms: 100_000,
    min_run_ms: 50,
    patience_ms: 200,
    drain_ms: 100,
    with_notice: false,
};

fn queue(name: &str, deserved: u32, limit: Option<u32>) -> QueueSpec {
    QueueSpec {
        name: name.to_owned(),
        parent: None,
        deserved: Amount::gpus(deserved),
        limit: limit.map(Amount::gpus),
        over_quota_weight: 1,
    }
}

/// Queues, and the nodes that they are about.
struct Played {
    queues: Queues,
    site: Site,
}

impl Played {
    fn submit(&mut self, job: Job) -> Result<(), String> {
        self.queues.submit(&self.site, job)
    }

    fn end(&mut self, id: u64, now_ms: u64) {
        if let Some((job, places)) = self.queues.end(id, now_ms) {
            job.gang.give_back(&mut self.site.planner, &places);
        }
    }

    fn next_look(&self) -> Option<u64> {
        self.queues.next_look()
    }

    fn decide(&mut self, now_ms: u64) -> Vec<Verdict> {
        self.queues.decide(&mut self.site, now_ms, usize::MAX)
    }
}

fn queues(nodes: u32, specs: &[QueueSpec]) -> Played {
    let servers = vec![Server::of_gpus(8); nodes as usize];
    let planner = Planner::new(Fleet::new(&servers), Mix::of(&[]), Policy::BestFit, 0);
    let tree = Tree::new(specs, Amount::gpus(nodes * 8)).unwrap();
    Played {
        queues: Queues::new(tree, RULES),
        site: Site::of_empty(planner),
    }
}

fn job(id: u64, queue: usize, gpus: u32, submitted_ms: u64) -> Job {
    Job {
        id,
        queue,
        gang: Gang::of_gpus(gpus, 8),
        priority: 0,
        submitted_ms,
        waits_since_ms: submitted_ms,
        preemptible: true,
    }
}

fn started(verdicts: &[Verdict]) -> Vec<u64> {
    let started = verdicts.iter().filter_map(|verdict| match verdict {
        Verdict::Start { id, .. } => Some(*id),
        Verdict::Preempt { .. } => None,
    });
    started.collect()
}

#[test]
fn what_was_lent_comes_back_to_whoever_deserves_it() {
    let mut queues = queues(2, &[queue("a", 8, None), queue("b", 8, None)]);
    for id in 0..16 {
        queues.submit(job(id, 0, 1, 0)).unwrap();
    }
    assert_eq!(
        started(&queues.decide(0)).len(),
        16,
        "all is lent to the only one"
    );
    queues.submit(job(100, 1, 8, 10)).unwrap();
    assert_eq!(queues.decide(10), [], "nobody has run for the minimum");
    let verdicts = queues.decide(60);
    assert_eq!(verdicts.len(), 9, "eight go, and no more: {verdicts:?}");
    assert_eq!(started(&verdicts), [100]);
    queues.submit(job(101, 1, 1, 70)).unwrap();
    assert_eq!(queues.decide(200), [], "it has what it deserves");
}

#[test]
fn a_higher_priority_takes_from_a_lower_one_of_its_own_queue() {
    let mut queues = queues(1, &[queue("a", 8, None)]);
    queues.submit(job(1, 0, 8, 0)).unwrap();
    queues.decide(0);
    let mut urgent = job(2, 0, 4, 10);
    urgent.priority = 1;
    queues.submit(urgent).unwrap();
    assert_eq!(queues.decide(49), []);
    let verdicts = queues.decide(50);
    assert_eq!(verdicts[0], Verdict::Preempt { id: 1, by: 2 });
    assert_eq!(started(&verdicts), [2]);
}

#[test]
fn a_stream_of_small_jobs_does_not_starve_a_gang() {
    let mut queues = queues(2, &[queue("a", 16, None)]);
    let mut ends: BTreeMap<u64, Vec<u64>> = BTreeMap::new();
    let mut gang_started = None;
    for now in (0..2_000).step_by(10) {
        for id in ends.remove(&now).unwrap_or_default() {
            queues.end(id, now);
        }
        queues.submit(job(now + 1, 0, 4, now)).unwrap();
        if now == 50 {
            queues.submit(job(0, 0, 16, now)).unwrap();
        }
        for id in started(&queues.decide(now)) {
            if id == 0 {
                gang_started = Some(now);
            }
            ends.entry(now + 40).or_default().push(id);
        }
    }
    let at = gang_started.expect("it starts");
    assert!(
        at <= 50 + RULES.patience_ms + 50,
        "patience and the run time of what was there: {at}"
    );
}

#[test]
fn who_stays_on_nodes_that_were_set_aside_is_stopped_if_it_may_be() {
    for preemptible in [true, false] {
        let mut queues = queues(2, &[queue("a", 16, None)]);
        queues.submit(job(1, 0, 8, 0)).unwrap();
        let other = Job {
            preemptible,
            ..job(2, 0, 4, 0)
        };
        queues.submit(other).unwrap();
        assert_eq!(started(&queues.decide(0)), [1, 2]);
        queues.submit(job(3, 0, 16, 10)).unwrap();
        assert_eq!(queues.decide(10), []);
        assert_eq!(queues.next_look(), Some(50), "the minimum run time is over");
        assert_eq!(queues.decide(50), []);
        assert_eq!(queues.next_look(), Some(210), "patience is over");
        assert_eq!(queues.decide(210), []);
        queues.submit(job(4, 0, 1, 220)).unwrap();
        assert_eq!(queues.decide(220), [], "what is free is set aside");
        assert_eq!(queues.next_look(), Some(310), "so is the time to leave");
        let verdicts = queues.decide(310);
        let stopped = [1, 2].map(|id| Verdict::Preempt { id, by: 3 });
        if preemptible {
            assert_eq!(verdicts[..2], stopped);
            assert_eq!(started(&verdicts), [3]);
        } else {
            assert_eq!(verdicts, [], "nobody goes for nothing");
        }
    }
}

#[test]
fn with_notice_the_room_is_kept_until_who_goes_has_gone() {
    let mut queues = queues(1, &[queue("a", 4, None), queue("b", 4, None)]);
    queues.queues.rules.with_notice = true;
    for id in 0..8 {
        queues.submit(job(id, 0, 1, 0)).unwrap();
    }
    assert_eq!(started(&queues.decide(0)).len(), 8);
    queues.submit(job(100, 1, 2, 10)).unwrap();
    let preempted = [6, 7].map(|id| Verdict::Preempt { id, by: 100 });
    assert_eq!(queues.decide(60), preempted, "two go, and nothing starts");
    assert_eq!(queues.decide(70), [], "nobody else goes for it");
    assert_eq!(queues.queues.makes_room(100), 2);
    queues.end(6, 80);
    queues.submit(job(101, 0, 1, 80)).unwrap();
    assert_eq!(queues.decide(80), [], "what is free is kept for it");
    queues.end(7, 90);
    assert_eq!(started(&queues.decide(90)), [100]);
    assert_eq!(queues.queues.kept_aside().count(), 0);
    // What went waits again, behind what others deserve.
    queues.submit(job(6, 0, 1, 100)).unwrap();
    assert_eq!(queues.decide(100), []);
}

#[test]
fn a_withdrawn_promise_keeps_nothing() {
    let mut queues = queues(1, &[queue("a", 4, None), queue("b", 4, None)]);
    queues.queues.rules.with_notice = true;
    queues.submit(job(1, 0, 8, 0)).unwrap();
    queues.decide(0);
    let (first, second) = (job(2, 1, 4, 10), job(3, 1, 4, 20));
    queues.submit(first.clone()).unwrap();
    assert_eq!(queues.decide(60), [Verdict::Preempt { id: 1, by: 2 }]);
    queues.queues.withdraw(&first, &mut queues.site);
    assert_eq!(queues.queues.kept_aside().count(), 0);
    assert_eq!(queues.queues.held, [Amount::gpus(0), Amount::gpus(0)]);
    queues.submit(second).unwrap();
    assert_eq!(queues.decide(70), [], "it goes already");
    queues.end(1, 80);
    assert_eq!(started(&queues.decide(80)), [3]);
}

#[test]
fn who_gets_only_what_nobody_wants_gives_it_back_at_once() {
    let spare = QueueSpec {
        over_quota_weight: 0,
        ..queue("free", 0, None)
    };
    let mut queues = queues(1, &[spare, queue("a", 0, Some(8))]);
    for id in 0..8 {
        queues.submit(job(id, 0, 1, 0)).unwrap();
    }
    assert_eq!(started(&queues.decide(0)).len(), 8, "nobody else wants it");
    let firm = Job {
        preemptible: false,
        ..job(100, 1, 3, 1)
    };
    queues.submit(firm).unwrap();
    let verdicts = queues.decide(1);
    assert_eq!(verdicts.len(), 4, "{verdicts:?}");
    assert_eq!(started(&verdicts), [100]);
    assert_eq!(queues.decide(1_000), [], "and never takes from others");
}

#[test]
fn a_limited_number_starts_and_the_others_the_next_time() {
    let mut queues = queues(1, &[queue("a", 8, None)]);
    for id in 0..8 {
        queues.submit(job(id, 0, 1, id)).unwrap();
    }
    let mut decide = |most| {
        let verdicts = queues.queues.decide(&mut queues.site, 10, most);
        started(&verdicts)
    };
    assert_eq!(decide(3), [0, 1, 2]);
    assert_eq!(decide(3), [3, 4, 5]);
    assert_eq!(decide(3), [6, 7]);
}

#[test]
fn a_withdrawn_gang_gives_back_what_was_set_aside() {
    let mut queues = queues(2, &[queue("a", 16, None)]);
    let firm = Job {
        preemptible: false,
        ..job(1, 0, 4, 0)
    };
    queues.submit(firm).unwrap();
    queues.decide(0);
    let gang = job(2, 0, 16, 10);
    queues.submit(gang.clone()).unwrap();
    queues.decide(300);
    queues.submit(job(3, 0, 4, 310)).unwrap();
    assert_eq!(queues.decide(310), [], "both nodes are set aside");
    queues.queues.withdraw(&gang, &mut queues.site);
    assert_eq!(started(&queues.decide(320)), [3]);
}

#[test]
fn with_notice_nodes_that_were_set_aside_are_cleared_once() {
    let mut queues = queues(2, &[queue("a", 16, None)]);
    queues.queues.rules.with_notice = true;
    queues.submit(job(1, 0, 8, 0)).unwrap();
    queues.decide(0);
    queues.submit(job(3, 0, 16, 10)).unwrap();
    assert_eq!(queues.decide(300), [], "set aside");
    assert_eq!(queues.decide(400), [Verdict::Preempt { id: 1, by: 3 }]);
    assert!(
        queues.queues.reserved().is_none(),
        "it is promised room now"
    );
    assert_eq!(queues.decide(410), []);
    queues.end(1, 420);
    assert_eq!(started(&queues.decide(420)), [3]);
    assert_eq!(queues.queues.held, [Amount::gpus(16)]);
}

#[test]
fn what_may_be_stopped_does_not_wait_behind_what_may_not_and_has_no_right_to_the_place() {
    let mut queues = queues(1, &[queue("a", 0, None), queue("b", 8, None)]);
    let firm = Job {
        preemptible: false,
        ..job(1, 0, 1, 0)
    };
    queues.submit(firm).unwrap();
    queues.submit(job(2, 0, 1, 10)).unwrap();
    assert_eq!(started(&queues.decide(10)), [2]);
}

#[test]
fn what_starts_in_a_pass_is_not_stopped_in_it() {
    let mut queues = queues(1, &[queue("a", 0, None)]);
    queues.queues.rules.min_run_ms = 0;
    let low = |id| Job {
        priority: -1,
        gang: Gang::of_gpus(8, 8),
        ..job(id, 0, 8, 0)
    };
    queues.submit(low(1)).unwrap();
    queues.decide(0);
    queues.end(1, 10);
    queues.submit(low(2)).unwrap();
    queues.submit(job(3, 0, 8, 10)).unwrap();
    assert_eq!(started(&queues.decide(10)), [3]);
}

#[test]
fn what_never_fits_is_refused() {
    let mut queues = queues(2, &[queue("a", 0, Some(4))]);
    let refused = |queues: &mut Played, gpus| queues.submit(job(1, 0, gpus, 0)).unwrap_err();
    assert!(refused(&mut queues, 24).contains("even if they were empty"));
    assert!(refused(&mut queues, 8).contains("the limit of its queue"));
    let nowhere = queues.submit(job(1, 1, 1, 0)).unwrap_err();
    assert_eq!(
        nowhere,
        "queue number 1 is no leaf of the tree; work waits in leaves"
    );
}

/// A stream: for each job its queue, GPUs, when it comes after the one before, how long it runs, its priority.
fn streams() -> impl Strategy<Value = Vec<(usize, u32, u64, u64, i32)>> {
    let gpus = prop_oneof![Just(1_u32), Just(2), Just(4), Just(8), Just(16), Just(24)];
    prop::collection::vec((0_usize..3, gpus, 0_u64..40, 1_u64..300, 0_i32..2), 1..60)
}

proptest! {
    #[test]
    fn the_rules_hold_and_all_come_to_their_end(stream in streams()) {
        let below = |name| QueueSpec { parent: Some("team".to_owned()), ..queue(name, 4, None) };
        let specs = [queue("a", 16, None), below("b"), below("c"), queue("team", 8, Some(24))];
        let (mut one, mut other) = (queues(4, &specs), queues(4, &specs));
        let mut arrivals: BTreeMap<u64, Vec<Job>> = BTreeMap::new();
        let (mut now, mut left) = (0, BTreeMap::new());
        for (id, (queue, gpus, after, runs, priority)) in (0..).zip(&stream) {
            now += after;
            let job = Job { priority: *priority, ..job(id, *queue, *gpus, now) };
            arrivals.entry(now).or_default().push(job);
            left.insert(id, (*runs, *gpus, *queue));
        }
        // Where each runs and since when; every time is looked at when something happens.
        let mut runs: BTreeMap<u64, (u64, Vec<Place>)> = BTreeMap::new();
        while !left.is_empty() {
            let ends = runs.iter().map(|(id, (since, _))| since + left[id].0).min();
            let arrival = arrivals.keys().next().copied();
            let next = [ends, arrival, one.next_look()].into_iter().flatten().min();
            let at = next.expect("something happens until all have ended");
            prop_assert!(at < 60_000, "all end: {left:?}");
            let ended: Vec<u64> = runs.iter().filter(|(id, (since, _))| at - since >= left[id].0).map(|(id, _)| *id).collect();
            for id in ended {
                one.end(id, at);
                other.end(id, at);
                runs.remove(&id);
                left.remove(&id);
            }
            for job in arrivals.remove(&at).unwrap_or_default() {
                one.submit(job.clone()).unwrap();
                other.submit(job).unwrap();
            }
            let verdicts = one.decide(at);
            prop_assert_eq!(&verdicts, &other.decide(at), "equal input, equal decisions");
            for verdict in verdicts {
                match verdict {
                    Verdict::Preempt { id, .. } => {
                        let (since, _) = runs.remove(&id).unwrap();
                        prop_assert!(at - since >= RULES.min_run_ms, "{id} ran for {}", at - since);
                        left.get_mut(&id).unwrap().0 -= at - since;
                    }
                    Verdict::Start { id, places, .. } => {
                        prop_assert!(!runs.contains_key(&id));
                        prop_assert_eq!(places.len() as u32, left[&id].1.div_ceil(8), "whole or not at all");
                        runs.insert(id, (at, places));
                    }
                }
            }
            let mut nodes = [0; 4];
            let mut held = [0; 3];
            for (id, (_, places)) in &runs {
                let (_, gpus, queue) = left[id];
                held[queue] += gpus;
                for place in places {
                    nodes[place.node] += gpus.min(8);
                }
            }
            prop_assert!(nodes.iter().all(|used| *used <= 8), "{nodes:?}");
            prop_assert!(held[1] + held[2] <= 24, "the limit of the team: {held:?}");
        }
    }

    #[test]
    fn shares_of_queues_that_always_want_more_converge_to_their_weights(
        weights in prop::collection::vec(1_u32..5, 2..4),
        runs in prop::collection::vec(1_u64..60, 8),
    ) {
        let names = ["a", "b", "c"];
        let specs: Vec<QueueSpec> = names.iter().zip(&weights)
            .map(|(name, weight)| QueueSpec { over_quota_weight: *weight, ..queue(name, 0, None) })
            .collect();
        let mut queues = queues(4, &specs);
        let mut ends: BTreeMap<u64, Vec<(u64, usize)>> = BTreeMap::new();
        let mut ids = BTreeMap::new();
        let (mut held, mut gpu_ms) = (vec![0_u64; specs.len()], vec![0_u64; specs.len()]);
        let (until, mut next) = (1_000, 0);
        for at in 0..until {
            for (id, queue) in ends.remove(&at).unwrap_or_default() {
                queues.end(id, at);
                held[queue] -= 1;
            }
            for queue in 0..specs.len() {
                while ids.values().filter(|of| **of == queue).count() < 40 {
                    queues.submit(Job { preemptible: false, ..job(next, queue, 1, at) }).unwrap();
                    ids.insert(next, queue);
                    next += 1;
                }
            }
            for id in started(&queues.decide(at)) {
                let queue = ids.remove(&id).unwrap();
                held[queue] += 1;
                ends.entry(at + runs[id as usize % runs.len()]).or_default().push((id, queue));
            }
            for (sum, held) in gpu_ms.iter_mut().zip(&held) {
                *sum += held;
            }
        }
        let all: u32 = weights.iter().sum();
        for (sum, weight) in gpu_ms.iter().zip(&weights) {
            let (share, due) = (*sum as f64 / (32 * until) as f64, f64::from(*weight) / f64::from(all));
            prop_assert!((share - due).abs() < 0.05, "{share} of {due}: {weights:?}");
        }
    }
}
