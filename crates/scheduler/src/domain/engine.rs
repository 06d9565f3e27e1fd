//! The placement engine: nodes and a request in, a decision out. Pure and deterministic: equal input, equal decision.
//!
//! Best fit: of the nodes that can host the request, the one with the least left over, so that large gaps stay whole.

use std::collections::BTreeMap;

use kernel::Resources;

/// A GPU of a node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Device {
    pub(crate) uuid: String,
    pub(crate) model: String,
    /// Thousandths that nobody has; 1,000 = wholly free.
    pub(crate) free_milli: u32,
}

/// A node as placement sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct NodeView {
    pub(crate) id: String,
    pub(crate) name: String,
    /// Why it takes no new work now; `None` = it does.
    pub(crate) closed: Option<&'static str>,
    /// What it has, overcommit counted.
    pub(crate) total: Resources,
    /// What of it nobody has.
    pub(crate) free: Resources,
    pub(crate) devices: Vec<Device>,
}

/// What is to be placed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Request {
    pub(crate) resources: Resources,
    /// The one node that it may go to.
    pub(crate) node: Option<String>,
}

/// Where it goes, or what stands in the way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Decision {
    Place {
        node_id: String,
        gpu_uuids: Vec<String>,
    },
    /// Obstacles, the dominant one first.
    Wait(Vec<Obstacle>),
}

/// One hurdle and the nodes that it rules out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Obstacle {
    pub(crate) what: &'static str,
    pub(crate) detail: String,
    pub(crate) nodes: u32,
}

/// What keeps a request off all nodes but the one with its files.
const ELSEWHERE: &str = "volume";

/// Decides where `request` goes.
pub(crate) fn place(nodes: &[NodeView], request: &Request) -> Decision {
    let mut obstacles: BTreeMap<&'static str, Obstacle> = BTreeMap::new();
    let mut best: Option<((u64, &str), &NodeView)> = None;
    for node in nodes {
        match hurdle(node, request, &node.free) {
            Some((what, detail)) => note(&mut obstacles, what, detail),
            None => {
                let score = (leftover(node, request), node.id.as_str());
                if best.as_ref().is_none_or(|(least, _)| score < *least) {
                    best = Some((score, node));
                }
            }
        }
    }
    match best {
        Some((_, node)) => Decision::Place {
            node_id: node.id.clone(),
            gpu_uuids: fitting_gpus(node, request)
                .take(request.resources.gpus as usize)
                .collect(),
        },
        None if nodes.is_empty() => Decision::Wait(vec![Obstacle {
            what: "node",
            detail: "no node has joined yet; add one with \"quire node join-token\"".to_owned(),
            nodes: 0,
        }]),
        None => {
            let mut obstacles: Vec<_> = obstacles.into_values().collect();
            // What keeps it off the node of its files says more than that the files are not elsewhere.
            obstacles.sort_by_key(|obstacle| {
                (
                    obstacle.what == ELSEWHERE,
                    std::cmp::Reverse(obstacle.nodes),
                )
            });
            Decision::Wait(obstacles)
        }
    }
}

/// Whether some node could host `request` if it were empty and open; the obstacles when none could.
pub(crate) fn could_ever_fit(nodes: &[NodeView], request: &Request) -> Result<(), Vec<Obstacle>> {
    let emptied: Vec<NodeView> = nodes
        .iter()
        .map(|node| NodeView {
            closed: None,
            free: node.total.clone(),
            devices: node
                .devices
                .iter()
                .map(|device| Device {
                    free_milli: 1_000,
                    ..device.clone()
                })
                .collect(),
            ..node.clone()
        })
        .collect();
    match place(&emptied, request) {
        Decision::Place { .. } => Ok(()),
        Decision::Wait(obstacles) => Err(obstacles),
    }
}

fn note(obstacles: &mut BTreeMap<&'static str, Obstacle>, what: &'static str, detail: String) {
    obstacles
        .entry(what)
        .and_modify(|obstacle| obstacle.nodes += 1)
        .or_insert(Obstacle {
            what,
            detail,
            nodes: 1,
        });
}

/// The first thing that keeps `request` off `node`.
fn hurdle(node: &NodeView, request: &Request, free: &Resources) -> Option<(&'static str, String)> {
    let asked = &request.resources;
    let name = &node.name;
    if request
        .node
        .as_ref()
        .is_some_and(|wanted| *wanted != node.id)
    {
        return Some((ELSEWHERE, "its files lie on another node".to_owned()));
    }
    if let Some(why) = node.closed {
        return Some(("node", format!("node {name} is {why}")));
    }
    let short = |unit: &str, asked: u32, free: u32| {
        format!("needs {asked} {unit}, {free} of it free on {name}")
    };
    let gpus = fitting_gpus(node, request).count();
    if asked.gpus as usize > gpus {
        let detail = format!(
            "needs {} x {}, {gpus} of them free on {name}",
            asked.gpus, asked.gpu_model
        );
        return Some(("gpu", detail));
    }
    if asked.milli_cores > free.milli_cores {
        return Some((
            "cpu",
            short("milli-cores", asked.milli_cores, free.milli_cores),
        ));
    }
    if asked.memory_mib > free.memory_mib {
        return Some((
            "memory",
            short("MiB memory", asked.memory_mib, free.memory_mib),
        ));
    }
    if asked.disk_gib > free.disk_gib {
        return Some(("disk", short("GiB disk", asked.disk_gib, free.disk_gib)));
    }
    None
}

fn fitting_gpus<'a>(node: &'a NodeView, request: &'a Request) -> impl Iterator<Item = String> + 'a {
    node.devices
        .iter()
        .filter(|device| device.model == request.resources.gpu_model && device.free_milli == 1_000)
        .map(|device| device.uuid.clone())
}

/// How much of a node stays free, in thousandths of it: GPUs weigh most, so that work without GPUs keeps off GPU nodes.
fn leftover(node: &NodeView, request: &Request) -> u64 {
    let share = |free: u32, asked: u32, total: u32| {
        u64::from(free.saturating_sub(asked)) * 1_000 / u64::from(total.max(1))
    };
    let free_gpus = node
        .devices
        .iter()
        .filter(|device| device.free_milli == 1_000)
        .count() as u64;
    let gpus_left = free_gpus.saturating_sub(u64::from(request.resources.gpus));
    gpus_left * 10_000
        + share(
            node.free.milli_cores,
            request.resources.milli_cores,
            node.total.milli_cores,
        )
        + share(
            node.free.memory_mib,
            request.resources.memory_mib,
            node.total.memory_mib,
        )
}

#[cfg(test)]
mod tests {
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
        closed.closed = Some("cordoned");
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
        assert!(
            matches!(place(&nodes, &request), Decision::Place { node_id, .. } if node_id == "b")
        );
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

    proptest! {
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
}
