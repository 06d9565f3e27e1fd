//! The placement engine, by example and by property.

use proptest::prelude::*;

use super::*;

fn resources(milli_cores: u32, memory_mib: u32, gpus: u32) -> Resources {
    let gpu_model = if gpus > 0 {
        "H100".to_owned()
    } else {
        String::new()
    };
    Resources {
        milli_cores,
        memory_mib,
        disk_gib: 1,
        gpus,
        gpu_model,
    }
}

fn node(id: &str, milli_cores: u32, memory_mib: u32, gpus: u32) -> NodeView {
    let device = |index| Device {
        uuid: format!("{id}-{index}"),
        model: "H100".to_owned(),
        free_milli: 1_000,
    };
    let total = Resources {
        disk_gib: 100,
        ..resources(milli_cores, memory_mib, 0)
    };
    NodeView {
        id: id.to_owned(),
        name: id.to_owned(),
        closed: None,
        gone: false,
        free: total.clone(),
        total,
        devices: (0..gpus).map(device).collect(),
    }
}

fn ask(milli_cores: u32, memory_mib: u32, gpus: u32) -> Request {
    Request {
        resources: resources(milli_cores, memory_mib, gpus),
        node: None,
    }
}

#[test]
fn the_tightest_node_is_chosen_and_gpu_nodes_are_kept_free() {
    let nodes = [
        node("big", 16_000, 64_000, 0),
        node("gpu", 4_000, 8_000, 4),
        node("small", 4_000, 8_000, 0),
    ];
    let Decision::Place { node_id, gpu_uuids } = place(&nodes, &ask(2_000, 4_000, 0)) else {
        panic!("must fit")
    };
    assert_eq!((node_id.as_str(), gpu_uuids.len()), ("small", 0));
    let Decision::Place { node_id, gpu_uuids } = place(&nodes, &ask(2_000, 4_000, 2)) else {
        panic!("must fit")
    };
    assert_eq!((node_id.as_str(), gpu_uuids.len()), ("gpu", 2));
}

#[test]
fn what_waits_says_why() {
    let mut closed = node("closed", 64_000, 64_000, 0);
    closed.closed = Some("cordoned".into());
    let nodes = [
        node("a", 1_000, 1_000, 0),
        node("b", 1_000, 1_000, 0),
        closed,
    ];
    let Decision::Wait(obstacles) = place(&nodes, &ask(2_000, 500, 0)) else {
        panic!("must wait")
    };
    assert_eq!(obstacles[0].what, "cpu");
    assert_eq!(obstacles[0].nodes, 2);
    assert_eq!(obstacles[1].what, "node");
    assert!(
        could_ever_fit(&nodes, &ask(2_000, 500, 0)).is_ok(),
        "the closed node could host it"
    );
    assert!(could_ever_fit(&nodes, &ask(2_000, 500, 1)).is_err());
    let Decision::Wait(obstacles) = place(&[], &ask(1, 1, 0)) else {
        panic!("must wait")
    };
    assert!(obstacles[0].detail.contains("join-token"));
}

#[test]
fn files_bind_to_their_node() {
    let nodes = [node("a", 4_000, 4_000, 0), node("b", 4_000, 4_000, 0)];
    let request = Request {
        node: Some("b".to_owned()),
        ..ask(1_000, 1_000, 0)
    };
    assert!(matches!(place(&nodes, &request), Decision::Place { node_id, .. } if node_id == "b"));
    let mut full = node("b", 4_000, 4_000, 0);
    full.free = resources(0, 0, 0);
    let nodes = [node("a", 4_000, 4_000, 0), full, node("c", 4_000, 4_000, 0)];
    let Decision::Wait(obstacles) = place(&nodes, &request) else {
        panic!("must wait")
    };
    let what: Vec<_> = obstacles.iter().map(|obstacle| obstacle.what).collect();
    assert_eq!(
        what,
        ["cpu", "volume"],
        "its own node's hurdle is the one to tell"
    );
}

