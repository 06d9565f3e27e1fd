//! The ways to choose among nodes that fit.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// How a node, and a GPU on it, is chosen among those that fit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Policy {
    /// What the service ships with.
    #[default]
    Default,
    /// Fragmentation Gradient Descent (USENIX ATC'23): where the least free GPU becomes useless to typical work.
    Fgd,
    /// The least left over of cores and GPUs.
    BestFit,
    /// The smallest product of what is free and what is asked (Tetris, SIGCOMM'14, turned round).
    DotProduct,
    /// GPUs in use first, then free ones of nodes in use, then free nodes.
    GpuPacking,
    /// Beside work that asks for as many GPUs (Gandiva, OSDI'18).
    GpuClustering,
    /// Any node and any GPU.
    Random,
}

impl Policy {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::Default,
        Self::Fgd,
        Self::BestFit,
        Self::DotProduct,
        Self::GpuPacking,
        Self::GpuClustering,
        Self::Random,
    ];

    /// The name in configuration and on the command line.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Default => "default",
            Self::Fgd => "fgd",
            Self::BestFit => "best-fit",
            Self::DotProduct => "dot-product",
            Self::GpuPacking => "gpu-packing",
            Self::GpuClustering => "gpu-clustering",
            Self::Random => "random",
        }
    }
}

impl fmt::Display for Policy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Policy {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        Self::ALL
            .into_iter()
            .find(|policy| policy.name() == name)
            .ok_or_else(|| {
                let names = Self::ALL.map(Self::name).join(", ");
                format!("{name:?} is no placement policy; there are: {names}")
            })
    }
}
