//! The nodes by name and the engine on them, kept from pass to pass.

use std::collections::HashMap;

use super::record::{Input, Record, in_full};
use super::{
    Ask, Decision, Device, Fleet, Gpu, Gpus, Mix, Models, NodeView, Obstacle, Planner, Policy,
    Request, Server, obstacles,
};

/// The nodes, and the engine on them.
#[derive(Clone, Debug)]
pub(crate) struct Board {
    nodes: Vec<NodeView>,
    /// Where each node stands, by its identifier.
    index: HashMap<String, usize>,
    /// Models by their numbers.
    models: Vec<String>,
    planner: Planner,
    /// What found no place since something became free, and why: taking makes room for nobody.
    waits: HashMap<Request, Vec<Obstacle>>,
    record: Record,
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
        let positions = nodes.iter().enumerate();
        let index = positions.map(|(at, node)| (node.id.clone(), at)).collect();
        let asks: Vec<Ask> = usual
            .iter()
            .map(|usual| ask(usual, None, &models))
            .collect();
        // The dice of the policy that rolls them fall alike on each board.
        let planner = Planner::new(Fleet::new(&servers), Mix::of(&asks), policy, 0);
        Self {
            record: Record::new(nodes.clone(), usual.to_vec(), policy),
            nodes,
            index,
            models,
            planner,
            waits: HashMap::new(),
        }
    }

    /// The nodes as they are now, and what led there.
    pub(crate) fn into_parts(self) -> (Vec<NodeView>, Record) {
        (self.nodes, self.record)
    }

    /// All that its decisions rest on, and they themselves.
    pub(crate) fn record(&self) -> &Record {
        &self.record
    }

    /// Takes over a node as it is now; `false` when it is new or has other GPUs: only a new board can have it.
    pub(crate) fn renew(&mut self, node: NodeView) -> bool {
        let server = server(&node, &self.models);
        self.record.note(Input::Node(node.clone()));
        self.waits.clear();
        let Some(at) = self.index.get(&node.id).copied() else {
            return false;
        };
        let Some(known) = self.nodes.get_mut(at) else {
            return false;
        };
        let uuids = |node: &NodeView| -> Vec<String> {
            let devices = node.devices.iter();
            devices.map(|device| device.uuid.clone()).collect()
        };
        if uuids(known) != uuids(&node) {
            return false;
        }
        *known = node;
        self.planner.renew(at, &server)
    }

    /// Decides where `request` goes, and keeps the place free until it is taken.
    pub(crate) fn place(&mut self, request: &Request) -> Decision {
        if let Some(obstacles) = self.waits.get(request) {
            return Decision::Wait(obstacles.clone());
        }
        let decision = self.decide(request);
        if let Decision::Wait(obstacles) = &decision {
            self.waits.insert(request.clone(), obstacles.clone());
        }
        self.record.note(Input::Decided {
            request: request.clone(),
            decision: in_full(&decision),
        });
        decision
    }

    fn decide(&mut self, request: &Request) -> Decision {
        let ask = self.ask(request);
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
        let ask = self.ask(request);
        let found = self.index.get(node_id);
        let Some((at, node)) = found.and_then(|at| Some((*at, self.nodes.get_mut(*at)?))) else {
            return;
        };
        node.take(&request.resources, gpu_uuids);
        let given = |device: &Device| gpu_uuids.contains(&device.uuid);
        let listed: Vec<bool> = node.devices.iter().map(given).collect();
        let place = self.planner.fleet().place(at, &listed);
        self.planner.take(&ask, place);
        self.record.note(Input::Taken {
            request: request.clone(),
            node_id: node_id.to_owned(),
            gpu_uuids: gpu_uuids.to_vec(),
        });
    }

    /// Whether the node that `request` is bound to never takes work again.
    pub(crate) fn is_stranded(&self, request: &Request) -> bool {
        let bound = request.node.as_ref().and_then(|id| self.index.get(id));
        let node = bound.and_then(|at| self.nodes.get(*at));
        node.is_some_and(|node| node.gone)
    }

    fn ask(&self, request: &Request) -> Ask {
        let bound = |id: &String| self.index.get(id).copied().unwrap_or(usize::MAX);
        ask(request, request.node.as_ref().map(bound), &self.models)
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

/// What is asked of the engine; `node` is where the one node stands that it may go to.
fn ask(request: &Request, node: Option<usize>, models: &[String]) -> Ask {
    let asked = &request.resources;
    Ask {
        milli_cores: asked.milli_cores,
        memory_mib: asked.memory_mib,
        disk_gib: asked.disk_gib,
        gpus: match asked.gpus {
            0 => Gpus::None,
            count => Gpus::Whole(count),
        },
        models: Models::one(number_of(&asked.gpu_model, models)),
        node,
        ..Ask::default()
    }
}
