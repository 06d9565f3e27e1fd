//! What a cluster makes of what it is told.

use kernel::Resources;
use proptest::prelude::*;

use super::*;
use crate::domain::engine::{Device, Policy, WHOLE};
use crate::domain::queue::{Lately, Serves, Written};

const RULES: Rules = Rules {
    half_life_ms: 100_000,
    min_run_ms: 50,
    patience_ms: 200,
    drain_ms: 100,
    with_notice: true,
};

/// A node with so many H100, of which so many are free, and a thousandth of a core for each.
fn node(number: usize, gpus: u32, free: u32) -> NodeView {
    let resources = |milli_cores| Resources {
        milli_cores,
        memory_mib: 1_000_000,
        disk_gib: 1_000,
        ..Resources::default()
    };
    let device = |at| Device {
        uuid: format!("{number}-{at}"),
        model: "H100".to_owned(),
        free_milli: if at < free { WHOLE } else { 0 },
    };
    NodeView {
        id: format!("no-{number}"),
        name: format!("box{number}"),
        closed: None,
        gone: false,
        total: resources(gpus),
        free: resources(free),
        devices: (0..gpus).map(device).collect(),
    }
}

fn work(number: usize, team: &str, gpus: u32) -> Work {
    Work {
        id: format!("wo-{number}"),
        owner: Owner {
            team_id: team.to_owned(),
            project_id: String::new(),
            free: team == "free",
        },
        request: Request {
            resources: Resources {
                milli_cores: gpus,
                memory_mib: 1,
                disk_gib: 1,
                gpus,
                gpu_model: "H100".to_owned(),
            },
            node: None,
        },
        priority: 0,
        preemptible: true,
        submitted_ms: number as u64,
        waits_since_ms: number as u64,
        generation: 0,
    }
}

fn deserving(team: &str, gpus: i64) -> Written {
    Written {
        name: format!("q-{team}"),
        parent: None,
        serves: Serves::Team(team.to_owned()),
        deserved: [Some(gpus * 1_000), None, None],
        limit: [None; 3],
        over_quota_weight: 1,
    }
}

fn cluster(nodes: Vec<NodeView>, book: Vec<Written>) -> Cluster {
    Cluster::new(Beginning {
        policy: Policy::Default,
        usual: Vec::new(),
        nodes,
        book: Book::new(book),
        rules: RULES,
        lately: Lately::default(),
        works: Vec::new(),
        reserved: None,
    })
}

fn started(orders: &[Order]) -> Vec<&str> {
    let started = orders.iter().filter_map(|order| match order {
        Order::Start { id, .. } => Some(id.as_str()),
        Order::Leave { .. } => None,
    });
    started.collect()
}

fn leaves(id: &str, by: &str) -> Order {
    Order::Leave {
        id: id.to_owned(),
        by: by.to_owned(),
    }
}

#[test]
fn what_makes_room_goes_first_and_its_place_is_kept() {
    let book = vec![deserving("a", 2), deserving("b", 2)];
    let mut cluster = cluster(vec![node(0, 4, 4)], book);
    for number in 0..4 {
        cluster.wait(work(number, "a", 1));
    }
    let orders = cluster.decide(10, 100);
    assert_eq!(started(&orders), ["wo-0", "wo-1", "wo-2", "wo-3"]);
    cluster.wait(work(9, "b", 1));
    assert_eq!(cluster.decide(100, 100), [leaves("wo-3", "wo-9")]);
    let why = cluster.why("wo-9").unwrap();
    assert_eq!(
        why.detail,
        "another workload makes room for it; it starts when they have stopped"
    );
    assert_eq!(
        cluster.find("wo-3").unwrap().1.unwrap().by.as_deref(),
        Some("wo-9")
    );

    // Whoever leads next knows it too, and other queues change nothing.
    let (beginning, record) = cluster.clone().into_parts(Vec::new());
    assert_eq!(record.replay().different, None);
    for mut cluster in [Cluster::new(beginning), cluster] {
        cluster.wait(work(10, "c", 1));
        cluster.set_book(Book::new(vec![deserving("a", 2), deserving("b", 1)]));
        assert_eq!(cluster.decide(110, 100), []);
        cluster.gone("wo-3", 120);
        assert!(cluster.renew(node(0, 4, 1)));
        let orders = cluster.decide(120, 100);
        assert_eq!(started(&orders), ["wo-9"]);
    }
}

