//! What happened can be seen: the timeline of a notebook, by its own team alone, and the events that could not be handled.

use bus::{Bus, Envelope};
use chassis::config::BusConfig;
use contracts::scheduler::v1::{
    Attempt, AttemptEnd, AttemptEnded, AttemptState, Fault, Workload, WorkloadChanged,
    WorkloadState,
};
use kernel::Clock as _;
use kernel::time::SystemClock;
use serde_json::Value;
use testkit::{Lines, wait_for};

use crate::installation::Installation;

const JSON: [&str; 2] = ["--output", "json"];

/// Lines of an object's timeline.
fn timeline(quire: &Installation, object: &str) -> Vec<String> {
    let events = quire.quire(&["event", "tail", "--no-follow", "--object", object]);
    let lines = events.as_array().unwrap().iter();
    lines
        .map(|event| event["summary"].as_str().unwrap().to_owned())
        .collect()
}

/// Whether `facts` are the beginnings of some of `lines`, in this order.
fn are_in_order(lines: &[String], facts: &[&str]) -> bool {
    let mut lines = lines.iter();
    facts
        .iter()
        .all(|fact| lines.any(|line| line.starts_with(fact)))
}

#[test]
fn a_notebook_has_a_timeline_that_only_its_team_sees() {
    let quire = Installation::shared();
    let created = quire.quire(&[
        "notebook",
        "create",
        "--name",
        "chronicle",
        "--machine-type",
        "C3",
    ]);
    let id = created["id"].as_str().unwrap();
    let following = [
        &[
            "event",
            "tail",
            "--object",
            "chronicle",
            "--type",
            "NotebookChanged",
        ][..],
        &JSON,
    ]
    .concat();
    let mut tail = quire.spawn_quire(&following);
    let told = Lines::of(tail.stdout.take().unwrap());
    let next_state = |awaited: &str| -> String {
        let line = told.next(awaited).expect("the tail ended");
        let event: Value = serde_json::from_str(&line).unwrap();
        assert_eq!(event["objectId"], id);
        event["data"]["notebook"]["state"]
            .as_str()
            .unwrap()
            .to_owned()
    };
    while next_state("running") != "NOTEBOOK_STATE_RUNNING" {}
    quire.quire(&["notebook", "stop", "chronicle"]);
    while next_state("stopped") != "NOTEBOOK_STATE_STOPPED" {}
    tail.kill().unwrap();
    tail.wait().unwrap();

    let facts = [
        "notebook \"chronicle\" is Pending",
        "workload (notebook) is queued",
        "workload (notebook): attempt 1 is placed on no-",
        "attempt 1 answers on no-",
        "notebook \"chronicle\" is Running",
        "attempt 1 has ended, stopped",
        "notebook \"chronicle\" is Stopped",
    ];
    let lines = wait_for("the whole timeline", || {
        let lines = timeline(&quire, "chronicle");
        are_in_order(&lines, &facts).then_some(lines)
    });
    let end = lines
        .iter()
        .find(|line| line.contains("has ended"))
        .unwrap();
    assert!(
        end.contains("; it is billed for ") && end.ends_with(" s as C3"),
        "{end}"
    );
    let token = created["token"].as_str().unwrap();
    let raw = quire.quire(&["event", "tail", "--no-follow", "--object", id]);
    assert!(
        !raw.to_string().contains(token),
        "the token is in the journal"
    );

    // A name that nobody has is told, not waited for.
    let refused = quire.refusal(&["event", "tail", "--object", "nobody"]);
    assert!(
        refused.contains("--object: no notebook is called \"nobody\""),
        "{refused}"
    );

    let stranger = quire.other_team("event-lab");
    let arguments = [&["event", "tail", "--no-follow", "--object", id][..], &JSON].concat();
    let seen = quire.quire_as(&stranger, &arguments);
    assert_eq!(String::from_utf8_lossy(&seen.stdout).trim(), "[]");
    let refused = quire.quire_as(&stranger, &["event", "dead"]);
    assert!(!refused.status.success());

    quire.quire(&["notebook", "delete", "chronicle", "--yes"]);
    wait_for("the end of the timeline", || {
        are_in_order(
            &timeline(&quire, id),
            &["notebook \"chronicle\" was deleted"],
        )
        .then_some(())
    });
}

