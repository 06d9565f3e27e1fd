//! What nodes have and what of it is free: one array a quantity, so that looking at thousands of nodes is walking along memory.

use super::ask::{Ask, DeviceSet, Gpus, Place};

/// Thousandths of a whole GPU.
pub(crate) const WHOLE: u32 = 1_000;
/// Most GPUs of one node: a set of them is one word.
pub(super) const MOST_GPUS: usize = 64;
/// Kinds of GPU work that are counted apart on each node: shares, then whole GPUs by number; the last is for all larger numbers.
pub(crate) const WORK_KINDS: usize = 10;

/// A GPU as placement counts it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Gpu {
    /// Number of its model, below 64.
    pub(crate) model: u8,
    pub(crate) memory_mib: u32,
    /// Thousandths that nobody has.
    pub(crate) free_milli: u32,
    /// GPUs of one group speak to each other over NVLink; `None` = not known.
    pub(crate) nvlink: Option<u8>,
    /// The NUMA node that it hangs on; `None` = not known.
    pub(crate) numa: Option<u8>,
}

/// A node as it joins the fleet, with what of it is free.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Server {
    pub(crate) open: bool,
    pub(crate) milli_cores: u32,
    pub(crate) memory_mib: u32,
    pub(crate) disk_gib: u32,
    pub(crate) gpus: Vec<Gpu>,
    /// Numbers of its labels.
    pub(crate) labels: Vec<u32>,
}

impl Server {
    /// An open node of so many GPUs of one kind, of which nothing else is counted.
    pub(crate) fn of_gpus(count: usize) -> Self {
        let gpu = Gpu {
            model: 0,
            memory_mib: 0,
            free_milli: WHOLE,
            nvlink: None,
            numa: None,
        };
        Self {
            open: true,
            gpus: vec![gpu; count],
            ..Self::default()
        }
    }
}

/// The nodes. A node is named by its place in the order in which they were given, and of equals the first is taken.
#[derive(Clone, Debug, Default)]
pub(crate) struct Fleet {
    open: Vec<bool>,
    /// Nodes that are kept for somebody, open or not.
    aside: Vec<bool>,
    milli_cores: Vec<u32>,
    memory_mib: Vec<u32>,
    disk_gib: Vec<u32>,
    labels: Vec<Vec<u32>>,
    /// The GPUs of node `n` are `gpus[first_gpu[n]..first_gpu[n + 1]]`, those of one model side by side.
    first_gpu: Vec<usize>,
    gpus: Vec<Gpu>,
    /// Where each of them stood in the list of its node.
    listed_at: Vec<u8>,
    /// How much GPU work of each kind is on each node.
    work: Vec<[u32; WORK_KINDS]>,
    /// Groups whose members keep apart, by node.
    apart: Vec<Vec<u64>>,
    most_milli_cores: u32,
    most_milli_gpu: u32,
}

impl Fleet {
    /// The fleet of these nodes. Of a node with more than 64 GPUs the first 64 are used.
    pub(crate) fn new(servers: &[Server]) -> Self {
        let mut fleet = Self {
            first_gpu: vec![0],
            ..Self::default()
        };
        for server in servers {
            fleet.add(server);
        }
        fleet.most_milli_cores = fleet.milli_cores.iter().copied().max().unwrap_or(0).max(1);
        let gpu_sums = (0..fleet.len()).map(|node| fleet.free_milli_gpu(node));
        fleet.most_milli_gpu = gpu_sums.max().unwrap_or(0).max(1);
        fleet
    }

    fn add(&mut self, server: &Server) {
        self.open.push(server.open);
        self.aside.push(false);
        self.milli_cores.push(server.milli_cores);
        self.memory_mib.push(server.memory_mib);
        self.disk_gib.push(server.disk_gib);
        self.labels.push(server.labels.clone());
        let mut listed: Vec<(u8, &Gpu)> = (0..).zip(server.gpus.iter().take(MOST_GPUS)).collect();
        listed.sort_by_key(|(at, gpu)| (gpu.model, *at));
        for (at, gpu) in listed {
            self.listed_at.push(at);
            self.gpus.push(*gpu);
        }
        self.first_gpu.push(self.gpus.len());
        self.work.push([0; WORK_KINDS]);
        self.apart.push(Vec::new());
    }

