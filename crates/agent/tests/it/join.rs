//! Becoming a node.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use chassis::authority::{Description, NodeKey};
use chrono::TimeDelta;
use kernel::Clock as _;
use kernel::time::SystemClock;
use tokio_util::sync::CancellationToken;

use crate::node::Node;

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_answer_is_asked_for_again_and_a_node_stays_who_it_is() {
    let node = Node::stopped().await;
    let file = node.config.data_dir.join("node.json");
    assert_eq!(
        fs::metadata(&file).unwrap().permissions().mode() & 0o777,
        0o600
    );
    let key = fs::read_to_string(&file).unwrap();
    agent::join(&node.config, "spent").await.unwrap();
    assert_eq!(fs::read_to_string(&file).unwrap(), key);
    assert_eq!(node.control.played.joins.load(Ordering::SeqCst), 1);

    // Another node, whose answers are lost for longer than it is patient.
    let mut config = node.config.clone();
    config.data_dir = config.data_dir.with_file_name("other");
    node.control.played.lost_answers.store(9, Ordering::SeqCst);
    assert!(agent::join(&config, "token").await.is_err());
    agent::join(&config, "token").await.unwrap();
    assert!(node.control.played.joins.load(Ordering::SeqCst) > 9);
    assert_eq!(
        node.control.distinct_joins(),
        2,
        "one of each node, however often it was asked"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_is_replaced_before_it_ends() {
    let mut node = Node::stopped().await;
    let tls = node.config.data_dir.join("tls");
    let certificate = || {
        let pem = fs::read_to_string(tls.join("certificate.pem")).unwrap();
        Description::of_pem("certificate", &pem).unwrap()
    };
    assert_eq!(certificate().name, node.control.node.to_string());
    assert!(certificate().not_after > SystemClock.now() + TimeDelta::days(29));
    let authority = fs::read_to_string(tls.join("authority.pem")).unwrap();
    assert_eq!(
        authority,
        node.control.identity.authority().certificate_pem()
    );
    let mode = |name: &str| fs::metadata(tls.join(name)).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode("key.pem"), 0o600);

    // The agent was away for 25 days of 30.
    let key = fs::read_to_string(tls.join("key.pem")).unwrap();
    let request = NodeKey::from_pem(&key.clone().into())
        .unwrap()
        .request()
        .unwrap();
    let id = node.control.node.to_string();
    let (old, _) = node
        .control
        .played
        .issue(&request, &id, TimeDelta::days(25))
        .unwrap();
    fs::write(tls.join("certificate.pem"), old).unwrap();
    node.start_task().await;
    testkit::eventually("a new certificate", || async {
        (certificate().not_after > SystemClock.now() + TimeDelta::days(29)).then_some(())
    })
    .await;
    assert_eq!(certificate().name, id);
    assert_eq!(
        fs::read_to_string(tls.join("key.pem")).unwrap(),
        key,
        "the key stays"
    );
    node.stop().await;

    // One that is young enough is left alone.
    node.start_task().await;
    let seen = node.control.heartbeats().len();
    testkit::eventually("heartbeats", || async {
        (node.control.heartbeats().len() > seen + 1).then_some(())
    })
    .await;
    assert_eq!(node.control.played.renewals.load(Ordering::SeqCst), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn refusals_say_why() {
    let node = Node::stopped().await;
    let mut config = node.config.clone();
    config.data_dir = config.data_dir.with_file_name("other");
    let run = |config| {
        agent::run(
            config,
            Arc::new(SystemClock),
            CancellationToken::new(),
            || (),
        )
    };
    let error = run(config.clone()).await.unwrap_err().to_string();
    assert!(error.contains("has not joined"), "{error}");
    let error = agent::join(&config, "wrong").await.unwrap_err().to_string();
    assert!(error.contains("not valid"), "{error}");
    let error = agent::join(&config, "token.abc")
        .await
        .unwrap_err()
        .to_string();
    assert!(error.contains("token: is damaged"), "{error}");
    config.cpu_overcommit = 0;
    let error = agent::join(&config, "token").await.unwrap_err().to_string();
    assert!(error.contains("cpu_overcommit: is 0; 1 to 16"), "{error}");

    config.run_dir = "/".to_owned().repeat(200).into();
    let error = run(config).await.unwrap_err().to_string();
    assert!(error.contains("run_dir"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn two_agents_do_not_share_folders() {
    let node = Node::start().await;
    let second = agent::run(
        node.config.clone(),
        Arc::new(SystemClock),
        CancellationToken::new(),
        || (),
    );
    let error = second.await.unwrap_err().to_string();
    assert!(error.contains("another agent uses"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn heartbeats_tell_what_there_is() {
    let node = Node::start().await;
    let beats = testkit::eventually("heartbeats", || async {
        let beats = node.control.heartbeats();
        (beats.len() > 1).then_some(beats)
    })
    .await;
    let hardware = beats[0].hardware.clone().unwrap();
    let cores = std::thread::available_parallelism().unwrap().get();
    assert_eq!(hardware.milli_cores, u32::try_from(cores).unwrap() * 1_000);
    assert!(
        hardware.memory_mib > 0 && !beats[0].boot_id.is_empty(),
        "{hardware:?}"
    );
    assert!(
        beats[0]
            .missing_isolation
            .iter()
            .all(|lack| lack.contains(": ")),
        "{:?}",
        beats[0].missing_isolation
    );
}
