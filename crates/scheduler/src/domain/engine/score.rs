//! How good a node is for a request, by each policy: the higher the better.

use super::ahead::Ahead;
use super::ask::{Ask, DeviceSet, Gpus};
use super::fleet::{Bank, Fleet, WHOLE};
use super::mix::Mix;
use super::policy::Policy;
use super::served::Served;

/// The best that a policy gives.
const BEST: i64 = 100;

/// What the default policy gives for what is left over, in millionths of a thousandth of a GPU that will be wasted: 12 thousandths for
/// each GPU, three tenths of one for each core, and almost nothing for memory and disk, which break ties. On openb a third or three
/// times as much costs up to three tenths of a percent of all GPUs; nothing for GPUs, beside something for cores, costs several percent.
const PER_MILLI_GPU: i64 = 12_000;
const PER_MILLI_CORE: i64 = 300;
const PER_MIB: i64 = 1;
const PER_GIB_DISK: i64 = 1;

/// What free GPUs lose: by the usual work that cannot use them now, or by what will be wasted of them.
#[derive(Clone, Copy, Debug)]
enum Loss<'a> {
    Now(Option<&'a Served>),
    Ahead(Option<&'a Ahead>),
}

impl Loss<'_> {
    fn of_part(self, free_milli: u32) -> i64 {
        match self {
            Self::Now(served) => served.map_or(0, |served| served.lost_of_part(free_milli)),
            Self::Ahead(ahead) => ahead.map_or(0, |ahead| ahead.waste(free_milli)),
        }
    }

    fn of_whole(self, count: u32) -> i64 {
        match self {
            Self::Now(served) => served.map_or(0, |served| served.lost_of_whole(count)),
            Self::Ahead(ahead) => ahead.map_or(0, |ahead| ahead.waste(WHOLE) * i64::from(count)),
        }
    }
}

/// Nodes, the usual work, and the policy by which they are looked at.
#[derive(Clone, Copy, Debug)]
pub(super) struct Look<'a> {
    pub(super) fleet: &'a Fleet,
    pub(super) mix: &'a Mix,
    pub(super) policy: Policy,
}

/// The best choice of GPUs on one node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Choice {
    pub(super) score: i64,
    pub(super) gpus: DeviceSet,
}

impl<'a> Look<'a> {
    /// How good `node` is for `ask`; `None` = it does not fit there now.
    pub(super) fn choose(self, node: usize, ask: &Ask) -> Option<Choice> {
        if !self.fleet.has_room(node, ask) {
            return None;
        }
        if ask.gpus == Gpus::None {
            let lost = self.lost_after(node, ask, None);
            return Some(self.scored(node, ask, lost, DeviceSet::default()));
        }
        let mut best: Option<Choice> = None;
        for bank in self.fleet.banks(node) {
            if !self.fleet.bank_fits(node, bank, ask) {
                continue;
            }
            let (lost, gpus) = match ask.gpus {
                Gpus::Share(_) => self.best_part(node, ask, bank)?,
                Gpus::None | Gpus::Whole(_) => {
                    let count = ask.gpus.milli() / WHOLE;
                    let gpus = self.fleet.tightest(node, bank, ask, count as usize);
                    (self.lost_after(node, ask, Some((bank, None))), gpus)
                }
            };
            let choice = self.scored(node, ask, lost, gpus);
            if best.is_none_or(|best| choice.score > best.score) {
                best = Some(choice);
            }
        }
        best
    }

    /// The GPU for a share: the one that loses least by fragmentation, or of the other policies the one with least left.
    fn best_part(self, node: usize, ask: &Ask, bank: Bank) -> Option<(i64, DeviceSet)> {
        let fitting = bank
            .positions()
            .zip(self.fleet.bank_gpus(node, bank))
            .filter(|(_, gpu)| ask.takes(gpu));
        let rated = fitting.map(|(position, gpu)| {
            let lost = self.lost_after(node, ask, Some((bank, Some(gpu.free_milli))));
            let first = if self.by_loss() { lost } else { 0 };
            ((first, gpu.free_milli, position), lost)
        });
        rated
            .min()
            .map(|((_, _, position), lost)| (lost, DeviceSet::default().with(position)))
    }

    fn by_loss(self) -> bool {
        matches!(self.policy, Policy::Default | Policy::Fgd)
    }

    /// What is lost of the node's GPUs once `ask` is on it: on a GPU of `bank` that has so much free now, or on whole ones of it.
    fn lost_after(self, node: usize, ask: &Ask, on: Option<(Bank, Option<u32>)>) -> i64 {
        if !self.by_loss() {
            return 0;
        }
        let left = self.fleet.free(node).0.saturating_sub(ask.milli_cores);
        let banks = self.fleet.banks(node).map(|bank| {
            let loss = self.loss(left, bank);
            let here = on.filter(|(here, _)| here.from == bank.from);
            let (mut whole, mut lost) = self.count(node, bank, loss);
            match here {
                None => {}
                Some((_, None)) => whole -= ask.gpus.milli() / WHOLE,
                Some((_, Some(free))) => {
                    if free == WHOLE {
                        whole -= 1;
                    } else {
                        lost -= loss.of_part(free);
                    }
                    lost += loss.of_part(free - ask.gpus.milli_each());
                }
            }
            lost + loss.of_whole(whole)
        });
        banks.sum()
    }

    /// What is lost of the node's GPUs as it is.
    pub(super) fn lost_now(self, node: usize) -> i64 {
        let cores = self.fleet.free(node).0;
        let banks = self.fleet.banks(node).map(|bank| {
            let loss = self.loss(cores, bank);
            let (whole, lost) = self.count(node, bank, loss);
            lost + loss.of_whole(whole)
        });
        banks.sum()
    }

