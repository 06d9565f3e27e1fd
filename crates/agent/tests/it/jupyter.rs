//! The real thing: a notebook server in its environment, ready over its socket, and a package installed inside it.

use std::path::Path;
use std::time::Instant;

use contracts::agent::v1::Assignment;
use contracts::scheduler::v1::AttemptEnd;
use kernel::id::VolumeId;
use serde_json::Value;

use crate::environments::inside;
use crate::node::{Node, get, job, spec};

/// Starts as the notebook service starts it.
const LAB: &str = "JUPYTER_TOKEN=\"$QUIRE_HTTP_TOKEN\" exec jupyter lab --no-browser --ServerApp.sock=\"$QUIRE_HTTP_SOCKET\" \
    --ServerApp.allow_remote_access=True --ServerApp.root_dir=/notebooks --ServerApp.base_url=/nb/";
/// Installs a package into the volume, and uses it.
const INSTALL: &str =
    "pip install -q six==1.17.0 && python -c 'import six; print(six.__version__, six.__file__)'";

fn lab(volume: &str, command: &str) -> Assignment {
    let mut lab = inside(job(&["sh", "-c", command]), "jupyterlab==4.4.5\n");
    spec(&mut lab).volume_id = volume.to_owned();
    spec(&mut lab).resources.as_mut().unwrap().memory_mib = 1_024;
    lab
}

#[tokio::test(flavor = "multi_thread")]
async fn a_notebook_starts_answers_and_installs_packages() {
    let node = Node::start().await;
    let volume = VolumeId::generate().to_string();
    let started = Instant::now();
    let mut notebook = lab(&volume, LAB);
    spec(&mut notebook).ready_path = "/nb/api/status".to_owned();
    node.control.assign(&notebook).await;
    let report = node.control.running(&notebook).await;
    println!(
        "assignment to first answer, environment built: {:?}, {report:?}",
        started.elapsed()
    );

    let (_, upstream) = node
        .ask(&format!(
            "/v1/workloads/{}/1/upstream",
            notebook.workload_id
        ))
        .await;
    let upstream: Value = serde_json::from_str(&upstream).unwrap();
    let (socket, token) = (
        upstream["socket"].as_str().unwrap(),
        upstream["token"].as_str().unwrap(),
    );
    let (status, body) = get(Path::new(socket), "/nb/api/status", token)
        .await
        .unwrap();
    assert_eq!(status, 200, "{body}");
    assert_eq!(
        get(Path::new(socket), "/nb/api/status", "wrong")
            .await
            .unwrap()
            .0,
        403
    );
    node.control.stop(&notebook, "user").await;
    let report = node.control.ended(&notebook).await;
    assert_eq!(
        (report.end(), report.reason.as_str()),
        (AttemptEnd::Stopped, "user")
    );

    let again = Instant::now();
    let mut second = lab(&volume, LAB);
    spec(&mut second).ready_path = "/nb/api/status".to_owned();
    node.control.assign(&second).await;
    node.control.running(&second).await;
    println!(
        "assignment to first answer, environment there: {:?}",
        again.elapsed()
    );
    node.control.stop(&second, "user").await;
    node.control.ended(&second).await;

    let install = lab(&volume, INSTALL);
    node.control.assign(&install).await;
    let report = node.control.ended(&install).await;
    let log = node.log(&install).await;
    assert_eq!(report.end(), AttemptEnd::Completed, "{report:?}\n{log}");
    assert!(
        log.ends_with("1.17.0 /notebooks/.quire/site-packages/six.py\n"),
        "{log}"
    );
    // It is there in the next start.
    let later = lab(&volume, "python -c 'import six; print(six.__file__)'");
    node.control.assign(&later).await;
    node.control.ended(&later).await;
    assert_eq!(
        node.log(&later).await,
        "/notebooks/.quire/site-packages/six.py\n"
    );
}
