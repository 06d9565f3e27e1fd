//! What a workload asks for and a node offers.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The model of GPUs that are simulated: they can be granted and compute nothing. Only who names them gets them.
pub const SIMULATED_GPU: &str = "Simulated-GPU";

/// An amount of every resource that placement counts. GPUs here are whole ones, by number and model.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Resources {
    /// Thousandths of a core.
    pub milli_cores: u32,
    /// Memory in MiB.
    pub memory_mib: u32,
    /// Disk in GiB.
    pub disk_gib: u32,
    /// Number of GPUs.
    pub gpus: u32,
    /// Model of the GPUs; empty when there are none.
    pub gpu_model: String,
}

impl fmt::Display for Resources {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}.{:03} cores, {} MiB memory, {} GiB disk",
            self.milli_cores / 1_000,
            self.milli_cores % 1_000,
            self.memory_mib,
            self.disk_gib
        )?;
        if self.gpus > 0 {
            write!(f, ", {} x {}", self.gpus, self.gpu_model)?;
        }
        Ok(())
    }
}
