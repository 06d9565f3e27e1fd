//! Machine types: a catalogue, and one more for each GPU model that nodes have and the catalogue does not know.

use std::collections::BTreeMap;

use chassis::{Error, Result};
use kernel::Resources;

use super::node::{Liveness, Node, Schedulable};

/// The types that are always offered.
const CATALOGUE: &str = include_str!("../../machine-types.csv");
/// Numbers of GPUs that types of an unknown model are made for, where a node has as many.
const GPU_COUNTS: [u32; 4] = [1, 2, 4, 8];

/// Most disk that comes with a GPU of an unknown model, in GiB, as in the catalogue: a share of what a node has free would change
/// what the type is whenever files come and go.
const DISK_GIB_A_GPU: u32 = 20;

/// A size of machine that can be asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct MachineType {
    pub(crate) name: String,
    pub(crate) resources: Resources,
    pub(crate) gpu_memory_mib: u32,
    /// 0 = no limit.
    pub(crate) max_duration_seconds: u32,
    pub(crate) free: bool,
}

/// A machine type, and whether it can be had.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Offer {
    pub(crate) machine_type: MachineType,
    /// Some node that answers and takes work could host one when empty.
    pub(crate) available: bool,
    /// Some node that was not given up could host one when empty.
    pub(crate) hostable: bool,
}

/// The catalogue that comes with the program.
pub(crate) fn catalogue() -> Result<Vec<MachineType>> {
    parse(CATALOGUE)
}

/// All types with whether they can be had, smallest first.
pub(crate) fn offers(catalogue: &[MachineType], nodes: &[Node]) -> Vec<Offer> {
    let mut types: Vec<_> = catalogue
        .iter()
        .cloned()
        .chain(unlisted(catalogue, nodes))
        .collect();
    types.sort_by(|a, b| size(a).cmp(&size(b)));
    let offer = |machine_type: MachineType| {
        let hosts = || {
            nodes.iter().filter(|node| {
                node.given_up_at.is_none() && could_host(node, &machine_type.resources)
            })
        };
        Offer {
            available: hosts().any(takes_work),
            hostable: hosts().next().is_some(),
            machine_type,
        }
    };
    types.into_iter().map(offer).collect()
}

fn size(machine_type: &MachineType) -> (u32, u32, u32, u32, bool, &str) {
    let MachineType {
        resources,
        gpu_memory_mib,
        free,
        name,
        ..
    } = machine_type;
    (
        resources.gpus,
        *gpu_memory_mib,
        resources.milli_cores,
        resources.memory_mib,
        !free,
        name,
    )
}

fn takes_work(node: &Node) -> bool {
    node.liveness == Liveness::Ready && node.schedulable == Schedulable::Open
}

/// Whether the node could host this when empty. CPU may be promised more often than it is there.
fn could_host(node: &Node, needed: &Resources) -> bool {
    let has = &node.report.hardware;
    let milli_cores = u64::from(has.milli_cores) * u64::from(node.cpu_overcommit);
    let of_model = has
        .gpus
        .iter()
        .filter(|gpu| gpu.model == needed.gpu_model)
        .count();
    milli_cores >= u64::from(needed.milli_cores)
        && has.memory_mib >= needed.memory_mib
        && has.disk_gib >= needed.disk_gib
        && (needed.gpus == 0 || count(of_model) >= needed.gpus)
}

/// Reports are bounded far below what does not fit.
fn count(items: usize) -> u32 {
    u32::try_from(items).unwrap_or(u32::MAX)
}

/// What one GPU of a model comes with on every node that has it, and the most that one node has.
#[derive(Clone, Copy)]
struct Share {
    milli_cores: u32,
    memory_mib: u32,
    disk_gib: u32,
    gpu_memory_mib: u32,
    most: u32,
}

/// Types for GPU models that the catalogue does not know: a GPU with its share of the node, so that a full node wastes nothing.
fn unlisted(catalogue: &[MachineType], nodes: &[Node]) -> Vec<MachineType> {
    let known = |model: &str| {
        catalogue
            .iter()
            .any(|listed| listed.resources.gpu_model == model || listed.name == model)
    };
    let mut shares: BTreeMap<&str, Share> = BTreeMap::new();
    for node in nodes {
        for (model, share) in node_shares(node)
            .into_iter()
            .filter(|(model, _)| !known(model))
        {
            shares
                .entry(model)
                .and_modify(|least| *least = smaller(*least, share))
                .or_insert(share);
        }
    }
    let types = |(model, share): (&str, Share)| {
        let model = model.to_owned();
        let counts = GPU_COUNTS
            .into_iter()
            .filter(move |gpus| *gpus <= share.most);
        counts.map(move |gpus| of_share(&model, share, gpus))
    };
    shares.into_iter().flat_map(types).collect()
}

