//! GPUs, with a stand-in for the driver's library: what is reported, and what a workload gets of what it was granted.

use std::path::Path;
use std::process::Command;

use contracts::inventory::v1::Gpu;
use contracts::scheduler::v1::{AttemptEnd, Fault};
use testkit::eventually;

use crate::node::{Node, PROGRAM, is_root, script, skip};
use crate::signs::sign_when;

/// A device file of the stand-in's number; it is removed with this value.
struct Device(&'static str);

impl Device {
    /// The null device under the name of a GPU; `None` where device files cannot be made.
    fn make() -> Option<Self> {
        let path = "/dev/nvidia250";
        std::fs::remove_file(path).ok();
        let made = Command::new("mknod")
            .args(["-m", "666", path, "c", "1", "3"])
            .status();
        made.is_ok_and(|status| status.success())
            .then_some(Self(path))
    }
}

impl Drop for Device {
    fn drop(&mut self) {
        std::fs::remove_file(self.0).ok();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn granted_gpus_are_there_and_others_are_not() {
    let mut node = Node::stopped().await;
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/fake_nvml.c");
    node.config.measure_ms = 500;
    let library = node.config.data_dir.join("libnvidia-ml.so.1");
    let compiled = Command::new("cc")
        .args(["-shared", "-fPIC", "-o"])
        .arg(&library)
        .arg(source)
        .status();
    if !compiled.is_ok_and(|status| status.success()) {
        return skip("no compiler, so no stand-in for the driver");
    }
    let mut starter = Command::new("env");
    starter
        .arg(format!(
            "LD_LIBRARY_PATH={}",
            node.config.data_dir.display()
        ))
        .arg(PROGRAM);
    node.start_process_with(starter).await;
    let beat = eventually("a heartbeat", || async { node.control.heartbeats().pop() }).await;
    let wanted = Gpu {
        index: 0,
        uuid: "GPU-fake-0".to_owned(),
        model: "H100".to_owned(),
        memory_mib: 81_559,
    };
    assert_eq!(beat.hardware.unwrap().gpus, [wanted]);

    let mut stranger = script("true");
    stranger.gpu_uuids = vec!["GPU-other".to_owned()];
    node.control.assign(&stranger).await;
    let report = node.control.ended(&stranger).await;
    assert_eq!(
        (report.end(), report.fault()),
        (AttemptEnd::Failed, Fault::Platform),
        "{report:?}"
    );
    assert!(report.reason.contains("GPU-other"), "{report:?}");

    let Some(_device) = Device::make().filter(|_| is_root()) else {
        return skip("no device files can be made");
    };
    let look = "echo gpus=$CUDA_VISIBLE_DEVICES; ls /dev | grep nvidia; echo x > /dev/nvidia250 && echo used; exit 0";
    let (mut granted, without) = (script(look), script(look));
    granted.gpu_uuids = vec!["GPU-fake-0".to_owned()];
    for (attempt, log) in [
        (&granted, "gpus=GPU-fake-0\nnvidia250\nused\n"),
        (&without, "gpus=\n"),
    ] {
        node.control.assign(attempt).await;
        assert_eq!(
            node.control.ended(attempt).await.end(),
            AttemptEnd::Completed
        );
        assert!(
            node.log(attempt).await.starts_with(log),
            "{}",
            node.log(attempt).await
        );
    }
    assert!(!node.log(&without).await.contains("used"));

    let mut computes = script("sleep 1000");
    computes.gpu_uuids = vec!["GPU-fake-0".to_owned()];
    node.control.assign(&computes).await;
    let measured = |idle_ms: &serde_json::Value| idle_ms == 0;
    eventually("its GPU at work", || async {
        let sign = sign_when(&node, &computes, "GPUs", measured).await;
        (sign["detail"] == "37 % in use").then_some(())
    })
    .await;
}
