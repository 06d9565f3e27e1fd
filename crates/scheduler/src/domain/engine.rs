//! The placement engine: nodes and a request in, a decision out. Pure and deterministic: equal input, equal decision.
//!
//! The rooms behind it count (`fleet`, `ask`), know what is usually asked for and what free parts of GPUs are worth to it (`mix`,
//! `served`, `ahead`), rate nodes by a policy (`policy`, `score`) and decide (`planner`). Here are the words: nodes and models by
//! name, and why something waits.

mod ahead;
mod ask;
mod board;
mod change;
mod fleet;
mod forecast;
mod mix;
mod planner;
mod policy;
mod score;
mod seeded;
mod served;
mod site;

use std::borrow::Cow;
use std::collections::BTreeMap;

use kernel::Resources;
use serde::{Deserialize, Serialize};

#[cfg(test)]
pub(crate) use ask::DeviceSet;
pub(crate) use ask::{Ask, Gpus, Models, Place};
pub(crate) use board::Board;
pub(crate) use change::{Change, smallest_change};
pub(crate) use fleet::{Fleet, Gpu, Server, WHOLE};
pub(crate) use forecast::{Ending, forecast};
pub(crate) use mix::Mix;
pub(crate) use planner::{Planner, Ranking};
pub use policy::Policy;
pub(crate) use seeded::Seeded;
pub(crate) use site::Site;

/// A GPU of a node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Device {
    pub(crate) uuid: String,
    pub(crate) model: String,
    /// Thousandths that nobody has; 1,000 = wholly free.
    pub(crate) free_milli: u32,
}

/// A node as placement sees it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct NodeView {
    pub(crate) id: String,
    pub(crate) name: String,
    /// Why it takes no new work now; `None` = it does.
    pub(crate) closed: Option<Cow<'static, str>>,
    /// It never takes work again: only what is bound to it hears of it.
    pub(crate) gone: bool,
    /// What it has, overcommit counted.
    pub(crate) total: Resources,
    /// What of it nobody has.
    pub(crate) free: Resources,
    pub(crate) devices: Vec<Device>,
}

/// What is to be placed.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
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

impl NodeView {
    /// Whether `request` may go here and nowhere else.
    pub(crate) fn binds(&self, request: &Request) -> bool {
        request.node.as_ref() == Some(&self.id)
    }

    /// Takes what a decision gave away.
    pub(crate) fn take(&mut self, asked: &Resources, gpu_uuids: &[String]) {
        let less = |free: &mut u32, asked: u32| *free = free.saturating_sub(asked);
        less(&mut self.free.milli_cores, asked.milli_cores);
        less(&mut self.free.memory_mib, asked.memory_mib);
        less(&mut self.free.disk_gib, asked.disk_gib);
        for device in &mut self.devices {
            if gpu_uuids.contains(&device.uuid) {
                device.free_milli = 0;
            }
        }
    }
}

/// Decides where `request` goes, on its own.
pub(crate) fn place(nodes: &[NodeView], request: &Request) -> Decision {
    Board::new(nodes.to_vec(), &[], Policy::Default).place(request)
}

/// What keeps `request` off all nodes, the dominant thing first.
pub(crate) fn obstacles(nodes: &[NodeView], request: &Request) -> Vec<Obstacle> {
    let mut found: BTreeMap<&'static str, Obstacle> = BTreeMap::new();
    let there = nodes
        .iter()
        .filter(|node| !node.gone || node.binds(request));
    let mut none = true;
    for node in there {
        none = false;
        let Some(what) = hurdle(node, request) else {
            continue;
        };
        let first = || Obstacle {
            what,
            detail: detail(node, request, what),
            nodes: 0,
        };
        found.entry(what).or_insert_with(first).nodes += 1;
    }
    if none {
        return vec![Obstacle {
            what: "node",
            detail: "no node has joined yet; add one with \"quire node join-token\"".to_owned(),
            nodes: 0,
        }];
    }
    let mut found: Vec<_> = found.into_values().collect();
    // What keeps it off the node of its files says more than that the files are not elsewhere.
    found.sort_by_key(|obstacle| {
        let dominant = std::cmp::Reverse(obstacle.nodes);
        (obstacle.what == ELSEWHERE, dominant)
    });
    found
}

/// Whether some node could host `request` if it were empty and open; the obstacles when none could.
pub(crate) fn could_ever_fit(nodes: &[NodeView], request: &Request) -> Result<(), Vec<Obstacle>> {
    let emptied: Vec<NodeView> = nodes
        .iter()
        .map(|node| NodeView {
            closed: node.closed.clone().filter(|_| node.gone),
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

/// The first thing that keeps `request` off `node`.
fn hurdle(node: &NodeView, request: &Request) -> Option<&'static str> {
    let (asked, free) = (&request.resources, &node.free);
    if request.node.is_some() && !node.binds(request) {
        return Some(ELSEWHERE);
    }
    let hurdles = [
        ("node", node.closed.is_some()),
        (
            "gpu",
            asked.gpus as usize > fitting_gpus(node, request).count(),
        ),
        ("cpu", asked.milli_cores > free.milli_cores),
        ("memory", asked.memory_mib > free.memory_mib),
        ("disk", asked.disk_gib > free.disk_gib),
    ];
    let first = hurdles.into_iter().find(|(_, stands)| *stands);
    first.map(|(what, _)| what)
}

/// A hurdle in words.
fn detail(node: &NodeView, request: &Request, what: &str) -> String {
    let (asked, free, name) = (&request.resources, &node.free, &node.name);
    let short = |unit: &str, asked: u32, free: u32| {
        format!("needs {asked} {unit}, {free} of it free on {name}")
    };
    match what {
        ELSEWHERE => "its files lie on another node".to_owned(),
        "gpu" => {
            let free = fitting_gpus(node, request).count();
            let (count, model) = (asked.gpus, &asked.gpu_model);
            format!("needs {count} x {model}, {free} of them free on {name}")
        }
        "cpu" => short("milli-cores", asked.milli_cores, free.milli_cores),
        "memory" => short("MiB memory", asked.memory_mib, free.memory_mib),
        "disk" => short("GiB disk", asked.disk_gib, free.disk_gib),
        _ => closed_detail(node, request),
    }
}

fn closed_detail(node: &NodeView, request: &Request) -> String {
    let (name, why) = (&node.name, node.closed.as_deref().unwrap_or_default());
    match (node.binds(request), node.gone) {
        (true, true) => format!("its files lay on node {name}, which was {why}"),
        (true, false) => format!(
            "its files lie on node {name}, which is {why}; it starts when the node takes work again"
        ),
        (false, _) => format!("node {name} is {why}"),
    }
}

fn fitting_gpus<'a>(
    node: &'a NodeView,
    request: &'a Request,
) -> impl Iterator<Item = &'a Device> + 'a {
    node.devices
        .iter()
        .filter(|device| device.model == request.resources.gpu_model && device.free_milli == WHOLE)
}

#[cfg(test)]
mod properties;
#[cfg(test)]
mod tests;
