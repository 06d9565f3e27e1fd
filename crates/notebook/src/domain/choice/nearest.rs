//! What people are told when no machine type has what they need: which come nearest, and what these lack.

use kernel::resources::SIMULATED_GPU;

use super::{Gpus, Machine, Needs, fits};

/// Types of each kind that are named.
const NAMED: usize = 3;

/// What is needed, in words: `2 x A100, 16384 MiB memory`.
pub(super) fn needed(needs: &Needs) -> String {
    let mut parts = Vec::new();
    match &needs.gpus {
        Gpus::None => {}
        Gpus::Any(1) => parts.push("a GPU".to_owned()),
        Gpus::Any(count) => parts.push(format!("{count} GPUs")),
        Gpus::Model { name, count } => parts.push(format!("{count} x {name}")),
    }
    let amounts = [
        (cores(needs.milli_cores), needs.milli_cores),
        (format!("{} MiB memory", needs.memory_mib), needs.memory_mib),
        (format!("{} GiB disk", needs.disk_gib), needs.disk_gib),
    ];
    parts.extend(
        amounts
            .into_iter()
            .filter(|(_, amount)| *amount > 0)
            .map(|(text, _)| text),
    );
    parts.join(", ")
}

/// The types that fit but that no node here could host, and those that are available and lack least, each with what keeps it from
/// being taken.
pub(super) fn nearest(machines: &[Machine], needs: &Needs) -> String {
    let elsewhere = machines
        .iter()
        .filter(|machine| fits(machine, needs) && !machine.available && !machine.free)
        .take(NAMED)
        .map(|machine| format!("{} (no node that takes work could host it)", machine.name));
    let mut short: Vec<_> = machines
        .iter()
        .filter(|machine| machine.available && !machine.free)
        .map(|machine| (lacks(machine, needs), machine))
        .collect();
    // Of types that lack as many things the largest comes nearest.
    short.reverse();
    short.sort_by_key(|((distance, _), _)| *distance);
    let short = short
        .into_iter()
        .take(NAMED)
        .map(|((_, lacks), machine)| format!("{} (has {})", machine.name, lacks.join(", ")));
    let free = machines
        .iter()
        .filter(|machine| machine.free && machine.available && fits(machine, needs))
        .take(NAMED)
        .map(|machine| {
            format!(
                "{} (free of charge, with limits: only by its name)",
                machine.name
            )
        });
    let named: Vec<_> = elsewhere.chain(free).chain(short).collect();
    if named.is_empty() {
        "none; add a node with \"quire node join-token\"".to_owned()
    } else {
        named.join(", ")
    }
}

/// How far `machine` is from what is needed, and what it has of each thing that it has too little of.
fn lacks(machine: &Machine, needs: &Needs) -> (usize, Vec<String>) {
    let has = &machine.resources;
    let (mut lacks, mut further) = (Vec::new(), 0);
    let gpus = || match has.gpus {
        0 => "no GPU".to_owned(),
        count => format!("{count} x {}", has.gpu_model),
    };
    match &needs.gpus {
        Gpus::None if has.gpus > 0 => lacks.push(format!("{}, which nobody asked for", gpus())),
        Gpus::Any(count) if has.gpus < *count => lacks.push(gpus()),
        Gpus::Any(_) if has.gpu_model == SIMULATED_GPU => {
            lacks.push("GPUs that are only simulated: only by its name".to_owned());
        }
        // Another model is further away than fewer of the same.
        Gpus::Model { name, .. } if has.gpu_model != *name => {
            lacks.push(gpus());
            further = 1;
        }
        Gpus::Model { count, .. } if has.gpus < *count => lacks.push(gpus()),
        Gpus::None | Gpus::Any(_) | Gpus::Model { .. } => {}
    }
    if has.milli_cores < needs.milli_cores {
        lacks.push(cores(has.milli_cores));
    }
    if has.memory_mib < needs.memory_mib {
        lacks.push(format!("{} MiB memory", has.memory_mib));
    }
    if has.disk_gib < needs.disk_gib {
        lacks.push(format!("{} GiB disk", has.disk_gib));
    }
    (lacks.len() + further, lacks)
}

fn cores(milli: u32) -> String {
    match milli {
        1_000 => "1 core".to_owned(),
        milli if milli % 1_000 == 0 => format!("{} cores", milli / 1_000),
        milli => format!("{}.{:03} cores", milli / 1_000, milli % 1_000),
    }
}
