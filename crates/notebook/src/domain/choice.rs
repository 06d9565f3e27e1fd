//! Which machine a notebook gets.

/// A machine type as the choice sees it; the order of a list is the inventory's, smallest first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Machine {
    pub(crate) name: String,
    pub(crate) memory_mib: u32,
    pub(crate) gpus: u32,
    pub(crate) free: bool,
    pub(crate) available: bool,
}

/// Less memory than this makes no one happy with `JupyterLab` and a kernel.
const COMFORTABLE_MIB: u32 = 2_048;

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
}

fn names<'a>(machines: impl Iterator<Item = &'a Machine>) -> String {
    let names: Vec<_> = machines.map(|machine| machine.name.as_str()).collect();
    if names.is_empty() {
        "none; add a node with \"quire node join-token\"".to_owned()
    } else {
        names.join(", ")
    }
}

/// The machine with the name `wanted`, in any case; the smallest comfortable paid one without GPUs when nothing is wanted.
pub(crate) fn choose<'a>(machines: &'a [Machine], wanted: &str) -> Result<&'a Machine, Refusal> {
    let fitting = || names(machines.iter().filter(|machine| machine.available));
    if wanted.is_empty() {
        let comfortable = |machine: &&Machine| {
            machine.available
                && machine.gpus == 0
                && !machine.free
                && machine.memory_mib >= COMFORTABLE_MIB
        };
        return machines
            .iter()
            .find(comfortable)
            .or_else(|| machines.iter().find(|machine| machine.available))
            .ok_or_else(|| Refusal::Unhostable { fitting: fitting() });
    }
    let found = machines
        .iter()
        .find(|machine| machine.name.eq_ignore_ascii_case(wanted));
    match found {
        None => Err(Refusal::Unknown { known: fitting() }),
        Some(machine) if !machine.available => Err(Refusal::Unhostable { fitting: fitting() }),
        Some(machine) => Ok(machine),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn machine(name: &str, memory_mib: u32, gpus: u32, available: bool) -> Machine {
        Machine {
            name: name.to_owned(),
            memory_mib,
            gpus,
            free: name.starts_with("Free"),
            available,
        }
    }

    #[test]
    fn the_smallest_comfortable_one_is_chosen() {
        let machines = [
            machine("C1", 512, 0, true),
            machine("Free-CPU", 4_096, 0, true),
            machine("C3", 2_048, 0, true),
            machine("A100", 90_000, 1, false),
        ];
        assert_eq!(choose(&machines, "").unwrap().name, "C3");
        assert_eq!(choose(&machines, "free-cpu").unwrap().name, "Free-CPU");
        let fitting = "C1, Free-CPU, C3".to_owned();
        assert_eq!(
            choose(&machines, "a100"),
            Err(Refusal::Unhostable {
                fitting: fitting.clone()
            })
        );
        assert_eq!(
            choose(&machines, "Z9"),
            Err(Refusal::Unknown { known: fitting })
        );
        assert_eq!(choose(&machines[..1], "").unwrap().name, "C1");
        assert!(choose(&[], "").is_err());
    }
}