    /// Takes over what of a node is free now; `false` when its GPUs are others than before: only a new fleet can have them.
    pub(super) fn renew(&mut self, node: usize, server: &Server) -> bool {
        let range = self.gpu_range(node);
        let (Some(listed_at), Some(gpus)) =
            (self.listed_at.get(range.clone()), self.gpus.get_mut(range))
        else {
            return false;
        };
        let now = |at: &u8| server.gpus.get(usize::from(*at));
        let same = |(at, gpu): (&u8, &Gpu)| {
            now(at).is_some_and(|now| {
                Gpu {
                    free_milli: gpu.free_milli,
                    ..*now
                } == *gpu
            })
        };
        let known = server.gpus.len().min(MOST_GPUS) == gpus.len()
            && listed_at.iter().zip(gpus.iter()).all(same);
        if !known {
            return false;
        }
        for (at, gpu) in listed_at.iter().zip(gpus) {
            gpu.free_milli = now(at).map_or(0, |now| now.free_milli);
        }
        for (column, value) in [
            (&mut self.milli_cores, server.milli_cores),
            (&mut self.memory_mib, server.memory_mib),
            (&mut self.disk_gib, server.disk_gib),
        ] {
            if let Some(free) = column.get_mut(node) {
                *free = value;
            }
        }
        if let (Some(open), Some(labels)) = (self.open.get_mut(node), self.labels.get_mut(node)) {
            *open = server.open;
            labels.clone_from(&server.labels);
        }
        true
    }

    /// How many nodes there are.
    pub(crate) fn len(&self) -> usize {
        self.open.len()
    }

    /// The largest node's free cores and GPU thousandths as they were at the start: what scores are measured against.
    pub(super) fn most(&self) -> (u32, u32) {
        (self.most_milli_cores, self.most_milli_gpu)
    }

    fn gpu_range(&self, node: usize) -> std::ops::Range<usize> {
        let at = |index: usize| self.first_gpu.get(index).copied().unwrap_or(0);
        at(node)..at(node + 1).max(at(node))
    }

    /// The GPUs of a node, those of one model side by side.
    pub(crate) fn gpus(&self, node: usize) -> &[Gpu] {
        self.gpus.get(self.gpu_range(node)).unwrap_or_default()
    }

    /// The sum of what is free of the node's GPUs.
    pub(crate) fn free_milli_gpu(&self, node: usize) -> u32 {
        self.gpus(node).iter().map(|gpu| gpu.free_milli).sum()
    }

    pub(super) fn work(&self, node: usize) -> &[u32; WORK_KINDS] {
        self.work.get(node).unwrap_or(&[0; WORK_KINDS])
    }

    /// Free cores, memory and disk of a node; none of a node that is not there.
    pub(crate) fn free(&self, node: usize) -> (u32, u32, u32) {
        let of = |column: &[u32]| column.get(node).copied().unwrap_or(0);
        (
            of(&self.milli_cores),
            of(&self.memory_mib),
            of(&self.disk_gib),
        )
    }

    /// Whether the node could host `ask` as far as nothing that others take matters: labels, and the node that it is bound to.
    pub(super) fn admits(&self, node: usize, ask: &Ask) -> bool {
        let labels = self.labels.get(node).map_or(&[][..], Vec::as_slice);
        ask.node.is_none_or(|bound| bound == node)
            && ask.labels.iter().all(|label| labels.contains(label))
    }

    /// Whether the node has the label that `ask` would like.
    pub(super) fn pleases(&self, node: usize, ask: &Ask) -> bool {
        let labels = self.labels.get(node);
        ask.prefers
            .is_some_and(|label| labels.is_some_and(|labels| labels.contains(&label)))
    }

