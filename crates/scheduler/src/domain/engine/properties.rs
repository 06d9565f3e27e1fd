//! The engine on random clusters and streams: nothing is given twice, and each decision is the one that plain arithmetic, straight from
//! the definitions, comes to.

use std::cell::RefCell;

use proptest::prelude::*;

use super::mix::{Kind, typical};
use super::*;

/// What happens: a request of the palette comes, or the placement of this number goes.
#[derive(Clone, Copy, Debug)]
enum Step {
    Come(usize),
    Go(usize),
}

fn gpus() -> impl Strategy<Value = Gpus> {
    prop_oneof![
        Just(Gpus::None),
        (1_u32..100).prop_map(|tens| Gpus::Share(tens * 10)),
        (1_u32..1_000).prop_map(Gpus::Share),
        (1_u32..5).prop_map(Gpus::Whole),
    ]
}

fn asks() -> impl Strategy<Value = Vec<Ask>> {
    let ask = (
        0_u32..9,
        0_u32..9,
        0_u32..9,
        gpus(),
        1_u64..4,
        prop::option::of(0_u64..2),
    );
    let ask = ask.prop_map(|(cores, memory, disk, gpus, models, apart)| Ask {
        milli_cores: cores * 500,
        memory_mib: memory * 512,
        disk_gib: disk,
        gpus,
        models: Models(models),
        apart,
        labels: if disk == 8 { vec![7] } else { Vec::new() },
        ..Ask::default()
    });
    prop::collection::vec(ask, 1..8)
}

fn servers() -> impl Strategy<Value = Vec<Server>> {
    let gpu = (0_u8..2, prop::option::of(0_u8..2)).prop_map(|(model, nvlink)| Gpu {
        model,
        memory_mib: 1_024,
        free_milli: WHOLE,
        nvlink,
        numa: None,
    });
    let server = (
        0_u32..16,
        0_u32..16,
        0_u32..40,
        prop::collection::vec(gpu, 0..6),
        0_u32..8,
    );
    let server = server.prop_map(|(cores, memory, disk, gpus, odd)| Server {
        open: odd > 0,
        milli_cores: cores * 1_000,
        memory_mib: memory * 1_024,
        disk_gib: disk,
        gpus,
        labels: if odd % 2 == 1 { vec![7] } else { Vec::new() },
    });
    prop::collection::vec(server, 1..6)
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        3 => (0_usize..8).prop_map(Step::Come),
        1 => (0_usize..32).prop_map(Step::Go),
    ];
    prop::collection::vec(step, 0..60)
}

/// Plays a stream; tells `each` of every decision before it is taken.
fn play(
    planner: &mut Planner,
    asks: &[Ask],
    steps: &[Step],
    mut each: impl FnMut(&Planner, &Ask, Option<Place>),
) -> Vec<(usize, Place)> {
    let mut running = Vec::new();
    for step in steps {
        match *step {
            Step::Come(which) => {
                let which = which % asks.len();
                let decided = planner.decide(&asks[which]);
                each(planner, &asks[which], decided);
                if let Some(place) = decided {
                    planner.take(&asks[which], place);
                    running.push((which, place));
                }
            }
            Step::Go(_) if running.is_empty() => {}
            Step::Go(which) => {
                let (which, place) = running.swap_remove(which % running.len());
                planner.give_back(&asks[which], place);
            }
        }
    }
    running
}

/// What is lost on a node by the definition: `on` are the GPUs that `ask` takes there.
fn lost(
    fleet: &Fleet,
    node: usize,
    on: Option<(&Ask, DeviceSet)>,
    loss: &dyn Fn(u32, &[u32], u8) -> i64,
) -> i64 {
    let taken = on.map_or(0, |(ask, _)| ask.milli_cores);
    let cores = fleet.free(node).0 - taken;
    let after = |(at, gpu): (usize, &Gpu)| match on {
        Some((ask, set)) if set.has(at) => (gpu.model, gpu.free_milli - ask.gpus.milli_each()),
        _ => (gpu.model, gpu.free_milli),
    };
    let frees: Vec<(u8, u32)> = fleet.gpus(node).iter().enumerate().map(after).collect();
    (0..2_u8)
        .map(|model| {
            let of_model = frees.iter().filter(|(other, _)| *other == model);
            let of_model: Vec<u32> = of_model.map(|(_, free)| *free).collect();
            loss(cores, &of_model, model)
        })
        .sum()
}

