//! GPUs, as NVIDIA's management library sees them. A machine without the library has none, unless some are simulated: they are
//! listed and granted, and that is all.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use contracts::inventory::v1::Gpu;
use kernel::resources::SIMULATED_GPU;
use nvml_wrapper::Nvml;
use nvml_wrapper::error::NvmlError;

use super::model::model_name;

/// Devices that every user of a GPU needs beside the GPU's own.
const COMMON_DEVICES: &[&str] = &["/dev/nvidiactl", "/dev/nvidia-uvm", "/dev/nvidia-uvm-tools"];

/// Memory that a simulated GPU is said to have, in MiB.
const SIMULATED_MIB: u32 = 81_920;
/// Most simulated GPUs: as many as placement uses of a node.
const MOST_SIMULATED: u32 = 64;

/// The GPUs of this machine.
#[derive(Clone, Debug)]
pub(crate) struct Gpus {
    /// So many are simulated instead; 0 = the machine's own.
    simulated: u32,
    nvml: Option<Arc<Nvml>>,
    /// GPUs, by position, that are known not to answer: that is said once.
    silent: Arc<AtomicU64>,
}

impl Gpus {
    /// Opens the management library where there is one; `simulated` GPUs instead, if that is not 0.
    pub(crate) fn open(simulated: u32) -> Self {
        let simulated = simulated.min(MOST_SIMULATED);
        if simulated > 0 {
            tracing::warn!(simulated, "GPUs are simulated: they compute nothing");
            return Self {
                simulated,
                nvml: None,
                silent: Arc::default(),
            };
        }
        let nvml = Nvml::init();
        if let Err(error) = &nvml {
            tracing::info!(%error, "this machine has no NVIDIA GPUs that can be managed");
        }
        Self {
            simulated,
            nvml: nvml.ok().map(Arc::new),
            silent: Arc::default(),
        }
    }

    /// What inventory is told. GPUs that do not answer are left out.
    pub(crate) fn list(&self) -> Vec<Gpu> {
        let Some(nvml) = &self.nvml else {
            return (0..self.simulated).map(simulated).collect();
        };
        let count = nvml.device_count().unwrap_or(0);
        (0..count)
            .filter_map(|index| self.describe(nvml, index))
            .collect()
    }

    fn are_simulated(&self, uuids: &[String]) -> bool {
        let known = |uuid: &String| (0..self.simulated).any(|index| simulated(index).uuid == *uuid);
        self.simulated > 0 && uuids.iter().all(known)
    }

    fn describe(&self, nvml: &Nvml, index: u32) -> Option<Gpu> {
        let bit = 1_u64.checked_shl(index).unwrap_or(0);
        match describe(nvml, index) {
            Ok(gpu) => {
                self.silent.fetch_and(!bit, Ordering::Relaxed);
                Some(gpu)
            }
            Err(error) => {
                if self.silent.fetch_or(bit, Ordering::Relaxed) & bit == 0 {
                    tracing::warn!(index, %error, "a GPU does not answer");
                }
                None
            }
        }
    }

    /// The highest use of the GPUs `uuids`, in percent.
    ///
    /// # Errors
    /// Which of them does not answer, and why.
    pub(crate) fn use_percent(&self, uuids: &[String]) -> Result<u32, String> {
        // What is simulated does nothing.
        if self.are_simulated(uuids) {
            return Ok(0);
        }
        let nvml = self.nvml.as_ref().ok_or("this node has no GPUs")?;
        let used = |uuid: &String| {
            let device = nvml.device_by_uuid(uuid.as_str())?;
            Ok(device.utilization_rates()?.gpu)
        };
        let mut all = uuids
            .iter()
            .map(|uuid| used(uuid).map_err(|error: NvmlError| format!("GPU {uuid}: {error}")));
        all.try_fold(0, |most, used| Ok(most.max(used?)))
    }

    /// The device files of the GPUs `uuids`.
    ///
    /// # Errors
    /// The GPU that is not here.
    pub(crate) fn devices(&self, uuids: &[String]) -> Result<Vec<PathBuf>, String> {
        if uuids.is_empty() || self.are_simulated(uuids) {
            return Ok(Vec::new());
        }
        let nvml = self.nvml.as_ref().ok_or_else(|| {
            format!(
                "GPU {} is granted, but this node has no GPUs",
                uuids.join(", ")
            )
        })?;
        let mut devices = Vec::new();
        for uuid in uuids {
            let device = nvml
                .device_by_uuid(uuid.as_str())
                .and_then(|device| device.minor_number());
            let minor = device.map_err(|error| {
                format!("GPU {uuid} is granted, but this node cannot use it: {error}")
            })?;
            devices.push(PathBuf::from(format!("/dev/nvidia{minor}")));
        }
        let common = COMMON_DEVICES
            .iter()
            .map(Path::new)
            .filter(|path| path.exists());
        devices.extend(common.map(Path::to_owned));
        Ok(devices)
    }
}

fn simulated(index: u32) -> Gpu {
    Gpu {
        index,
        uuid: format!("{SIMULATED_GPU}-{index}"),
        model: SIMULATED_GPU.to_owned(),
        memory_mib: SIMULATED_MIB,
    }
}

fn describe(nvml: &Nvml, index: u32) -> Result<Gpu, NvmlError> {
    let device = nvml.device_by_index(index)?;
    let memory_mib = u32::try_from(device.memory_info()?.total >> 20).unwrap_or(u32::MAX);
    Ok(Gpu {
        index,
        uuid: device.uuid()?,
        model: model_name(&device.name()?, memory_mib),
        memory_mib,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn simulated_gpus_say_so_and_have_no_devices() {
        let gpus = Gpus::open(3);
        let listed = gpus.list();
        assert_eq!(listed.len(), 3);
        assert!(listed.iter().all(|gpu| gpu.model == "Simulated-GPU"));
        let uuids: Vec<String> = listed.into_iter().map(|gpu| gpu.uuid).collect();
        assert_eq!(uuids.first().map(String::as_str), Some("Simulated-GPU-0"));
        assert_eq!(gpus.devices(&uuids), Ok(Vec::new()));
        assert_eq!(gpus.use_percent(&uuids), Ok(0));
        assert!(gpus.devices(&["Simulated-GPU-3".to_owned()]).is_err());
        assert!(Gpus::open(1_000).list().len() == 64);
    }
}