#[test]
fn whoever_was_promised_room_on_a_node_that_closes_waits_as_others_do() {
    let mut cluster = cluster(vec![node(0, 1, 1), node(1, 1, 1)], vec![deserving("b", 1)]);
    cluster.wait(work(0, "a", 1));
    cluster.wait(work(1, "a", 1));
    assert_eq!(started(&cluster.decide(0, 100)).len(), 2);
    cluster.wait(work(9, "b", 1));
    let orders = cluster.decide(60, 100);
    let [Order::Leave { id, .. }] = orders.as_slice() else {
        panic!("{orders:?}");
    };
    let left = cluster.find(id).unwrap().1.unwrap().node_id.clone();
    let number = usize::from(left == "no-1");
    cluster.gone(id, 70);
    let closed = NodeView {
        closed: Some("silent".into()),
        ..node(number, 1, 1)
    };
    assert!(cluster.renew(closed));
    let orders = cluster.decide(70, 100);
    let [Order::Leave { id: other, .. }] = orders.as_slice() else {
        panic!("it makes room elsewhere: {orders:?}");
    };
    assert_ne!(other, id);
}

#[test]
fn free_work_makes_room_for_all_that_is_paid() {
    let mut cluster = cluster(vec![node(0, 2, 2)], Vec::new());
    for number in 0..2 {
        cluster.wait(work(number, "free", 1));
    }
    assert_eq!(started(&cluster.decide(0, 100)).len(), 2);
    let paid = Work {
        preemptible: false,
        ..work(9, "a", 1)
    };
    cluster.wait(paid);
    assert_eq!(cluster.decide(1, 100), [leaves("wo-1", "wo-9")]);
    cluster.wait(work(3, "free", 1));
    assert_eq!(cluster.decide(2, 100), []);
    let why = cluster.why("wo-3").unwrap();
    assert_eq!(
        (why.what, why.detail.as_str()),
        ("node", "node box0 is kept for other work, which goes first")
    );
}

#[test]
fn limits_and_guarantees_say_what_they_are() {
    let limited = Written {
        limit: [Some(1_000), None, None],
        ..deserving("a", 1)
    };
    let mut cluster = cluster(vec![node(0, 4, 4)], vec![limited, deserving("b", 2)]);
    let firm = |number, team| Work {
        preemptible: false,
        ..work(number, team, 1)
    };
    cluster.wait(firm(0, "a"));
    cluster.wait(firm(1, "a"));
    for number in 2..4 {
        cluster.wait(firm(number, "c"));
    }
    assert_eq!(started(&cluster.decide(0, 100)), ["wo-0", "wo-2"]);
    let why = cluster.why("wo-1").unwrap();
    assert_eq!(why.what, "limit");
    assert!(
        why.detail
            .starts_with("queue \"q-a\" is at its limit of 1 GPUs"),
        "{why:?}"
    );
    assert_eq!(cluster.why("wo-3").unwrap().what, "guarantee");
    assert_eq!(cluster.why("wo-0"), None);
}

#[derive(Clone, Debug)]
enum Step {
    Come {
        team: usize,
        gpus: u32,
        preemptible: bool,
    },
    End(usize),
    Undo,
    Node {
        at: usize,
        closed: bool,
    },
    Queues(i64),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        4 => (0..3_usize, 1..5_u32, any::<bool>())
            .prop_map(|(team, gpus, preemptible)| Step::Come { team, gpus, preemptible }),
        3 => any::<usize>().prop_map(Step::End),
        1 => Just(Step::Undo),
        1 => (0..3_usize, any::<bool>()).prop_map(|(at, closed)| Step::Node { at, closed }),
        1 => (0..5_i64).prop_map(Step::Queues),
    ];
    prop::collection::vec(step, 1..60)
}

