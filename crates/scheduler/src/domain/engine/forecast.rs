//! When what waits starts at the latest, if nothing goes before it: by the times at which what runs must have ended.

use kernel::Resources;

use super::{NodeView, Request, WHOLE, hurdle};

/// What runs and must end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Ending {
    pub(crate) at_ms: u64,
    pub(crate) node_id: String,
    pub(crate) resources: Resources,
    pub(crate) gpu_uuids: Vec<String>,
}

/// The time at which `request` fits on some node at the latest, and the node; `None` when that is not known: what is in its way has no
/// end.
pub(crate) fn forecast(
    nodes: &[NodeView],
    endings: &[Ending],
    request: &Request,
) -> Option<(u64, String)> {
    let mut nodes: Vec<NodeView> = nodes.to_vec();
    let mut endings: Vec<&Ending> = endings.iter().collect();
    endings.sort_by_key(|ending| ending.at_ms);
    endings.into_iter().find_map(|ending| {
        let node = nodes.iter_mut().find(|node| node.id == ending.node_id)?;
        give_back(node, ending);
        let fits = hurdle(node, request).is_none();
        fits.then(|| (ending.at_ms, node.id.clone()))
    })
}

fn give_back(node: &mut NodeView, ending: &Ending) {
    let more = |free: &mut u32, part: u32, total: u32| *free = (*free + part).min(total);
    let (free, back, total) = (&mut node.free, &ending.resources, &node.total);
    more(&mut free.milli_cores, back.milli_cores, total.milli_cores);
    more(&mut free.memory_mib, back.memory_mib, total.memory_mib);
    more(&mut free.disk_gib, back.disk_gib, total.disk_gib);
    for device in &mut node.devices {
        if ending.gpu_uuids.contains(&device.uuid) {
            device.free_milli = WHOLE;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(id: &str, free: u32) -> NodeView {
        let cores = |milli_cores| Resources {
            milli_cores,
            memory_mib: 10,
            disk_gib: 10,
            ..Resources::default()
        };
        NodeView {
            id: id.to_owned(),
            name: id.to_owned(),
            closed: None,
            gone: false,
            total: cores(4_000),
            free: cores(free),
            devices: Vec::new(),
        }
    }

    fn ending(at_ms: u64, node_id: &str, milli_cores: u32) -> Ending {
        Ending {
            at_ms,
            node_id: node_id.to_owned(),
            resources: Resources {
                milli_cores,
                ..Resources::default()
            },
            gpu_uuids: Vec::new(),
        }
    }

    #[test]
    fn it_is_when_enough_has_ended_on_one_node() {
        let nodes = [node("a", 0), node("b", 1_000)];
        let endings = [
            ending(30, "b", 1_000),
            ending(10, "a", 2_000),
            ending(20, "b", 1_000),
        ];
        let at = |milli_cores| {
            let resources = Resources {
                milli_cores,
                ..Resources::default()
            };
            forecast(
                &nodes,
                &endings,
                &Request {
                    resources,
                    node: None,
                },
            )
        };
        assert_eq!(at(2_000), Some((10, "a".to_owned())));
        assert_eq!(at(2_500), Some((30, "b".to_owned())));
        assert_eq!(at(3_500), None, "what is left has no end");
    }
}