/// Fragmentation as the paper defines it, for GPUs of one model: what each kind cannot use, kind by kind.
fn fragmentation(kinds: &[Kind], cores: u32, frees: &[u32], model: u8) -> i64 {
    let all: u32 = frees.iter().sum();
    let unusable = |kind: &Kind| {
        let whole = frees.iter().filter(|free| **free == WHOLE).count() as u32;
        let hosted = kind.milli_cores <= cores
            && kind.models.has(model)
            && match kind.gpus {
                Gpus::None => false,
                Gpus::Share(milli) => frees.iter().any(|free| *free >= milli),
                Gpus::Whole(count) => whole >= count,
            };
        let short = frees.iter().filter(|free| **free < kind.gpus.milli_each());
        let lost = if hosted { short.sum() } else { all };
        i64::from(lost) * kind.count as i64
    };
    kinds.iter().map(unusable).sum()
}

/// The waste to come of every gap, by the recursion itself.
fn waste(kinds: &[Kind], cores: u32, model: u8) -> Vec<u64> {
    let all: u64 = kinds.iter().map(|kind| kind.count).sum();
    let mut now: Vec<u64> = (0..=1_000).map(|milli| milli * 1_000_000).collect();
    for _ in 0..20 {
        let later = |milli: usize| {
            let filled = kinds.iter().map(|kind| {
                let size = kind.gpus.milli() as usize;
                let hosted = kind.milli_cores <= cores && kind.models.has(model);
                if hosted && (1..=milli).contains(&size) {
                    kind.count * now[milli].saturating_sub(now[milli - size])
                } else {
                    0
                }
            });
            now[milli] - filled.sum::<u64>() / all
        };
        now = (0..now.len()).map(later).collect();
    }
    now
}

/// The usual work, and wastes that were counted before.
struct Reference {
    kinds: Vec<Kind>,
    wastes: RefCell<BTreeMap<(u32, u8), Vec<u64>>>,
}

impl Reference {
    fn waste(&self, cores: u32, free: u32, model: u8) -> i64 {
        let mut wastes = self.wastes.borrow_mut();
        let all = wastes.entry((cores, model));
        all.or_insert_with(|| waste(&self.kinds, cores, model))[free as usize] as i64
    }
}

/// The score of a choice of GPUs, by the definitions of the policies.
fn reference(
    policy: Policy,
    usual: &Reference,
    fleet: &Fleet,
    node: usize,
    ask: &Ask,
    set: DeviceSet,
) -> i64 {
    let (cores, memory, disk) = fleet.free(node);
    let left = |free: u32, asked: u32| i64::from(free - asked);
    let (cores, memory, disk) = (
        left(cores, ask.milli_cores),
        left(memory, ask.memory_mib),
        left(disk, ask.disk_gib),
    );
    let gpu = left(fleet.free_milli_gpu(node), ask.gpus.milli());
    let on = Some((ask, set));
    match policy {
        Policy::Default => {
            let loss = |cores: u32, frees: &[u32], model: u8| -> i64 {
                frees
                    .iter()
                    .map(|free| usual.waste(cores, *free, model))
                    .sum()
            };
            lost(fleet, node, None, &loss)
                - lost(fleet, node, on, &loss)
                - (12_000 * gpu + 300 * cores + memory + disk)
        }
        Policy::Fgd => {
            let loss = |cores: u32, frees: &[u32], model: u8| {
                fragmentation(&usual.kinds, cores, frees, model)
            };
            let all: u64 = usual.kinds.iter().map(|kind| kind.count).sum();
            let gain = (lost(fleet, node, None, &loss) - lost(fleet, node, on, &loss)) as f64;
            (100.0 / (1.0 + (-(gain / all as f64 / 1_000.0)).exp())) as i64
        }
        _ => {
            let (most_cores, most_gpu) = fleet.most();
            let share = cores as f64 / f64::from(most_cores) + gpu as f64 / f64::from(most_gpu);
            (100.0 * (1.0 - share / 2.0) + 1e-9) as i64
        }
    }
}

/// All choices of GPUs of a node for a request: one for a share; of whole ones, which are alike, any of one model.
fn choices(fleet: &Fleet, node: usize, ask: &Ask) -> Vec<DeviceSet> {
    let usable = |model: u8| {
        let gpus = fleet.gpus(node).iter().enumerate();
        gpus.filter(move |(_, gpu)| {
            gpu.model == model && ask.models.has(model) && gpu.free_milli >= ask.gpus.milli_each()
        })
        .map(|(at, _)| at)
    };
    match ask.gpus {
        Gpus::None => vec![DeviceSet::default()],
        Gpus::Share(_) => (0..2)
            .flat_map(usable)
            .map(|at| DeviceSet::default().with(at))
            .collect(),
        Gpus::Whole(count) => (0..2)
            .filter(|model| usable(*model).count() >= count as usize)
            .map(|model| usable(model).take(count as usize).collect())
            .collect(),
    }
}