    /// Whether `ask` fits on the node now, GPUs apart.
    pub(super) fn has_room(&self, node: usize, ask: &Ask) -> bool {
        let (milli_cores, memory_mib, disk_gib) = self.free(node);
        self.open.get(node) == Some(&true)
            && self.aside.get(node) == Some(&false)
            && ask.milli_cores <= milli_cores
            && ask.memory_mib <= memory_mib
            && ask.disk_gib <= disk_gib
            && ask.apart.is_none_or(|group| {
                let there = self.apart.get(node);
                there.is_some_and(|groups| !groups.contains(&group))
            })
    }

    /// Takes what was decided. What is not free is not taken below nothing: the caller places only what fits.
    pub(crate) fn take(&mut self, ask: &Ask, place: Place) {
        self.change(ask, place, |free, part| *free = free.saturating_sub(part));
        if let Some(group) = ask.apart
            && let Some(groups) = self.apart.get_mut(place.node)
        {
            groups.push(group);
        }
        if let (Some(kind), Some(work)) = (ask.gpus.kind(), self.work.get_mut(place.node))
            && let Some(count) = work.get_mut(kind)
        {
            *count += 1;
        }
    }

    /// Gives back what was taken.
    pub(crate) fn give_back(&mut self, ask: &Ask, place: Place) {
        self.change(ask, place, |free, part| *free = free.saturating_add(part));
        if let Some(group) = ask.apart
            && let Some(groups) = self.apart.get_mut(place.node)
            && let Some(at) = groups.iter().position(|there| *there == group)
        {
            groups.swap_remove(at);
        }
        if let (Some(kind), Some(work)) = (ask.gpus.kind(), self.work.get_mut(place.node))
            && let Some(count) = work.get_mut(kind)
        {
            *count = count.saturating_sub(1);
        }
    }

    /// Whether the node takes new work, whoever it may be kept for.
    pub(crate) fn is_open(&self, node: usize) -> bool {
        self.open.get(node) == Some(&true)
    }

    /// Whether the node is kept for somebody from now on: then nothing has room there.
    /// `false` when that is so already.
    pub(super) fn set_aside(&mut self, node: usize, aside: bool) -> bool {
        let before = self.aside.get_mut(node);
        before.is_some_and(|before| std::mem::replace(before, aside) != aside)
    }

    /// How many of `ask` fit on the node one beside the other; not counted beyond `most`.
    pub(crate) fn room(&self, node: usize, ask: &Ask, most: u32) -> u32 {
        if !self.admits(node, ask) || !self.has_room(node, ask) {
            return 0;
        }
        let (milli_cores, memory_mib, disk_gib) = self.free(node);
        let times = |free: u32, asked: u32| free.checked_div(asked).unwrap_or(most);
        let banks = self.banks(node).map(|bank| {
            let usable = self.bank_gpus(node, bank).iter();
            let usable = usable.filter(|gpu| ask.takes(gpu));
            match ask.gpus {
                Gpus::None => most,
                Gpus::Share(milli) => usable.map(|gpu| times(gpu.free_milli, milli)).sum(),
                Gpus::Whole(count) => times(u32::try_from(usable.count()).unwrap_or(most), count),
            }
        });
        let on_gpus = match ask.gpus {
            Gpus::None => most,
            Gpus::Share(_) | Gpus::Whole(_) => banks.sum(),
        };
        let apart = ask.apart.map_or(most, |_| 1);
        most.min(apart)
            .min(on_gpus)
            .min(times(milli_cores, ask.milli_cores))
            .min(times(memory_mib, ask.memory_mib))
            .min(times(disk_gib, ask.disk_gib))
    }

    fn change(&mut self, ask: &Ask, place: Place, by: impl Fn(&mut u32, u32)) {
        for (column, part) in [
            (&mut self.milli_cores, ask.milli_cores),
            (&mut self.memory_mib, ask.memory_mib),
            (&mut self.disk_gib, ask.disk_gib),
        ] {
            if let Some(free) = column.get_mut(place.node) {
                by(free, part);
            }
        }
        let range = self.gpu_range(place.node);
        let each = ask.gpus.milli_each();
        for (position, gpu) in self.gpus.get_mut(range).into_iter().flatten().enumerate() {
            if place.gpus.has(position) {
                by(&mut gpu.free_milli, each);
            }
        }
    }

