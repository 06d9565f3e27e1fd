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
    /// It never takes work again: only what is bound to it hears of it.
    pub(crate) gone: bool,
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

/// Decides where `request` goes.
pub(crate) fn place(nodes: &[NodeView], request: &Request) -> Decision {
    let nodes: Vec<_> = nodes
        .iter()
        .filter(|node| !node.gone || node.binds(request))
        .collect();
    let mut obstacles: BTreeMap<&'static str, Obstacle> = BTreeMap::new();
    let mut best: Option<((u64, &str), &NodeView)> = None;
    for node in nodes.iter().copied() {
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
            closed: node.closed.filter(|_| node.gone),
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
    if request.node.is_some() && !node.binds(request) {
        return Some((ELSEWHERE, "its files lie on another node".to_owned()));
    }
    if let Some(why) = node.closed {
        let detail = match (node.binds(request), node.gone) {
            (true, true) => format!("its files lay on node {name}, which was {why}"),
            (true, false) => format!(
                "its files lie on node {name}, which is {why}; it starts when the node takes work again"
            ),
            (false, _) => format!("node {name} is {why}"),
        };
        return Some(("node", detail));
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
        + share(
            node.free.disk_gib,
            request.resources.disk_gib,
            node.total.disk_gib,
        )
}

#[cfg(test)]
mod tests;