/// The best node by plain arithmetic, the first of equals.
fn best(
    policy: Policy,
    usual: &Reference,
    fleet: &Fleet,
    nodes: usize,
    ask: &Ask,
) -> Option<(i64, usize)> {
    let mut best: Option<(i64, usize)> = None;
    for node in (0..nodes).filter(|node| fleet.admits(*node, ask) && fleet.has_room(*node, ask)) {
        let scores = choices(fleet, node, ask)
            .into_iter()
            .map(|set| reference(policy, usual, fleet, node, ask, set));
        if let Some(score) = scores.max()
            && best.is_none_or(|(least, _)| score > least)
        {
            best = Some((score, node));
        }
    }
    best
}

proptest! {
    /// No GPU, core, MiB or GiB is given twice, shares of one GPU sum up to at most 1,000, whole GPUs are whole and of one model, groups
    /// keep apart, and what is given back is all there again: by a count of its own, under every policy.
    #[test]
    fn nothing_is_given_twice(servers in servers(), asks in asks(), steps in steps(), seed: u64) {
        for policy in Policy::ALL {
            let fresh = Planner::new(Fleet::new(&servers), Mix::of(&asks), policy, seed);
            let mut planner = fresh.clone();
            let running = play(&mut planner, &asks, &steps, |_, _, _| ());
            for (node, server) in servers.iter().enumerate() {
                let here: Vec<_> = running.iter().filter(|(_, place)| place.node == node).collect();
                let sum = |of: fn(&Ask) -> u32| here.iter().map(|(which, _)| of(&asks[*which])).sum::<u32>();
                prop_assert!(here.is_empty() || server.open);
                prop_assert!(sum(|ask| ask.milli_cores) <= server.milli_cores);
                prop_assert!(sum(|ask| ask.memory_mib) <= server.memory_mib);
                prop_assert!(sum(|ask| ask.disk_gib) <= server.disk_gib);
                let mut given = vec![0; server.gpus.len()];
                for (which, place) in &here {
                    let listed: Vec<usize> = fresh.fleet().listed(*place).collect();
                    let ask = &asks[*which];
                    prop_assert_eq!(listed.len() as u32, ask.gpus.milli().div_ceil(WHOLE));
                    for at in &listed {
                        given[*at] += ask.gpus.milli_each();
                        prop_assert!(ask.models.has(server.gpus[*at].model));
                        prop_assert_eq!(server.gpus[*at].model, server.gpus[listed[0]].model);
                    }
                    let alike = here.iter().filter(|(other, _)| ask.apart.is_some() && asks[*other].apart == ask.apart);
                    prop_assert!(alike.count() <= 1);
                }
                prop_assert!(given.iter().all(|milli| *milli <= WHOLE), "{:?}", given);
            }
            for (which, place) in running {
                planner.give_back(&asks[which], place);
            }
            for node in 0..servers.len() {
                prop_assert_eq!(planner.fleet().free(node), fresh.fleet().free(node));
                prop_assert_eq!(planner.fleet().gpus(node), fresh.fleet().gpus(node));
            }
        }
    }

    /// Each decision is the best by arithmetic that keeps nothing and looks nothing up; the GPUs that are taken have that score too.
    #[test]
    fn decisions_are_those_of_plain_arithmetic(servers in servers(), asks in asks(), steps in steps()) {
        let usual = Reference {
            kinds: typical(&asks),
            wastes: RefCell::default(),
        };
        for policy in [Policy::Default, Policy::Fgd, Policy::BestFit] {
            let mut planner = Planner::new(Fleet::new(&servers), Mix::of(&asks), policy, 0);
            let mut failed = None;
            play(&mut planner, &asks, &steps, |planner, ask, decided| {
                let fleet = planner.fleet();
                let expected = best(policy, &usual, fleet, servers.len(), ask);
                let found = decided.map(|place| (reference(policy, &usual, fleet, place.node, ask, place.gpus), place.node));
                if expected != found {
                    failed = Some((policy, ask.clone(), expected, found));
                }
            });
            prop_assert!(failed.is_none(), "{:?}", failed);
        }
    }

    /// Equal input, equal decisions, also of the dice; and scores that are kept are those that would be counted anew.
    #[test]
    fn decisions_are_the_same_bit_for_bit(servers in servers(), asks in asks(), steps in steps(), seed: u64) {
        for policy in Policy::ALL {
            let fresh = || Planner::new(Fleet::new(&servers), Mix::of(&asks), policy, seed);
            let run = |planner: &mut Planner| {
                let mut decisions = Vec::new();
                let mut anew = Vec::new();
                play(planner, &asks, &steps, |planner, ask, decided| {
                    decisions.push(decided);
                    let mut forgetful = planner.clone();
                    forgetful.forget();
                    anew.push(forgetful.decide(ask));
                });
                (decisions, anew)
            };
            let (decisions, anew) = run(&mut fresh());
            prop_assert_eq!(&decisions, &run(&mut fresh()).0);
            if policy != Policy::Random {
                prop_assert_eq!(&decisions, &anew);
            }
        }
    }
}
