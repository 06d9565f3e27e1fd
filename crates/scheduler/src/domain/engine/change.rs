//! The smallest change that would start what waits: on which node how much more must be free.

use kernel::Resources;

use super::{NodeView, Request, fitting_gpus};

/// What is short on one node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Change {
    pub(crate) node_id: String,
    /// The node takes no work now, for this reason, and would have to.
    pub(crate) opens: Option<String>,
    /// Cores, memory, disk and GPUs that would have to be free besides.
    pub(crate) more: Resources,
}

/// The smallest change that starts `request`, on the node where least is short: one that takes work before one that does not, then
/// by GPUs, then by the share of the node that is short. `None` when no node could host it even if it were empty.
pub(crate) fn smallest_change(nodes: &[NodeView], request: &Request) -> Option<Change> {
    let able = nodes.iter().filter(|node| could_host(node, request));
    let rated = able.map(|node| {
        let change = shortage(node, request);
        (size(node, &change), change)
    });
    rated
        .min_by(|(one, _), (other, _)| one.cmp(other))
        .map(|(_, change)| change)
}

fn could_host(node: &NodeView, request: &Request) -> bool {
    let (asked, total) = (&request.resources, &node.total);
    let bound = request.node.is_none() || node.binds(request);
    let gpus = node.devices.iter();
    let gpus = gpus.filter(|device| device.model == asked.gpu_model);
    bound
        && !node.gone
        && asked.milli_cores <= total.milli_cores
        && asked.memory_mib <= total.memory_mib
        && asked.disk_gib <= total.disk_gib
        && asked.gpus as usize <= gpus.count()
}

fn shortage(node: &NodeView, request: &Request) -> Change {
    let (asked, free) = (&request.resources, &node.free);
    let free_gpus = u32::try_from(fitting_gpus(node, request).count()).unwrap_or(u32::MAX);
    Change {
        node_id: node.id.clone(),
        opens: node.closed.as_deref().map(str::to_owned),
        more: Resources {
            milli_cores: asked.milli_cores.saturating_sub(free.milli_cores),
            memory_mib: asked.memory_mib.saturating_sub(free.memory_mib),
            disk_gib: asked.disk_gib.saturating_sub(free.disk_gib),
            gpus: asked.gpus.saturating_sub(free_gpus),
            gpu_model: asked.gpu_model.clone(),
        },
    }
}

/// How large a change is; the second is the GPUs, the third the sum of the short shares of the node in billionths.
fn size(node: &NodeView, change: &Change) -> (bool, u32, u64) {
    let share = |more: u32, total: u32| u64::from(more) * 1_000_000_000 / u64::from(total.max(1));
    let (more, total) = (&change.more, &node.total);
    let shares = share(more.milli_cores, total.milli_cores)
        + share(more.memory_mib, total.memory_mib)
        + share(more.disk_gib, total.disk_gib);
    (change.opens.is_some(), more.gpus, shares)
}

