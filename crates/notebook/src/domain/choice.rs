//! Which machine a notebook gets.

/// A machine type as the choice sees it; the order of a list is the inventory's, smallest first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Machine {
    pub(crate) name: String,
    pub(crate) memory_mib: u32,
    pub(crate) gpus: u32,
    pub(crate) free: bool,
    /// Some node could take it now, when empty.
    pub(crate) available: bool,
    /// Some node could take it when empty and open.
    pub(crate) hostable: bool,
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

/// The machine with the name `wanted`, in any case; the smallest comfortable paid one without GPUs when nothing is wanted. One that
/// some node could host is taken although that node is closed or silent now: the notebook waits for it.
pub(crate) fn choose<'a>(machines: &'a [Machine], wanted: &str) -> Result<&'a Machine, Refusal> {
    let fitting = || names(machines.iter().filter(|machine| machine.hostable));
    if wanted.is_empty() {
        let comfortable = |machine: &&Machine| {
            machine.gpus == 0 && !machine.free && machine.memory_mib >= COMFORTABLE_MIB
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
            hostable: available,
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

    #[test]
    fn a_closed_node_is_waited_for() {
        let mut machines = [
            machine("C3", 2_048, 0, false),
            machine("C4", 4_096, 0, true),
            machine("A100", 90_000, 1, false),
        ];
        machines[0].hostable = true;
        assert_eq!(choose(&machines, "C3").unwrap().name, "C3");
        assert_eq!(
            choose(&machines, "").unwrap().name,
            "C4",
            "not this one of itself"
        );
        machines[1].available = false;
        assert_eq!(choose(&machines, "").unwrap().name, "C3");
        assert!(choose(&machines, "A100").is_err());
    }
}