fn node_shares(node: &Node) -> BTreeMap<&str, Share> {
    let hardware = &node.report.hardware;
    let all = count(hardware.gpus.len()).max(1);
    let mut shares: BTreeMap<&str, Share> = BTreeMap::new();
    for gpu in &hardware.gpus {
        let share = shares.entry(&gpu.model).or_insert(Share {
            milli_cores: hardware.milli_cores / all,
            memory_mib: hardware.memory_mib / all,
            disk_gib: (hardware.disk_gib / all).min(DISK_GIB_A_GPU),
            gpu_memory_mib: gpu.memory_mib,
            most: 0,
        });
        share.gpu_memory_mib = share.gpu_memory_mib.min(gpu.memory_mib);
        share.most += 1;
    }
    shares
}

/// What fits on nodes of both kinds.
fn smaller(a: Share, b: Share) -> Share {
    Share {
        milli_cores: a.milli_cores.min(b.milli_cores),
        memory_mib: a.memory_mib.min(b.memory_mib),
        disk_gib: a.disk_gib.min(b.disk_gib),
        gpu_memory_mib: a.gpu_memory_mib.min(b.gpu_memory_mib),
        most: a.most.max(b.most),
    }
}

fn of_share(model: &str, share: Share, gpus: u32) -> MachineType {
    let resources = Resources {
        milli_cores: share.milli_cores * gpus,
        memory_mib: share.memory_mib * gpus,
        disk_gib: share.disk_gib * gpus,
        gpus,
        gpu_model: model.to_owned(),
    };
    let name = if gpus == 1 {
        model.to_owned()
    } else {
        format!("{model}x{gpus}")
    };
    MachineType {
        name,
        resources,
        gpu_memory_mib: share.gpu_memory_mib,
        max_duration_seconds: 0,
        free: false,
    }
}

fn parse(text: &str) -> Result<Vec<MachineType>> {
    let rows = text
        .lines()
        .filter(|line| !line.is_empty() && !line.starts_with('#'));
    rows.map(|row| {
        parse_row(row).ok_or_else(|| {
            let cause = format!("{row:?} has not the columns that the file's second line names");
            Error::internal("reading the machine types", cause)
        })
    })
    .collect()
}

