//! The placement engine: nodes and a request in, a decision out. Pure and deterministic: equal input, equal decision.
//!
//! The rooms behind it count (`fleet`, `ask`), know what is usually asked for and what free parts of GPUs are worth to it (`mix`,
//! `served`, `ahead`), rate nodes by a policy (`policy`, `score`) and decide (`planner`). Here are the words: nodes and models by
//! name, and why something waits.

mod ahead;
mod ask;
mod fleet;
mod mix;
mod planner;
mod policy;
mod score;
mod seeded;
mod served;

use std::collections::BTreeMap;

use kernel::Resources;

#[cfg(test)]
pub(crate) use ask::DeviceSet;
pub(crate) use ask::{Ask, Gpus, Models, Place};
pub(crate) use fleet::{Fleet, Gpu, Server, WHOLE};
pub(crate) use mix::Mix;
pub(crate) use planner::Planner;
pub use policy::Policy;
pub(crate) use seeded::Seeded;

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

/// The nodes, and the engine on them.
#[derive(Clone, Debug)]
pub(crate) struct Board {
    nodes: Vec<NodeView>,
    /// Models by their numbers.
    models: Vec<String>,
    planner: Planner,
}

impl Board {
    /// The board of these nodes; `usual` is what is usually asked for.
    pub(crate) fn new(nodes: Vec<NodeView>, usual: &[Request], policy: Policy) -> Self {
        let mut models: Vec<String> = nodes
            .iter()
            .flat_map(|node| node.devices.iter().map(|device| device.model.clone()))
            .collect();
        models.sort_unstable();
        models.dedup();
        let servers: Vec<Server> = nodes.iter().map(|node| server(node, &models)).collect();
        let usual: Vec<Ask> = usual.iter().map(|usual| ask(usual, &[], &models)).collect();
        // The dice of the policy that rolls them fall alike in each pass.
        let planner = Planner::new(Fleet::new(&servers), Mix::of(&usual), policy, 0);
        Self {
            nodes,
            models,
            planner,
        }
    }

    /// Decides where `request` goes.
    pub(crate) fn place(&mut self, request: &Request) -> Decision {
        let ask = ask(request, &self.nodes, &self.models);
        let Some(place) = self.planner.decide(&ask) else {
            return Decision::Wait(obstacles(&self.nodes, request));
        };
        let chosen = self.nodes.get(place.node);
        let listed = self.planner.fleet().listed(place);
        Decision::Place {
            node_id: chosen.map(|node| node.id.clone()).unwrap_or_default(),
            gpu_uuids: listed
                .filter_map(|at| chosen?.devices.get(at).map(|device| device.uuid.clone()))
                .collect(),
        }
    }

    /// Takes what a decision gave away.
    pub(crate) fn take(&mut self, request: &Request, node_id: &str, gpu_uuids: &[String]) {
        let found = self.nodes.iter().position(|node| node.id == node_id);
        let Some((at, node)) = found.and_then(|at| Some((at, self.nodes.get_mut(at)?))) else {
            return;
        };
        node.take(&request.resources, gpu_uuids);
        let given = |device: &Device| gpu_uuids.contains(&device.uuid);
        let listed: Vec<bool> = node.devices.iter().map(given).collect();
        let ask = ask(request, &self.nodes, &self.models);
        let place = self.planner.fleet().place(at, &listed);
        self.planner.take(&ask, place);
    }

    /// Whether the node that `request` is bound to never takes work again.
    pub(crate) fn is_stranded(&self, request: &Request) -> bool {
        self.nodes
            .iter()
            .any(|node| node.gone && node.binds(request))
    }
}

fn server(node: &NodeView, models: &[String]) -> Server {
    Server {
        open: node.closed.is_none() && !node.gone,
        milli_cores: node.free.milli_cores,
        memory_mib: node.free.memory_mib,
        disk_gib: node.free.disk_gib,
        gpus: node
            .devices
            .iter()
            .map(|device| Gpu {
                model: number_of(&device.model, models),
                free_milli: device.free_milli,
                memory_mib: 0,
                nvlink: None,
                numa: None,
            })
            .collect(),
        labels: Vec::new(),
    }
}

/// The number of a model; one that no set has when there is none, or when it is beyond the 64 that are told apart.
fn number_of(model: &str, models: &[String]) -> u8 {
    let known = models.iter().position(|known| known == model);
    known
        .and_then(|at| u8::try_from(at).ok())
        .unwrap_or(u8::MAX)
}

fn ask(request: &Request, nodes: &[NodeView], models: &[String]) -> Ask {
    let asked = &request.resources;
    let bound = |id: &String| {
        let found = nodes.iter().position(|node| node.id == *id);
        found.unwrap_or(usize::MAX)
    };
    Ask {
        milli_cores: asked.milli_cores,
        memory_mib: asked.memory_mib,
        disk_gib: asked.disk_gib,
        gpus: match asked.gpus {
            0 => Gpus::None,
            count => Gpus::Whole(count),
        },
        models: Models::one(number_of(&asked.gpu_model, models)),
        node: request.node.as_ref().map(bound),
        ..Ask::default()
    }
}

/// Decides where `request` goes, on its own.
pub(crate) fn place(nodes: &[NodeView], request: &Request) -> Decision {
    Board::new(nodes.to_vec(), &[], Policy::Default).place(request)
}

/// What keeps `request` off all nodes, the dominant thing first.
fn obstacles(nodes: &[NodeView], request: &Request) -> Vec<Obstacle> {
    let mut found: BTreeMap<&'static str, Obstacle> = BTreeMap::new();
    let there = nodes
        .iter()
        .filter(|node| !node.gone || node.binds(request));
    let mut none = true;
    for node in there {
        none = false;
        if let Some((what, detail)) = hurdle(node, request, &node.free) {
            note(&mut found, what, detail);
        }
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
