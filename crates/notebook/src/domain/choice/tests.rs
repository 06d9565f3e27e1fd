use proptest::prelude::*;

use super::*;

fn machine(name: &str, memory_mib: u32, gpus: (u32, &str), available: bool) -> Machine {
    Machine {
        name: name.to_owned(),
        resources: Resources {
            milli_cores: memory_mib / 2,
            memory_mib,
            disk_gib: 10,
            gpus: gpus.0,
            gpu_model: gpus.1.to_owned(),
        },
        free: name.starts_with("Free"),
        available,
        hostable: available,
    }
}

fn needs(gpus: Gpus, memory_mib: u32) -> Needs {
    Needs {
        gpus,
        milli_cores: 0,
        memory_mib,
        disk_gib: 0,
    }
}

fn model(name: &str, count: u32) -> Gpus {
    Gpus::Model {
        name: name.to_owned(),
        count,
    }
}

fn catalogue() -> [Machine; 7] {
    [
        machine("C1", 512, (0, ""), true),
        machine("C5", 16_384, (0, ""), true),
        machine("Free-GPU", 30_000, (1, "M4000"), true),
        machine("V100", 30_000, (1, "V100"), true),
        machine("A100", 90_000, (1, "A100"), true),
        machine("A100-80G", 90_000, (1, "A100-80G"), false),
        machine("A100x2", 180_000, (2, "A100"), false),
    ]
}

#[test]
fn simulated_gpus_come_only_to_who_names_them() {
    let machines = [
        machine("C5", 16_384, (0, ""), true),
        machine(SIMULATED_GPU, 16_384, (1, SIMULATED_GPU), true),
    ];
    let Err(Refusal::TooSmall { nearest, .. }) =
        cheapest(&machines, &prices(), &needs(Gpus::Any(1), 0))
    else {
        panic!("nobody asked for simulated ones");
    };
    assert!(
        nearest.contains("Simulated-GPU (has GPUs that are only simulated: only by its name)"),
        "{nearest}"
    );
    let named = cheapest(&machines, &prices(), &needs(model("simulated-gpu", 1), 0));
    assert_eq!(
        named.map(|machine| machine.name.as_str()),
        Ok(SIMULATED_GPU)
    );
}

fn prices() -> BTreeMap<String, NanosPerHour> {
    let prices = [
        ("C1", 4),
        ("C5", 80),
        ("V100", 2_300),
        ("A100", 3_090),
        ("A100-80G", 3_180),
        ("A100x2", 6_180),
    ];
    prices
        .map(|(name, price)| (name.to_owned(), NanosPerHour(price)))
        .into()
}

fn chosen(needs: &Needs) -> Result<String, Refusal> {
    let machines = catalogue();
    cheapest(&machines, &prices(), needs).map(|machine| machine.name.clone())
}