#[test]
fn a_node_that_is_gone_is_none_except_for_what_is_bound_to_it() {
    let mut gone = node("gone", 4_000, 4_000, 0);
    (gone.closed, gone.gone) = (Some("given up".into()), true);
    let mut draining = node("old", 4_000, 4_000, 0);
    draining.closed = Some("draining".into());
    let nodes = [gone.clone(), draining];
    let Decision::Wait(obstacles) = place(&nodes, &ask(1_000, 1_000, 0)) else {
        panic!("must wait")
    };
    assert_eq!((obstacles.len(), obstacles[0].nodes), (1, 1));
    let bound_to = |id: &str| Request {
        node: Some(id.to_owned()),
        ..ask(1_000, 1_000, 0)
    };
    let refused = could_ever_fit(&nodes, &bound_to("gone")).unwrap_err();
    assert_eq!(
        refused[0].detail,
        "its files lay on node gone, which was given up"
    );
    assert!(could_ever_fit(&nodes, &bound_to("old")).is_ok());
    let Decision::Wait(obstacles) = place(&nodes, &bound_to("old")) else {
        panic!("must wait")
    };
    assert_eq!(
        obstacles[0].detail,
        "its files lie on node old, which is draining; it starts when the node takes work again"
    );
    assert!(could_ever_fit(&[gone], &ask(1, 1, 0)).is_err());
}

proptest! {
    /// A pass over a queue that reads the nodes once gives nothing twice.
    #[test]
    fn what_a_pass_gives_away_is_there(
        sizes in prop::collection::vec((0..8_000_u32, 0..8_000_u32, 0..4_u32), 1..6),
        queue in prop::collection::vec((0..4_000_u32, 0..4_000_u32, 0..3_u32), 0..40),
    ) {
        let mut nodes: Vec<_> = sizes.iter().enumerate()
            .map(|(index, size)| node(&index.to_string(), size.0, size.1, size.2)).collect();
        let mut given: BTreeMap<String, (u32, u32, usize)> = BTreeMap::new();
        for asked in queue {
            let request = ask(asked.0, asked.1, asked.2);
            if let Decision::Place { node_id, gpu_uuids } = place(&nodes, &request) {
                let sum = given.entry(node_id.clone()).or_default();
                *sum = (sum.0 + asked.0, sum.1 + asked.1, sum.2 + gpu_uuids.len());
                let node = nodes.iter_mut().find(|node| node.id == node_id).unwrap();
                node.take(&request.resources, &gpu_uuids);
            }
        }
        for (id, (milli_cores, memory_mib, gpus)) in given {
            let size = sizes[id.parse::<usize>().unwrap()];
            prop_assert!(milli_cores <= size.0 && memory_mib <= size.1 && gpus <= size.2 as usize);
        }
    }

    /// Of nodes that are alike but for what is free of one thing, the one with the least free of it is taken.
    #[test]
    fn the_least_is_left_over_of_each_thing(
        frees in prop::collection::vec(10..=1_000_u32, 1..6),
        thing in 0..3_usize,
    ) {
        let mut nodes: Vec<_> = (0..frees.len()).map(|index| NodeView {
            total: Resources { disk_gib: 1_000, ..resources(1_000, 1_000, 0) },
            ..node(&index.to_string(), 1_000, 1_000, 0)
        }).collect();
        for (node, free) in nodes.iter_mut().zip(&frees) {
            node.free = node.total.clone();
            match thing {
                0 => node.free.milli_cores = *free,
                1 => node.free.memory_mib = *free,
                _ => node.free.disk_gib = *free,
            }
        }
        let Decision::Place { node_id, .. } = place(&nodes, &ask(10, 10, 0)) else {
            panic!("all have room")
        };
        prop_assert_eq!(Some(&frees[node_id.parse::<usize>().unwrap()]), frees.iter().min());
    }

    #[test]
    fn nothing_is_given_that_is_not_free(
        sizes in prop::collection::vec((0..8_000_u32, 0..8_000_u32, 0..4_u32), 0..8),
        asked in (0..8_000_u32, 0..8_000_u32, 0..4_u32),
    ) {
        let nodes: Vec<_> = sizes.iter().enumerate()
            .map(|(index, size)| node(&index.to_string(), size.0, size.1, size.2)).collect();
        let request = ask(asked.0, asked.1, asked.2);
        let decision = place(&nodes, &request);
        prop_assert_eq!(&decision, &place(&nodes, &request), "equal input, equal decision");
        let fits = |node: &&NodeView| node.free.milli_cores >= asked.0 && node.free.memory_mib >= asked.1
            && node.devices.len() >= asked.2 as usize;
        match decision {
            Decision::Place { node_id, gpu_uuids } => {
                let chosen = nodes.iter().find(|node| node.id == node_id).unwrap();
                prop_assert!(fits(&chosen));
                prop_assert_eq!(gpu_uuids.len(), asked.2 as usize);
            }
            Decision::Wait(obstacles) => {
                prop_assert!(nodes.iter().find(fits).is_none());
                prop_assert!(!obstacles.is_empty());
            }
        }
    }
}