/// The bus of an installation, as one of its services.
async fn bus_as(quire: &Installation, user: &str) -> Bus {
    let read = |path: &str| std::fs::read_to_string(quire.data_dir().join(path)).unwrap();
    let configuration = read("nats/nats.conf");
    let listen = configuration.lines().next().unwrap();
    let address = listen.split('"').nth(1).unwrap();
    let secrets: toml::Table = read("secrets.toml").parse().unwrap();
    let config = BusConfig {
        url: format!("nats://{address}"),
        user: user.to_owned(),
        password: secrets["bus_passwords"][user].as_str().unwrap().into(),
        ..BusConfig::default()
    };
    Bus::connect(&config, user).await.unwrap()
}

async fn publish(bus: &Bus, subject: String, envelope: Envelope) {
    let headers = envelope.headers();
    let sent = bus
        .jetstream()
        .publish_with_headers(subject, headers, envelope.payload.into());
    sent.await.unwrap().await.unwrap();
}

fn letters(quire: &Installation, about: &str) -> Vec<Value> {
    let letters = quire.quire(&["event", "dead"]);
    let all = letters.as_array().unwrap().iter();
    all.filter(|letter| letter["objectId"] == about)
        .cloned()
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_that_cannot_be_handled_is_shown_and_sent_again() {
    let quire = Installation::shared();
    // What the scheduler would never say: no consumer can read it.
    let scheduler = bus_as(&quire, "scheduler").await;
    let broken = Envelope {
        payload: vec![0xff],
        ..Envelope::new(
            &AttemptEnded::default(),
            "at-broken",
            None,
            SystemClock.now(),
        )
    };
    publish(&scheduler, broken.subject.clone(), broken).await;
    let parked = wait_for("both who read it to park it", || {
        let parked = letters(&quire, "at-broken");
        (parked.len() == 2).then_some(parked)
    });
    let mut by: Vec<_> = parked
        .iter()
        .map(|letter| letter["consumer"].as_str().unwrap())
        .collect();
    by.sort_unstable();
    assert_eq!(by, ["billing-scheduler", "volume-scheduler"]);
    assert!(parked[0]["reason"].as_str().unwrap().contains("decoding"));

    // Sent again it fails again, and is another letter.
    let first = parked[0]["id"].as_u64().unwrap();
    quire.quire(&["event", "dead", "resend", &first.to_string()]);
    wait_for("the letter parked again", || {
        let parked = letters(&quire, "at-broken");
        let again = parked.iter().all(|letter| letter["id"] != first);
        (parked.len() == 2 && again).then_some(())
    });
    let said = quire.refusal(&["event", "dead", "resend", &first.to_string()]);
    assert!(
        said.contains(&format!("dead letter \"{first}\" not found")),
        "{said}"
    );
}

/// A letter of notebook's that has become readable is handled when it is sent again.
#[tokio::test(flavor = "multi_thread")]
async fn an_event_that_is_sent_again_is_handled() {
    let quire = Installation::shared();
    let created = quire.quire(&["notebook", "create", "--name", "again"]);
    let stopped = quire.quire(&["notebook", "stop", "again"]);
    assert_eq!(stopped["state"], "Stopped");
    let id = created["id"].as_str().unwrap();
    let workload = wait_for("the workload in the timeline", || {
        let events = quire.quire(&["event", "tail", "--no-follow", "--object", id]);
        let events = events.as_array().unwrap().clone();
        let ids = events.iter().filter_map(|event| event["objectId"].as_str());
        ids.into_iter()
            .find(|object| object.starts_with("wo-"))
            .map(str::to_owned)
    });
    let event = WorkloadChanged {
        workload: Some(Workload {
            id: workload.clone(),
            state: WorkloadState::Failed.into(),
            reason: "the letter said so".to_owned(),
            attempt: Some(Attempt {
                state: AttemptState::Ended.into(),
                end: AttemptEnd::Failed.into(),
                fault: Fault::User.into(),
                ..Attempt::default()
            }),
            revision: 1_000,
            ..Workload::default()
        }),
    };
    let notebook = bus_as(&quire, "notebook").await;
    let envelope = Envelope::new(&event, &workload, None, SystemClock.now());
    publish(&notebook, bus::dead_letters("notebook-scheduler"), envelope).await;
    let letter = wait_for("the letter", || letters(&quire, &workload).pop());
    let number = letter["id"].as_u64().unwrap().to_string();
    quire.quire(&["event", "dead", "resend", &number]);
    wait_for("its effect", || {
        let shown = quire.quire(&["notebook", "show", "again"]);
        (shown["state"] == "Failed" && shown["reason"] == "the letter said so").then_some(())
    });
    assert!(letters(&quire, &workload).is_empty());
    quire.quire(&["notebook", "delete", "again", "--yes"]);
}
