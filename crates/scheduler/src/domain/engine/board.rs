//! The nodes by name and the engine on them, kept from pass to pass.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use kernel::Resources;

use super::{
    Ask, Decision, Device, Fleet, Gpu, Gpus, Mix, Models, NodeView, Obstacle, Place, Planner,
    Policy, Request, Server, Site, WHOLE, hurdle, obstacles,
};

/// The nodes, and the engine on them.
#[derive(Clone, Debug)]
pub(crate) struct Board {
    nodes: Vec<NodeView>,
    /// Where each node stands, by its identifier.
    index: HashMap<String, usize>,
    /// Models by their numbers.
    models: Vec<String>,
    site: Site,
    /// Nodes that are kept for somebody, by their places.
    aside: BTreeSet<usize>,
    /// Why requests wait, as far as it was asked since something became free: taking makes room for nobody.
    waits: HashMap<Request, Vec<Obstacle>>,
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
        let positions = nodes.iter().enumerate();
        let index = positions.map(|(at, node)| (node.id.clone(), at)).collect();
        let asks: Vec<Ask> = usual
            .iter()
            .map(|usual| ask(usual, None, &models))
            .collect();
        // The dice of the policy that rolls them fall alike on each board.
        let fleet = servers(&nodes, &models, server);
        let site = Site {
            planner: Planner::new(fleet, Mix::of(&asks), policy, 0),
            empty: servers(&nodes, &models, empty_server),
        };
        Self {
            nodes,
            index,
            models,
            site,
            aside: BTreeSet::new(),
            waits: HashMap::new(),
        }
    }

    /// The nodes as they are now.
    pub(crate) fn nodes(&self) -> &[NodeView] {
        &self.nodes
    }

    /// Where the node of this identifier stands.
    pub(crate) fn position(&self, id: &str) -> Option<usize> {
        self.index.get(id).copied()
    }

    /// The node of this identifier.
    pub(crate) fn node(&self, id: &str) -> Option<&NodeView> {
        self.nodes.get(*self.index.get(id)?)
    }

    /// The engine on them.
    pub(crate) fn site(&mut self) -> &mut Site {
        &mut self.site
    }

    /// Takes over a node as it is now; `false` when it is new or has other GPUs: only a new board can have it.
    pub(crate) fn renew(&mut self, node: NodeView) -> bool {
        let (now, empty) = (
            server(&node, &self.models),
            empty_server(&node, &self.models),
        );
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
        self.site.renew(at, &now, &empty)
    }

    /// Decides where `request` goes; the place stays free.
    pub(super) fn place(&mut self, request: &Request) -> Decision {
        let ask = self.ask(request);
        match self.site.planner.decide(&ask) {
            Some(place) => {
                let (node_id, gpu_uuids) = self.named(place);
                Decision::Place { node_id, gpu_uuids }
            }
            None => Decision::Wait(obstacles(&self.nodes, request)),
        }
    }

    /// A place in words: the node, and its GPUs.
    pub(crate) fn named(&self, place: Place) -> (String, Vec<String>) {
        let chosen = self.nodes.get(place.node);
        let listed = self.site.planner.fleet().listed(place);
        let uuid = |at: usize| Some(chosen?.devices.get(at)?.uuid.clone());
        (
            chosen.map(|node| node.id.clone()).unwrap_or_default(),
            listed.filter_map(uuid).collect(),
        )
    }

    /// The place that has this name; `None` = there is no such node.
    pub(crate) fn place_named(&self, node_id: &str, gpu_uuids: &[String]) -> Option<Place> {
        let at = self.index.get(node_id).copied()?;
        let given = |device: &Device| gpu_uuids.contains(&device.uuid);
        let listed: Vec<bool> = self.nodes.get(at)?.devices.iter().map(given).collect();
        Some(self.site.planner.fleet().place(at, &listed))
    }

    /// Notes for people what the engine gave away.
    pub(crate) fn note_taken(&mut self, request: &Request, node_id: &str, gpu_uuids: &[String]) {
        let at = self.index.get(node_id);
        if let Some(node) = at.and_then(|at| self.nodes.get_mut(*at)) {
            node.take(&request.resources, gpu_uuids);
        }
    }

    /// Notes for people which nodes are kept for somebody.
    pub(crate) fn note_aside(&mut self, aside: BTreeSet<usize>) {
        if self.aside != aside {
            self.aside = aside;
            self.waits.clear();
        }
    }

    /// What keeps `request` off all nodes, the dominant thing first; nothing when there is room for it.
    pub(crate) fn obstacles(&mut self, request: &Request) -> &[Obstacle] {
        if !self.waits.contains_key(request) {
            let mut nodes = std::borrow::Cow::Borrowed(&self.nodes);
            for at in &self.aside {
                if let Some(node) = nodes.to_mut().get_mut(*at) {
                    node.closed = Some("kept for other work, which goes first".into());
                }
            }
            let found = obstacles(&nodes, request);
            self.waits.insert(request.clone(), found);
        }
        self.waits.get(request).map_or(&[], Vec::as_slice)
    }

    /// How many nodes are ruled out for `request`, by the first thing in the way.
    pub(crate) fn removed(&self, request: &Request) -> BTreeMap<String, u32> {
        let mut removed = BTreeMap::new();
        let there = self.nodes.iter().enumerate();
        for (at, node) in there.filter(|(_, node)| !node.gone || node.binds(request)) {
            let kept = self.aside.contains(&at).then_some("node");
            if let Some(what) = kept.or_else(|| hurdle(node, request)) {
                *removed.entry(what.to_owned()).or_default() += 1;
            }
        }
        removed
    }

    /// Whether the node that `request` is bound to never takes work again.
    pub(crate) fn is_stranded(&self, request: &Request) -> bool {
        let bound = request.node.as_ref().and_then(|id| self.index.get(id));
        let node = bound.and_then(|at| self.nodes.get(*at));
        node.is_some_and(|node| node.gone)
    }

    /// What is asked of the engine.
    pub(crate) fn ask(&self, request: &Request) -> Ask {
        let bound = |id: &String| self.index.get(id).copied().unwrap_or(usize::MAX);
        ask(request, request.node.as_ref().map(bound), &self.models)
    }
}

fn servers(nodes: &[NodeView], models: &[String], of: fn(&NodeView, &[String]) -> Server) -> Fleet {
    let servers: Vec<Server> = nodes.iter().map(|node| of(node, models)).collect();
    Fleet::new(&servers)
}

/// The node as it is.
fn server(node: &NodeView, models: &[String]) -> Server {
    server_of(node, &node.free, |device| device.free_milli, models)
}

/// The node as it would be if nothing ran.
fn empty_server(node: &NodeView, models: &[String]) -> Server {
    server_of(node, &node.total, |_| WHOLE, models)
}

fn server_of(
    node: &NodeView,
    free: &Resources,
    free_of: fn(&Device) -> u32,
    models: &[String],
) -> Server {
    Server {
        open: node.closed.is_none() && !node.gone,
        milli_cores: free.milli_cores,
        memory_mib: free.memory_mib,
        disk_gib: free.disk_gib,
        gpus: node
            .devices
            .iter()
            .map(|device| Gpu {
                model: number_of(&device.model, models),
                free_milli: free_of(device),
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