impl Change {
    /// In words; `name` is the node's.
    pub(crate) fn in_words(&self, name: &str) -> String {
        let more = &self.more;
        let amounts = [
            (more.gpus, format!("{} x {}", more.gpus, more.gpu_model)),
            (
                more.milli_cores,
                format!("{} milli-cores", more.milli_cores),
            ),
            (more.memory_mib, format!("{} MiB memory", more.memory_mib)),
            (more.disk_gib, format!("{} GiB disk", more.disk_gib)),
        ];
        let short = amounts.into_iter().filter(|(amount, _)| *amount > 0);
        let short: Vec<String> = short.map(|(_, words)| words).collect();
        let frees = (!short.is_empty())
            .then(|| format!("{} more became free on node {name}", short.join(" and ")));
        let opens = self
            .opens
            .as_ref()
            .map(|why| format!("node {name}, which is {why}, took work again"));
        let both: Vec<String> = opens.into_iter().chain(frees).collect();
        format!("it would start if {}", both.join(" and "))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::{Decision, Device, WHOLE, could_ever_fit, place};
    use super::*;

    /// The node as it would be.
    fn changed(mut node: NodeView, change: &Change) -> NodeView {
        node.closed = None;
        node.free.milli_cores += change.more.milli_cores;
        node.free.memory_mib += change.more.memory_mib;
        node.free.disk_gib += change.more.disk_gib;
        let taken = node
            .devices
            .iter_mut()
            .filter(|device| device.free_milli < WHOLE);
        for device in taken.take(change.more.gpus as usize) {
            device.free_milli = WHOLE;
        }
        node
    }

    /// Cores, memory and GPUs of a node; what of them is free; whether it takes work.
    type Shape = ((u32, u32, u32), (u32, u32, u32), bool);

    fn node(number: usize, ((milli_cores, memory_mib, gpus), free, open): Shape) -> NodeView {
        let total = Resources {
            milli_cores,
            memory_mib,
            disk_gib: 100,
            ..Resources::default()
        };
        let device = |at| Device {
            uuid: format!("{number}-{at}"),
            model: "H100".to_owned(),
            free_milli: if at < free.2 { WHOLE } else { 0 },
        };
        NodeView {
            id: number.to_string(),
            name: number.to_string(),
            closed: (!open).then(|| "cordoned".into()),
            gone: false,
            free: Resources {
                milli_cores: free.0.min(milli_cores),
                memory_mib: free.1.min(memory_mib),
                ..total.clone()
            },
            total,
            devices: (0..gpus).map(device).collect(),
        }
    }

    fn request(milli_cores: u32, memory_mib: u32, gpus: u32) -> Request {
        let gpu_model = if gpus > 0 {
            "H100".to_owned()
        } else {
            String::new()
        };
        Request {
            resources: Resources {
                milli_cores,
                memory_mib,
                disk_gib: 1,
                gpus,
                gpu_model,
            },
            node: None,
        }
    }

    #[test]
    fn the_least_is_asked_for_and_said() {
        let nodes = [
            node(0, ((4_000, 4_000, 0), (0, 4_000, 0), true)),
            node(1, ((4_000, 4_000, 0), (1_500, 4_000, 0), true)),
            node(2, ((4_000, 4_000, 0), (4_000, 4_000, 0), false)),
        ];
        let change = smallest_change(&nodes, &request(2_000, 1_000, 0)).unwrap();
        assert_eq!(
            change.in_words("box"),
            "it would start if 500 milli-cores more became free on node box"
        );
        let change = smallest_change(&nodes[2..], &request(2_000, 1_000, 0)).unwrap();
        assert_eq!(
            change.in_words("box"),
            "it would start if node box, which is cordoned, took work again"
        );
        assert_eq!(smallest_change(&nodes, &request(5_000, 1_000, 0)), None);
    }

    proptest! {
        /// Applied to the nodes, the change starts what waits; and there is one whenever some node could host it.
        #[test]
        fn the_change_starts_what_waits(
            shapes in prop::collection::vec(
                ((0..4_000_u32, 0..4_000_u32, 0..4_u32), (0..4_000_u32, 0..4_000_u32, 0..4_u32), any::<bool>()), 1..6),
            asked in (0..4_000_u32, 0..4_000_u32, 0..4_u32),
        ) {
            let mut nodes: Vec<_> = shapes.into_iter().enumerate().map(|(at, shape)| node(at, shape)).collect();
            let request = request(asked.0, asked.1, asked.2);
            let change = smallest_change(&nodes, &request);
            prop_assert_eq!(change.is_some(), could_ever_fit(&nodes, &request).is_ok());
            let Some(change) = change else { return Ok(()) };
            let waits = matches!(place(&nodes, &request), Decision::Wait(_));
            let nothing = change.opens.is_none() && change.more == Resources { gpu_model: change.more.gpu_model.clone(), ..Resources::default() };
            prop_assert_eq!(waits, !nothing);
            let at = change.node_id.parse::<usize>().unwrap();
            nodes[at] = changed(nodes[at].clone(), &change);
            let starts = matches!(place(&nodes, &request), Decision::Place { .. });
            prop_assert!(starts);
        }
    }
}