fn parse_row(row: &str) -> Option<MachineType> {
    let columns: [&str; 9] = row.split(',').collect::<Vec<_>>().try_into().ok()?;
    let [
        name,
        milli_cores,
        memory_mib,
        disk_gib,
        gpus,
        gpu_model,
        gpu_memory_mib,
        free,
        max_duration,
    ] = columns;
    Some(MachineType {
        name: String::from(name),
        resources: Resources {
            milli_cores: milli_cores.parse().ok()?,
            memory_mib: memory_mib.parse().ok()?,
            disk_gib: disk_gib.parse().ok()?,
            gpus: gpus.parse().ok()?,
            gpu_model: String::from(gpu_model),
        },
        gpu_memory_mib: gpu_memory_mib.parse().ok()?,
        free: match free {
            "yes" => true,
            "no" => false,
            _ => return None,
        },
        max_duration_seconds: max_duration.parse().ok()?,
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::super::node::tests::node;
    use super::*;

    fn find<'a>(offers: &'a [Offer], name: &str) -> &'a Offer {
        let found = offers.iter().find(|offer| offer.machine_type.name == name);
        found.unwrap_or_else(|| panic!("{name} is not offered"))
    }

    #[test]
    fn the_catalogue_holds_together() {
        let types = catalogue().unwrap();
        let names: BTreeSet<_> = types
            .iter()
            .map(|machine_type| &machine_type.name)
            .collect();
        assert_eq!((types.len(), names.len()), (59, 59));
        let single = |model: &str| {
            let found = types
                .iter()
                .find(|one| one.resources.gpus == 1 && one.resources.gpu_model == model);
            found.unwrap().clone()
        };
        for MachineType {
            name,
            resources,
            gpu_memory_mib,
            max_duration_seconds,
            free,
        } in &types
        {
            assert!(
                resources.milli_cores >= 1_000
                    && resources.memory_mib >= 512
                    && resources.disk_gib > 0,
                "{name}"
            );
            assert_eq!(*free, name.starts_with("Free-"), "{name}");
            assert_eq!(
                *max_duration_seconds,
                if *free { 21_600 } else { 0 },
                "{name}"
            );
            assert_eq!(
                resources.gpus == 0,
                resources.gpu_model.is_empty() && *gpu_memory_mib == 0,
                "{name}"
            );
            let multiple = match resources.gpus {
                0 | 1 => String::new(),
                gpus => format!("x{gpus}"),
            };
            assert!(name.ends_with(&multiple), "{name}");
            if resources.gpus > 0 {
                let one = single(&resources.gpu_model);
                assert_eq!(*gpu_memory_mib, one.gpu_memory_mib, "{name}");
                assert!(
                    resources.milli_cores <= one.resources.milli_cores * resources.gpus,
                    "{name}"
                );
                assert!(
                    resources.memory_mib >= one.resources.memory_mib * resources.gpus,
                    "{name}"
                );
            }
        }
    }

    #[test]
    fn well_known_rows_are_as_sold() {
        let types = catalogue().unwrap();
        let row = |name: &str| {
            let one = types.iter().find(|one| one.name == name).unwrap();
            (
                one.resources.milli_cores,
                one.resources.memory_mib,
                one.resources.gpus,
                one.gpu_memory_mib,
            )
        };
        assert_eq!(row("C1"), (1_000, 512, 0, 0));
        assert_eq!(row("C10"), (32_000, 244 * 1_024, 0, 0));
        assert_eq!(row("Free-CPU"), row("C4"));
        assert_eq!(row("Free-GPU"), row("GPU+"));
        assert_eq!(row("A100-80Gx8"), (96_000, 720 * 1_024, 8, 81_920));
        assert_eq!(row("H100x8"), (128_000, 2_048 * 1_024, 8, 81_920));
    }

    #[test]
    fn rows_that_do_not_parse_are_named() {
        for wrong in [
            "C1,1000",
            "C1,a,512,5,0,,0,no,0",
            "C1,1000,512,5,0,,0,maybe,0",
            "C1,1000,512,5,0,,0,no,0,9",
        ] {
            let error = chassis::error::chain(&parse(wrong).unwrap_err());
            assert!(error.contains(wrong), "{error}");
        }
    }

    #[test]
    fn a_type_is_available_where_an_empty_node_could_host_it() {
        let catalogue = catalogue().unwrap();
        let available = |node: &Node, name: &str| {
            let offers = offers(&catalogue, std::slice::from_ref(node));
            find(&offers, name).available
        };
        let hostable = |node: &Node, name: &str| {
            let offers = offers(&catalogue, std::slice::from_ref(node));
            find(&offers, name).hostable
        };
        let mut small = node(2_000, 8_192, 0, "");
        assert!(available(&small, "C4") && !available(&small, "C5") && !available(&small, "H100"));
        small.cpu_overcommit = 2;
        assert!(available(&small, "C5"), "twice the cores may be promised");
        small.set_schedulable(Schedulable::Cordoned, None).unwrap();
        assert!(!available(&small, "C1"));
        assert!(
            hostable(&small, "C1") && !hostable(&small, "H100"),
            "it opens again"
        );

        let mut big = node(256_000, 2_097_152, 8, "H100");
        assert!(available(&big, "H100") && available(&big, "H100x8") && !available(&big, "A100"));
        assert!(big.fall_silent(big.last_seen_at.unwrap()));
        assert!(!available(&big, "H100") && hostable(&big, "H100"));
        big.given_up_at = big.last_seen_at;
        assert!(!hostable(&big, "H100"), "it never comes back");
    }

    #[test]
    fn unknown_models_become_types_with_their_share_of_the_node() {
        let catalogue = catalogue().unwrap();
        let nodes = [
            node(16_000, 131_072, 1, "H200"),
            node(128_000, 1_048_576, 4, "H200"),
            node(8_000, 32_768, 1, "H100"),
        ];
        let offers = offers(&catalogue, &nodes);
        let one = &find(&offers, "H200").machine_type;
        assert_eq!(
            (one.resources.milli_cores, one.resources.memory_mib),
            (16_000, 131_072)
        );
        assert_eq!((one.resources.disk_gib, one.gpu_memory_mib), (20, 81_920));
        assert!(find(&offers, "H200").available && find(&offers, "H200x4").available);
        assert_eq!(
            offers.len(),
            catalogue.len() + 3,
            "1, 2 and 4 GPUs, and H100 is no new type"
        );
        assert!(offers.is_sorted_by_key(|offer| offer.machine_type.resources.gpus));
    }

    #[test]
    fn an_unknown_model_stays_the_same_type_as_its_disk_fills() {
        let with_disk = |disk_gib| {
            let mut node = node(16_000, 131_072, 2, "H200");
            node.report.hardware.disk_gib = disk_gib;
            unlisted(&[], &[node])
        };
        assert_eq!(with_disk(500), with_disk(41));
        assert_eq!(with_disk(16)[0].resources.disk_gib, 8, "what is there");
    }
}