    /// How many GPUs of a bank are whole, and what is lost of the others.
    fn count(self, node: usize, bank: Bank, loss: Loss<'_>) -> (u32, i64) {
        let (mut whole, mut lost) = (0, 0);
        for gpu in self.fleet.bank_gpus(node, bank) {
            if gpu.free_milli == WHOLE {
                whole += 1;
            } else {
                lost += loss.of_part(gpu.free_milli);
            }
        }
        (whole, lost)
    }

    fn loss(self, milli_cores: u32, bank: Bank) -> Loss<'a> {
        match self.policy {
            Policy::Default => Loss::Ahead(self.mix.ahead(milli_cores, bank.model)),
            _ => Loss::Now(self.mix.served(milli_cores, bank.model)),
        }
    }

    fn scored(self, node: usize, ask: &Ask, lost_after: i64, gpus: DeviceSet) -> Choice {
        let score = match self.policy {
            Policy::Default => self.by_waste(node, ask, lost_after),
            Policy::Fgd => self.fgd(node, lost_after),
            Policy::BestFit => self.best_fit(node, ask),
            Policy::DotProduct => self.dot_product(node, ask),
            Policy::GpuPacking => self.gpu_packing(node, ask),
            Policy::GpuClustering => self.gpu_clustering(node, ask),
            Policy::Random => 0,
        };
        let pleased = i64::from(self.fleet.pleases(node, ask));
        Choice {
            score: score * 2 + pleased,
            gpus,
        }
    }

    /// What the waste to come falls by, less a little for all that is left over: of nodes alike the fullest is taken, so that others
    /// stay whole.
    fn by_waste(self, node: usize, ask: &Ask, lost_after: i64) -> i64 {
        let (milli_cores, memory_mib, disk_gib) = self.fleet.free(node);
        let left = |free: u32, asked: u32| i64::from(free) - i64::from(asked);
        let gpu = left(self.fleet.free_milli_gpu(node), ask.gpus.milli());
        let over = gpu * PER_MILLI_GPU
            + left(milli_cores, ask.milli_cores) * PER_MILLI_CORE
            + left(memory_mib, ask.memory_mib) * PER_MIB
            + left(disk_gib, ask.disk_gib) * PER_GIB_DISK;
        self.lost_now(node) - lost_after - over
    }

    /// 100 times the sigmoid of what fragmentation falls by, in whole GPUs.
    fn fgd(self, node: usize, lost_after: i64) -> i64 {
        let gain = (self.lost_now(node) - lost_after) as f64;
        let gpus = gain / self.mix.all.max(1) as f64 / f64::from(WHOLE);
        (BEST as f64 / (1.0 + (-gpus).exp())) as i64
    }

    fn best_fit(self, node: usize, ask: &Ask) -> i64 {
        let (most_cores, most_gpu) = self.fleet.most();
        let (most_cores, most_gpu) = (i64::from(most_cores), i64::from(most_gpu));
        let cores = i64::from(self.fleet.free(node).0) - i64::from(ask.milli_cores);
        let gpu = i64::from(self.fleet.free_milli_gpu(node)) - i64::from(ask.gpus.milli());
        let all = 2 * most_cores * most_gpu;
        BEST * (all - cores * most_gpu - gpu * most_cores) / all
    }

    fn dot_product(self, node: usize, ask: &Ask) -> i64 {
        let (most_cores, most_gpu) = self.fleet.most();
        let product = |free: u32, asked: u32, most: u32| {
            f64::from(free) * f64::from(asked) / f64::from(most) / f64::from(most)
        };
        let cores = product(self.fleet.free(node).0, ask.milli_cores, most_cores);
        let gpu = product(self.fleet.free_milli_gpu(node), ask.gpus.milli(), most_gpu);
        (BEST as f64 * (1.0 - (cores + gpu) / 2.0)) as i64
    }

    fn gpu_packing(self, node: usize, ask: &Ask) -> i64 {
        if ask.gpus == Gpus::None {
            return 0;
        }
        let gpus = self.fleet.gpus(node);
        let untouched = gpus.iter().filter(|gpu| gpu.free_milli == WHOLE).count();
        let untouched = i64::try_from(untouched).unwrap_or(i64::MAX);
        if untouched == i64::try_from(gpus.len()).unwrap_or(i64::MAX) {
            return (BEST / 3 - untouched).max(untouched);
        }
        let in_use = gpus
            .iter()
            .filter(|gpu| gpu.free_milli < WHOLE && ask.takes(gpu))
            .map(|gpu| gpu.free_milli)
            .min();
        match in_use {
            Some(free) => (BEST - i64::from(free) / 100).max(BEST / 2),
            None => (BEST / 2 - i64::from(ask.gpus.milli().div_ceil(WHOLE))).max(BEST / 3),
        }
    }

    fn gpu_clustering(self, node: usize, ask: &Ask) -> i64 {
        let Some(kind) = ask.gpus.kind() else {
            return 0;
        };
        let work = self.fleet.work(node);
        let kinds = work.iter().filter(|count| **count > 0).count();
        let quarter = match (work.get(kind).is_some_and(|count| *count > 0), kinds) {
            (true, 1) => 3,
            (true, _) => 2,
            (false, 0) => 1,
            (false, _) => 0,
        };
        let most = i64::from(self.fleet.most().1);
        let used = most - i64::from(self.fleet.free_milli_gpu(node));
        BEST / 4 * used / most + quarter * BEST / 4
    }
}