#[test]
fn the_smallest_comfortable_one_is_chosen() {
    let machines = [
        machine("C1", 512, (0, ""), true),
        machine("Free-CPU", 4_096, (0, ""), true),
        machine("C3", 2_048, (0, ""), true),
        machine("A100", 90_000, (1, "A100"), false),
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
    assert!(choose(&machines[3..], "").is_err());
}

#[test]
fn the_cheapest_that_has_it_is_chosen() {
    assert_eq!(chosen(&needs(Gpus::None, 1_024)).unwrap(), "C5");
    assert_eq!(
        chosen(&needs(Gpus::Any(1), 0)).unwrap(),
        "V100",
        "not the free one"
    );
    assert_eq!(chosen(&needs(Gpus::Any(1), 50_000)).unwrap(), "A100");
    assert_eq!(
        chosen(&needs(model("v10", 1), 0)).unwrap(),
        "V100",
        "by a part"
    );
    // Both A100 and A100-80G have it in their names, and one is called exactly so.
    assert_eq!(chosen(&needs(model("a100", 1), 0)).unwrap(), "A100");
}

#[test]
fn of_equally_cheap_ones_the_smallest() {
    let machines = [
        machine("C2", 1_024, (0, ""), true),
        machine("C3", 2_048, (0, ""), true),
    ];
    let same = cheapest(&machines, &BTreeMap::new(), &needs(Gpus::None, 512));
    assert_eq!(same.unwrap().name, "C2");
}

#[test]
fn a_refusal_names_what_comes_nearest_and_what_it_lacks() {
    let Err(Refusal::TooSmall { needs, nearest }) = chosen(&needs(model("A100", 2), 1_024)) else {
        panic!("two A100 are not to be had")
    };
    assert_eq!(needs, "2 x A100, 1024 MiB memory");
    assert!(
        nearest
            .starts_with("A100x2 (no node that takes work could host it), A100 (has 1 x A100), "),
        "{nearest}"
    );
}

#[test]
fn a_model_must_be_one() {
    let unknown = chosen(&needs(model("nosuch", 1), 0));
    let Err(Refusal::UnknownModel {
        wanted,
        models,
        several: false,
    }) = unknown
    else {
        panic!("{unknown:?}")
    };
    assert_eq!(
        (wanted.as_str(), models.as_str()),
        ("nosuch", "A100, A100-80G, M4000, V100")
    );
    let ambiguous = chosen(&needs(model("00", 1), 0));
    let Err(Refusal::UnknownModel {
        models,
        several: true,
        ..
    }) = ambiguous
    else {
        panic!("{ambiguous:?}")
    };
    assert_eq!(models, "A100, M4000, V100", "of those that are here");
    assert_eq!(
        chosen(&needs(model("80g", 1), 0)),
        Err(Refusal::TooSmall {
            needs: "1 x A100-80G".to_owned(),
            nearest: "A100-80G (no node that takes work could host it), A100 (has 1 x A100), V100 (has 1 x V100), C5 (has no GPU)"
                .to_owned()
        })
    );
}

fn any_machine() -> impl Strategy<Value = Machine> {
    let model = prop::sample::select(vec!["A100", "A100-80G", "H100", "V100"]);
    (
        1_u32..64,
        1_u32..64,
        0_u32..9,
        model,
        any::<bool>(),
        any::<bool>(),
    )
        .prop_map(|(cores, memory, gpus, model, free, available)| Machine {
            name: String::new(),
            resources: Resources {
                milli_cores: cores * 1_000,
                memory_mib: memory * 1_024,
                disk_gib: 10,
                gpus,
                gpu_model: if gpus == 0 { "" } else { model }.to_owned(),
            },
            free,
            available,
            hostable: available,
        })
}

fn any_gpus() -> impl Strategy<Value = Gpus> {
    prop_oneof![
        Just(Gpus::None),
        (1_u32..9).prop_map(Gpus::Any),
        (
            prop::sample::select(vec!["a100", "H100", "h1", "100", "v", "T4"]),
            1_u32..9
        )
            .prop_map(|(name, count)| model(name, count)),
    ]
}

proptest! {
    /// The chosen one fits and can be had, nothing that fits is cheaper, the same is chosen again; and who is refused could have had
    /// nothing.
    #[test]
    fn nothing_that_fits_is_cheaper(
        mut machines in prop::collection::vec(any_machine(), 0..12),
        prices in prop::collection::vec(0_i64..5, 12),
        gpus in any_gpus(), cores in 0_u32..32, memory in 0_u32..32,
    ) {
        for (index, machine) in machines.iter_mut().enumerate() {
            machine.name = format!("m{index}");
        }
        let prices: BTreeMap<String, NanosPerHour> = prices
            .into_iter()
            .enumerate()
            .map(|(index, price)| (format!("m{index}"), NanosPerHour(price)))
            .collect();
        let needs = Needs { gpus, milli_cores: cores * 1_000, memory_mib: memory * 1_024, disk_gib: 0 };
        let has_it = |machine: &&Machine| {
            let has = &machine.resources;
            let gpus = match &needs.gpus {
                Gpus::None => has.gpus == 0,
                Gpus::Any(count) => has.gpus >= *count,
                Gpus::Model { name, count } => {
                    has.gpus >= *count && has.gpu_model.to_lowercase().contains(&name.to_lowercase())
                }
            };
            gpus && has.milli_cores >= needs.milli_cores && has.memory_mib >= needs.memory_mib
                && machine.available && !machine.free
        };
        let chosen = cheapest(&machines, &prices, &needs);
        prop_assert_eq!(&chosen, &cheapest(&machines, &prices, &needs));
        match chosen {
            Ok(chosen) => {
                prop_assert!(has_it(&chosen));
                let same_model = |machine: &&Machine| {
                    matches!(needs.gpus, Gpus::Any(_)) || machine.resources.gpu_model == chosen.resources.gpu_model
                };
                for other in machines.iter().filter(has_it).filter(same_model) {
                    prop_assert!(prices[&chosen.name] <= prices[&other.name], "{} is cheaper", other.name);
                }
            }
            Err(Refusal::UnknownModel { several: true, .. }) => {}
            Err(_) => prop_assert!(
                // An exact name may leave out what only has it as a part.
                machines.iter().filter(has_it).all(|machine| matches!(&needs.gpus, Gpus::Model { name, .. }
                    if !machine.resources.gpu_model.eq_ignore_ascii_case(name))),
                "something was to be had"
            ),
        }
    }
}

#[test]
fn a_closed_node_is_waited_for() {
    let mut machines = [
        machine("C3", 2_048, (0, ""), false),
        machine("C4", 4_096, (0, ""), true),
        machine("A100", 90_000, (1, "A100"), false),
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
