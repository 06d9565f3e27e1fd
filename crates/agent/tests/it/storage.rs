//! What teams share, as their workloads see it.

use std::os::unix::fs::MetadataExt as _;

use contracts::agent::v1::Assignment;
use contracts::volume::v1::{Volume, VolumeState};
use kernel::id::VolumeId;
use testkit::eventually;

use crate::node::{Node, is_root, script, skip, spec};

/// A workload on a volume of its own, and what its team shares.
fn of_team(node: &Node, storage: &str, lies_on: &str, text: &str) -> Assignment {
    let own = VolumeId::generate().to_string();
    let shared = Volume {
        id: storage.to_owned(),
        node_id: lies_on.to_owned(),
        state: VolumeState::Ready.into(),
        shared: true,
        ..Volume::default()
    };
    let mut storages = node.control.played.storages.lock().unwrap();
    storages.insert(own.clone(), shared);
    let mut assignment = script(text);
    spec(&mut assignment).volume_id = own;
    assignment
}

#[tokio::test(flavor = "multi_thread")]
async fn workloads_of_a_team_share_it_and_others_do_not_see_it() {
    if !is_root() {
        return skip("only root can show files to several users");
    }
    let node = Node::start().await;
    let here = node.control.node.to_string();
    let (ours, theirs) = (
        VolumeId::generate().to_string(),
        VolumeId::generate().to_string(),
    );
    let wait = "while [ ! -e /storage/in ]; do sleep 0.05; done";
    let writes = of_team(
        &node,
        &ours,
        &here,
        "while [ ! -w /storage ]; do sleep 0.05; done; echo first > /storage/one; mkdir /storage/in; sleep 1000",
    );
    let changes = format!(
        "{wait}; echo second >> /storage/one; echo third > /storage/in/two; chmod 600 /storage/one; mv /storage/one /storage/in/; \
         stat -c %u /storage/in/one; id -u; sleep 1000"
    );
    let changes = of_team(&node, &ours, &here, &changes);
    let stranger = of_team(
        &node,
        &theirs,
        &here,
        "while [ ! -w /storage ]; do sleep 0.05; done; echo mine > /storage/mine; ls -A /storage; sleep 1000",
    );
    for assignment in [&writes, &changes, &stranger] {
        node.control.assign(assignment).await;
        let running = node.control.running(assignment).await;
        assert_eq!(running.reason, "");
    }
    let log = crate::node::logged(&node, &stranger, "mine").await;
    assert_eq!(log.trim(), "mine", "theirs has nothing of ours");
    let folder = node.volume(&ours);
    let content = eventually("what both have written", || async {
        std::fs::read_to_string(folder.join("in/one"))
            .ok()
            .filter(|text| text.contains("second"))
    })
    .await;
    assert_eq!(content, "first\nsecond\n");
    let owner = |name: &str| std::fs::metadata(folder.join(name)).unwrap().uid();
    assert_eq!(owner("in/one"), owner("in/two"), "one owner on the disk");
    assert_eq!(owner("in/one"), owner("."));
    eventually("each sees itself as the owner", || async {
        let log = node.log(&changes).await;
        let mut lines = log.lines();
        let (seen, own) = (lines.next()?.to_owned(), lines.next()?.to_owned());
        (seen == own).then_some(())
    })
    .await;
    for assignment in [&writes, &changes, &stranger] {
        node.control.stop(assignment, "user").await;
        node.control.ended(assignment).await;
    }
    assert!(folder.join("in/one").exists(), "it stays");
}

#[tokio::test(flavor = "multi_thread")]
async fn where_it_does_not_lie_its_users_are_told() {
    if !is_root() {
        return skip("without root nothing is shared");
    }
    let node = Node::start().await;
    let storage = VolumeId::generate().to_string();
    let far = of_team(
        &node,
        &storage,
        "no-far",
        "echo x > /storage/x; ls -A /storage; echo done; sleep 1000",
    );
    node.control.assign(&far).await;
    let running = node.control.running(&far).await;
    assert!(
        running.reason.contains("it lies on node no-far"),
        "{running:?}"
    );
    let mut unknown = script("sleep 1000");
    spec(&mut unknown).volume_id = VolumeId::generate().to_string();
    node.control.assign(&unknown).await;
    let running = node.control.running(&unknown).await;
    assert!(
        running.reason.contains("/storage"),
        "it starts all the same: {running:?}"
    );
    assert!(!node.volume(&storage).exists(), "nothing is made here");
    for assignment in [&far, &unknown] {
        node.control.stop(assignment, "user").await;
        node.control.ended(assignment).await;
    }
}