    /// Where the GPUs of a place stood in the list of their node, in rising order.
    pub(crate) fn listed(&self, place: Place) -> impl Iterator<Item = usize> + '_ {
        let listed_at = self.listed_at.get(self.gpu_range(place.node));
        let listed_at = listed_at.unwrap_or_default();
        let chosen = listed_at
            .iter()
            .enumerate()
            .filter(move |(position, _)| place.gpus.has(*position))
            .fold(DeviceSet::default(), |set, (_, at)| set.with((*at).into()));
        (0..MOST_GPUS).filter(move |at| chosen.has(*at))
    }

    /// The place of these GPUs, told as they stand in the list of their node.
    pub(crate) fn place(&self, node: usize, listed: &[bool]) -> Place {
        let listed_at = self.listed_at.get(self.gpu_range(node));
        let taken = |at: &u8| listed.get(usize::from(*at)) == Some(&true);
        let positions = listed_at.unwrap_or_default().iter().enumerate();
        Place {
            node,
            gpus: positions
                .filter(|(_, at)| taken(at))
                .map(|(position, _)| position)
                .collect(),
        }
    }

    /// Which whole GPUs of a bank to take: of the tightest NVLink group, else NUMA node, that has enough; else the first.
    pub(super) fn tightest(&self, node: usize, bank: Bank, ask: &Ask, count: usize) -> DeviceSet {
        let free = |position: &usize| {
            let gpu = self.gpus(node).get(*position);
            gpu.is_some_and(|gpu| ask.takes(gpu))
        };
        let group = |position: usize, by: fn(&Gpu) -> Option<u8>| {
            self.gpus(node).get(position).and_then(by)
        };
        for by in [|gpu: &Gpu| gpu.nvlink, |gpu: &Gpu| gpu.numa] {
            let members = |of: u8| {
                bank.positions()
                    .filter(free)
                    .filter(move |position| group(*position, by) == Some(of))
            };
            let tightest = bank
                .positions()
                .filter_map(|position| group(position, by))
                .map(|of| (members(of).count(), of))
                .filter(|(size, _)| *size >= count)
                .min();
            if let Some((_, of)) = tightest {
                return members(of).take(count).collect();
            }
        }
        bank.positions().filter(free).take(count).collect()
    }

    /// The GPUs of a node by model.
    pub(super) fn banks(&self, node: usize) -> impl Iterator<Item = Bank> + '_ {
        let gpus = self.gpus(node);
        let mut from = 0;
        std::iter::from_fn(move || {
            let model = gpus.get(from)?.model;
            let rest = gpus.get(from..)?;
            let length = rest.iter().take_while(|gpu| gpu.model == model).count();
            let bank = Bank {
                model,
                from,
                length,
            };
            from += length;
            Some(bank)
        })
    }

    /// The GPUs of a bank.
    pub(super) fn bank_gpus(&self, node: usize, bank: Bank) -> &[Gpu] {
        let gpus = self.gpus(node).get(bank.from..bank.from + bank.length);
        gpus.unwrap_or_default()
    }

    /// Whether GPUs of this bank may be used, and enough of them are free.
    pub(super) fn bank_fits(&self, node: usize, bank: Bank, ask: &Ask) -> bool {
        let usable = |gpu: &&Gpu| ask.takes(gpu);
        let gpus = self.bank_gpus(node, bank).iter().filter(usable);
        match ask.gpus {
            Gpus::None => true,
            Gpus::Share(_) => gpus.count() > 0,
            Gpus::Whole(count) => gpus.count() >= count as usize,
        }
    }
}

/// GPUs of one model on one node.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bank {
    pub(super) model: u8,
    pub(super) from: usize,
    pub(super) length: usize,
}

impl Bank {
    pub(super) fn positions(self) -> std::ops::Range<usize> {
        self.from..self.from + self.length
    }
}
