//! Which machine a notebook gets: the one that is named, or the cheapest that has what is needed.

mod nearest;

use std::collections::{BTreeMap, BTreeSet};

use kernel::resources::SIMULATED_GPU;
use kernel::{NanosPerHour, Resources};

/// A machine type as the choice sees it; the order of a list is the inventory's, smallest first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Machine {
    pub(crate) name: String,
    pub(crate) resources: Resources,
    pub(crate) free: bool,
    /// Some node could take it now, when empty.
    pub(crate) available: bool,
    /// Some node could take it when empty and open.
    pub(crate) hostable: bool,
}

/// Less memory than this makes no one happy with `JupyterLab` and a kernel.
const COMFORTABLE_MIB: u32 = 2_048;

/// GPUs that are needed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Gpus {
    /// None: a type with GPUs would waste them.
    None,
    /// So many of any one model.
    Any(u32),
    /// So many of the model with this name, in any case, or with this part of a name where only one model has it.
    Model { name: String, count: u32 },
}

/// What a machine must have at least.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Needs {
    pub(crate) gpus: Gpus,
    pub(crate) milli_cores: u32,
    pub(crate) memory_mib: u32,
    pub(crate) disk_gib: u32,
}

/// Why there is no machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    Unknown {
        known: String,
    },
    /// No node could ever host it.
    Unhostable {
        fitting: String,
    },
    /// No type is of this GPU model, or its name could mean several.
    UnknownModel {
        wanted: String,
        models: String,
        several: bool,
    },
    /// No available type has all that is needed.
    TooSmall {
        needs: String,
        nearest: String,
    },
}

fn names<'a>(machines: impl Iterator<Item = &'a Machine>) -> String {
    let names: Vec<_> = machines.map(|machine| machine.name.as_str()).collect();
    if names.is_empty() {
        "none; add a node with \"quire node join-token\"".to_owned()
    } else {
        names.join(", ")
    }
}

/// The machine with the name `wanted`, in any case; the smallest comfortable paid one without GPUs when nothing is wanted. One that
/// some node could host is taken although that node is closed or silent now: the notebook waits for it.
pub(crate) fn choose<'a>(machines: &'a [Machine], wanted: &str) -> Result<&'a Machine, Refusal> {
    let fitting = || names(machines.iter().filter(|machine| machine.hostable));
    if wanted.is_empty() {
        let comfortable = |machine: &&Machine| {
            machine.resources.gpus == 0
                && !machine.free
                && machine.resources.memory_mib >= COMFORTABLE_MIB
        };
        let first = |there: fn(&Machine) -> bool| {
            let mut found = machines.iter().filter(|machine| there(machine));
            found.clone().find(comfortable).or_else(|| found.next())
        };
        return first(|machine| machine.available)
            .or_else(|| first(|machine| machine.hostable))
            .ok_or_else(|| Refusal::Unhostable { fitting: fitting() });
    }
    let found = machines
        .iter()
        .find(|machine| machine.name.eq_ignore_ascii_case(wanted));
    match found {
        None => Err(Refusal::Unknown { known: fitting() }),
        Some(machine) if !machine.hostable => Err(Refusal::Unhostable { fitting: fitting() }),
        Some(machine) => Ok(machine),
    }
}

/// The cheapest machine that is available and has what is needed; of equally cheap ones the first, which is the smallest. What has
/// no price costs nothing. Types that are free of charge have limits that nobody expects who did not name them: they are left out.
pub(crate) fn cheapest<'a>(
    machines: &'a [Machine],
    prices: &BTreeMap<String, NanosPerHour>,
    needs: &Needs,
) -> Result<&'a Machine, Refusal> {
    let needs = named_in_full(machines, needs)?;
    let price = |machine: &Machine| prices.get(&machine.name).copied().unwrap_or_default();
    machines
        .iter()
        .filter(|machine| machine.available && !machine.free && fits(machine, &needs))
        // Of equal ones `min_by_key` gives the first.
        .min_by_key(|machine| price(machine))
        .ok_or_else(|| Refusal::TooSmall {
            nearest: nearest::nearest(machines, &needs),
            needs: nearest::needed(&needs),
        })
}

/// Whether `machine` has what is needed, of a model that is named in full.
fn fits(machine: &Machine, needs: &Needs) -> bool {
    let has = &machine.resources;
    let gpus = match &needs.gpus {
        Gpus::None => has.gpus == 0,
        // Nobody who did not name them expects GPUs that compute nothing.
        Gpus::Any(count) => has.gpus >= *count && has.gpu_model != SIMULATED_GPU,
        Gpus::Model { name, count } => has.gpu_model == *name && has.gpus >= *count,
    };
    gpus && has.milli_cores >= needs.milli_cores
        && has.memory_mib >= needs.memory_mib
        && has.disk_gib >= needs.disk_gib
}

/// The same needs, with the model's own name: the one that is written so, in any case; else the only one with this part among what
/// is available, and then among all.
fn named_in_full(machines: &[Machine], needs: &Needs) -> Result<Needs, Refusal> {
    let Gpus::Model { name, count } = &needs.gpus else {
        return Ok(needs.clone());
    };
    let with = |model: &str| Needs {
        gpus: Gpus::Model {
            name: model.to_owned(),
            count: *count,
        },
        ..needs.clone()
    };
    let models = |available: bool| -> BTreeSet<&str> {
        machines
            .iter()
            .filter(|machine| machine.resources.gpus > 0 && (machine.available || !available))
            .map(|machine| machine.resources.gpu_model.as_str())
            .collect()
    };
    let (here, all) = (models(true), models(false));
    if let Some(exact) = all.iter().find(|model| model.eq_ignore_ascii_case(name)) {
        return Ok(with(exact));
    }
    let part = name.to_ascii_lowercase();
    let having = |models: BTreeSet<&'_ str>| -> Vec<String> {
        models
            .into_iter()
            .filter(|model| model.to_ascii_lowercase().contains(&part))
            .map(str::to_owned)
            .collect()
    };
    let known: Vec<_> = all.iter().map(|model| (*model).to_owned()).collect();
    let (here, all) = (having(here), having(all));
    match (here.as_slice(), all.as_slice()) {
        ([only], _) | ([], [only]) => Ok(with(only)),
        ([], []) => Err(Refusal::UnknownModel {
            wanted: name.clone(),
            models: known.join(", "),
            several: false,
        }),
        ([], several) | (several, _) => Err(Refusal::UnknownModel {
            wanted: name.clone(),
            models: several.join(", "),
            several: true,
        }),
    }
}

#[cfg(test)]
mod tests;