proptest! {
    /// Whatever a cluster lives through: no GPU is given twice, what leaves keeps its place, and the record, read from its text,
    /// gives the same decisions.
    #[test]
    fn nothing_is_given_twice_and_a_record_gives_the_same_decisions(
        steps in steps(),
        policy in prop::sample::select(Policy::ALL.to_vec()),
    ) {
        const GPUS: u32 = 4;
        let nodes = (0..3).map(|at| node(at, GPUS, GPUS)).collect();
        let mut cluster = Cluster::new(Beginning {
            policy,
            ..cluster(nodes, vec![deserving("a", 2)]).into_parts(Vec::new()).0
        });
        let mut closed = [false; 3];
        // GPUs by workload: what the tables would say.
        let mut runs: BTreeMap<String, (String, Vec<String>)> = BTreeMap::new();
        let mut decisions = 0;
        let view = |at: usize, closed: bool, runs: &BTreeMap<String, (String, Vec<String>)>| {
            let mut view = node(at, GPUS, GPUS);
            view.closed = closed.then(|| "cordoned".into());
            let here = view.id.clone();
            for (_, uuids) in runs.values().filter(|(node, _)| *node == here) {
                let taken = Resources { milli_cores: uuids.len() as u32, ..Resources::default() };
                view.take(&taken, uuids);
            }
            view
        };
        for (number, step) in steps.into_iter().enumerate() {
            let now = number as u64 * 40;
            let mut undone = false;
            match step {
                Step::Come { team, gpus, preemptible } => {
                    let team = ["a", "b", "free"][team];
                    cluster.wait(Work { preemptible, ..work(number, team, gpus) });
                }
                Step::End(which) if !runs.is_empty() => {
                    let id = runs.keys().nth(which % runs.len()).unwrap().clone();
                    let (node_id, _) = runs.remove(&id).unwrap();
                    let (work, run) = cluster.find(&id).unwrap();
                    let again = run.unwrap().by.is_some().then(|| work.clone());
                    cluster.gone(&id, now);
                    let at = node_id.trim_start_matches("no-").parse::<usize>().unwrap();
                    cluster.renew(view(at, closed[at], &runs));
                    if let Some(again) = again {
                        cluster.wait(Work { generation: again.generation + 1, ..again });
                    }
                }
                Step::End(_) => {}
                Step::Undo => undone = true,
                Step::Node { at, closed: is_closed } => {
                    closed[at] = is_closed;
                    cluster.renew(view(at, is_closed, &runs));
                }
                Step::Queues(gpus) => cluster.set_book(Book::new(vec![deserving("b", gpus)])),
            }
            let orders = cluster.decide(now, 3);
            decisions += orders.len();
            for order in orders {
                match order {
                    Order::Start { id, node_id, gpu_uuids, verdict } => {
                        prop_assert_eq!(&verdict.best[0].0, &node_id);
                        prop_assert!(verdict.fit >= 1, "{verdict:?}");
                        let at = node_id.trim_start_matches("no-").parse::<usize>().unwrap();
                        prop_assert!(!closed[at], "{node_id} takes no work");
                        if undone {
                            cluster.undo(&id);
                            cluster.renew(view(at, closed[at], &runs));
                            continue;
                        }
                        let given = runs.values().flat_map(|(_, uuids)| uuids);
                        prop_assert!(given.clone().all(|uuid| !gpu_uuids.contains(uuid)), "{gpu_uuids:?} twice");
                        prop_assert_eq!(gpu_uuids.len() as u32, cluster.find(&id).unwrap().0.request.resources.gpus);
                        runs.insert(id, (node_id, gpu_uuids));
                    }
                    Order::Leave { id, .. } => {
                        let (work, _) = cluster.find(&id).unwrap();
                        prop_assert!(work.preemptible || work.owner.free);
                    }
                }
            }
            let waiting: Vec<String> = cluster.waiting().map(|work| work.id.clone()).collect();
            for id in waiting {
                prop_assert!(cluster.why(&id).is_some());
            }
        }
        let text = serde_json::to_string(cluster.record()).unwrap();
        let read: Record = serde_json::from_str(&text).unwrap();
        prop_assert_eq!(&read, cluster.record());
        prop_assert_eq!(read.replay(), Replayed { same: decisions, different: None });
    }
}
