//! How much room there is: how many workloads of one size fit on the nodes that take work, now and if they were empty.

use kernel::Resources;

use super::engine::{Device, NodeView};

/// Room for workloads of one size.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Room {
    /// So many could start now.
    pub(crate) free: u32,
    /// So many could run if the nodes were empty.
    pub(crate) total: u32,
}

/// The room for workloads of this size on all nodes that take work, or only on `node`.
pub(crate) fn room(nodes: &[NodeView], size: &Resources, node: Option<&str>) -> Room {
    let takes_work = |view: &&NodeView| {
        view.closed.is_none() && !view.gone && node.is_none_or(|wanted| view.id == wanted)
    };
    nodes
        .iter()
        .filter(takes_work)
        .fold(Room::default(), |sum, view| Room {
            free: sum
                .free
                .saturating_add(fitting(view, &view.free, size, |device| {
                    device.free_milli == 1_000
                })),
            total: sum
                .total
                .saturating_add(fitting(view, &view.total, size, |_| true)),
        })
}

/// How many times `size` fits into `has`, with the devices that `counts` names. Something without any size fits nowhere: there is no
/// number for it.
fn fitting(
    node: &NodeView,
    has: &Resources,
    size: &Resources,
    counts: impl Fn(&Device) -> bool,
) -> u32 {
    let gpus = node
        .devices
        .iter()
        .filter(|device| device.model == size.gpu_model && counts(device))
        .count();
    let gpus = u32::try_from(gpus).unwrap_or(u32::MAX);
    [
        (has.milli_cores, size.milli_cores),
        (has.memory_mib, size.memory_mib),
        (has.disk_gib, size.disk_gib),
        (gpus, size.gpus),
    ]
    .into_iter()
    .filter_map(|(has, each)| has.checked_div(each))
    .min()
    .unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::domain::engine::{Decision, Request, place};

    fn size(milli_cores: u32, memory_mib: u32, gpus: u32) -> Resources {
        Resources {
            milli_cores,
            memory_mib,
            disk_gib: 1,
            gpus,
            gpu_model: if gpus == 0 {
                String::new()
            } else {
                "H100".to_owned()
            },
        }
    }

    fn node(id: &str, free: (u32, u32), gpus: &[u32]) -> NodeView {
        NodeView {
            id: id.to_owned(),
            name: id.to_owned(),
            closed: None,
            gone: false,
            total: Resources {
                disk_gib: 100,
                ..size(8_000, 8_192, 0)
            },
            free: Resources {
                disk_gib: 100,
                ..size(free.0, free.1, 0)
            },
            devices: gpus
                .iter()
                .enumerate()
                .map(|(index, free_milli)| Device {
                    uuid: format!("{id}-{index}"),
                    model: "H100".to_owned(),
                    free_milli: *free_milli,
                })
                .collect(),
        }
    }

    #[test]
    fn room_is_counted_by_what_is_short_on_each_node() {
        let nodes = [
            node("a", (3_000, 8_192), &[1_000, 0]),
            node("b", (8_000, 1_024), &[]),
        ];
        let both = |size: &Resources| room(&nodes, size, None);
        assert_eq!(both(&size(1_000, 1_024, 0)), Room { free: 4, total: 16 });
        assert_eq!(both(&size(1_000, 1_024, 1)), Room { free: 1, total: 2 });
        assert_eq!(both(&size(9_000, 1_024, 0)), Room::default());
        assert_eq!(
            room(&nodes, &size(1_000, 1_024, 0), Some("b")),
            Room { free: 1, total: 8 }
        );
        assert_eq!(room(&nodes, &Resources::default(), None), Room::default());
    }

    #[test]
    fn nodes_that_take_no_work_have_no_room() {
        let mut cordoned = node("a", (8_000, 8_192), &[]);
        cordoned.closed = Some("cordoned".into());
        assert_eq!(room(&[cordoned], &size(1, 1, 0), None), Room::default());
    }

    proptest! {
        /// The number is what the placement engine itself gives out, one after the other.
        #[test]
        fn so_many_are_placed_and_not_one_more(
            nodes in prop::collection::vec((0_u32..8_000, 0_u32..8_192, prop::collection::vec(prop::sample::select(vec![0_u32, 1_000]), 0..5)), 1..4),
            cores in 500_u32..4_000, memory in 256_u32..4_096, gpus in 0_u32..3,
        ) {
            let mut nodes: Vec<_> = nodes
                .iter()
                .enumerate()
                .map(|(index, (cores, memory, gpus))| node(&format!("n{index}"), (*cores, *memory), gpus))
                .collect();
            let asked = Request { resources: size(cores, memory, gpus), node: None };
            let Room { free, total } = room(&nodes, &asked.resources, None);
            prop_assert!(free <= total);
            for _ in 0..free {
                let Decision::Place { node_id, gpu_uuids } = place(&nodes, &asked) else {
                    return Err(TestCaseError::fail("there is less room than was said"));
                };
                let chosen = nodes.iter_mut().find(|node| node.id == node_id).unwrap();
                chosen.take(&asked.resources, &gpu_uuids);
            }
            let left = matches!(place(&nodes, &asked), Decision::Place { .. });
            prop_assert!(!left, "there is more room than was said");
        }
    }
}
