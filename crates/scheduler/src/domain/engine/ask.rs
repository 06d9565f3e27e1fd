//! What is to be placed, and a place.

use super::fleet::{Gpu, WHOLE, WORK_KINDS};

/// GPUs that are asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Gpus {
    #[default]
    None,
    /// So many thousandths of one GPU, fewer than 1,000.
    Share(u32),
    /// So many whole ones, all of one model.
    Whole(u32),
}

impl Gpus {
    /// Thousandths of each GPU that is taken.
    pub(crate) fn milli_each(self) -> u32 {
        match self {
            Self::None => 0,
            Self::Share(milli) => milli,
            Self::Whole(_) => WHOLE,
        }
    }

    /// Thousandths of all GPUs together.
    pub(crate) fn milli(self) -> u32 {
        match self {
            Self::Whole(count) => count.saturating_mul(WHOLE),
            part => part.milli_each(),
        }
    }

    /// The kind of work that it is counted as; `None` without GPUs.
    pub(super) fn kind(self) -> Option<usize> {
        match self {
            Self::None => None,
            Self::Share(_) => Some(0),
            Self::Whole(count) => Some((count as usize).clamp(1, WORK_KINDS - 1)),
        }
    }
}

/// Models of GPUs, by number, as the bits of a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Models(pub(crate) u64);

impl Models {
    /// Whichever there is.
    pub(crate) const ANY: Self = Self(u64::MAX);

    /// Only this one.
    pub(crate) fn one(model: u8) -> Self {
        Self(bit(model.into()))
    }

    /// Whether the model is one of them.
    pub(crate) fn has(self, model: u8) -> bool {
        self.0 & bit(model.into()) != 0
    }
}

/// What is to be placed.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Ask {
    pub(crate) milli_cores: u32,
    pub(crate) memory_mib: u32,
    pub(crate) disk_gib: u32,
    pub(crate) gpus: Gpus,
    pub(crate) models: Models,
    /// Memory that each GPU must have at least.
    pub(crate) gpu_memory_mib: u32,
    /// Labels that the node must have.
    pub(crate) labels: Vec<u32>,
    /// A label, such as "has this environment", that breaks ties between nodes.
    pub(crate) prefers: Option<u32>,
    /// No node takes two of the same group.
    pub(crate) apart: Option<u64>,
    /// The one node that it may go to.
    pub(crate) node: Option<usize>,
}

impl Default for Ask {
    fn default() -> Self {
        Self {
            milli_cores: 0,
            memory_mib: 0,
            disk_gib: 0,
            gpus: Gpus::None,
            models: Models::ANY,
            gpu_memory_mib: 0,
            labels: Vec::new(),
            prefers: None,
            apart: None,
            node: None,
        }
    }
}

impl Ask {
    /// Whether this GPU may be used and has enough left.
    pub(super) fn takes(&self, gpu: &Gpu) -> bool {
        self.models.has(gpu.model)
            && gpu.memory_mib >= self.gpu_memory_mib
            && gpu.free_milli >= self.gpus.milli_each()
    }
}

/// GPUs of one node, by their position among those of the node.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct DeviceSet(u64);

impl DeviceSet {
    /// The set with one more.
    #[must_use]
    pub(crate) fn with(self, position: usize) -> Self {
        Self(self.0 | bit(position))
    }

    /// Whether it is in the set.
    pub(crate) fn has(self, position: usize) -> bool {
        self.0 & bit(position) != 0
    }
}

/// The bit of a position; none beyond the 64 that a node may have.
fn bit(position: usize) -> u64 {
    let by = u32::try_from(position).unwrap_or(u32::MAX);
    1_u64.checked_shl(by).unwrap_or(0)
}

impl FromIterator<usize> for DeviceSet {
    fn from_iter<I: IntoIterator<Item = usize>>(positions: I) -> Self {
        positions.into_iter().fold(Self::default(), Self::with)
    }
}

/// Where something goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) node: usize,
    pub(crate) gpus: DeviceSet,
}
