//! Idle notebooks are stopped; what works, or may work, never is.

use std::collections::BTreeSet;

use chrono::{SecondsFormat, TimeDelta};
use contracts::notebook::v1::{CreateNotebookRequest, Notebook, NotebookState};
use kernel::{Clock as _, Timestamp};
use testkit::{Engine, eventually};

use crate::edge::Answer;
use crate::house::{House, on};

fn text(at: Timestamp) -> String {
    at.to_rfc3339_opts(SecondsFormat::Micros, true)
}

/// Kernels and terminals as Jupyter tells of them: each with its state and last activity.
fn activities(kernels: &[(&str, Timestamp)], terminals: &[Timestamp]) -> Answer {
    let kernels: Vec<_> = kernels
        .iter()
        .map(|(state, at)| {
            format!(
                r#"{{"id": "k", "execution_state": "{state}", "last_activity": "{}"}}"#,
                text(*at)
            )
        })
        .collect();
    let terminals: Vec<_> = terminals
        .iter()
        .map(|at| format!(r#"{{"name": "1", "last_activity": "{}"}}"#, text(*at)))
        .collect();
    Answer::Activities(
        format!("[{}]", kernels.join(",")),
        format!("[{}]", terminals.join(",")),
    )
}

async fn running(house: &House, idle_seconds: Option<u32>) -> Notebook {
    let asked = CreateNotebookRequest {
        idle_timeout_seconds: idle_seconds,
        ..on("C3")
    };
    house.running(asked).await.0
}

/// Waits until each of these has been looked at again, twice: then a whole round has passed.
async fn a_round(house: &House, notebooks: &[&Notebook]) {
    for notebook in notebooks {
        let asked = || {
            house
                .edge
                .asked()
                .iter()
                .filter(|asked| asked.host == notebook.fqdn)
                .count()
        };
        let before = asked();
        eventually("two more looks", || async {
            (asked() >= before + 4).then_some(())
        })
        .await;
    }
}

/// A running notebook whose Jupyter answers so.
async fn that_answers(house: &House, idle_seconds: Option<u32>, answer: Answer) -> Notebook {
    let notebook = running(house, idle_seconds).await;
    house.edge.answers(&notebook.fqdn, answer);
    notebook
}

async fn what_rests_is_stopped(engine: Engine) {
    let house = House::open(engine).await;
    let start = house.clock.now();
    let resting = activities(&[("idle", start), ("dead", start)], &[start]);
    let idle = that_answers(&house, None, resting).await;
    let empty = that_answers(&house, Some(60), activities(&[], &[])).await;
    let patient = that_answers(&house, Some(0), activities(&[], &[])).await;
    house.advance(3_600);
    for notebook in [&idle, &empty] {
        let stopping = |seen: &Notebook| seen.reason == "stopping";
        let seen = house.until(&notebook.id, "its stop", stopping).await;
        assert_eq!(
            seen.state(),
            NotebookState::Running,
            "until its end is confirmed"
        );
    }
    let reasons = eventually("both orders", || async {
        let stops = house.scheduler.state().stops.clone();
        let reasons: BTreeSet<_> = stops.into_iter().map(|(_, reason)| reason).collect();
        (reasons.len() == 2).then_some(reasons)
    })
    .await;
    let expected = ["stopped: idle for 60 min", "stopped: idle for 60 s"];
    assert_eq!(reasons, expected.map(str::to_owned).into());

    let (of_idle, others): (Vec<_>, Vec<_>) = house
        .edge
        .asked()
        .into_iter()
        .partition(|asked| asked.host == idle.fqdn);
    assert_eq!(of_idle[0].authorization, format!("token {}", idle.token));
    assert!(of_idle.iter().any(|asked| asked.path == "/api/terminals"));
    assert!(
        others.iter().all(|asked| asked.host != patient.fqdn),
        "nobody asks what may rest for ever"
    );
    assert_eq!(house.notebook(&patient.id).await.reason, "");
}

async fn what_works_or_may_work_is_not(engine: Engine) {
    let house = House::open(engine).await;
    let start = house.clock.now();
    let lately = start + TimeDelta::seconds(2);
    let garbled = Answer::Activities("{}".to_owned(), "?".to_owned());
    let mut awake = Vec::new();
    for answer in [
        activities(&[("idle", start), ("busy", start)], &[]),
        activities(&[("starting", start)], &[]),
        Answer::BadGateway,
        Answer::HangUp,
        garbled,
    ] {
        awake.push(that_answers(&house, None, answer).await);
    }
    let mut recent = Vec::new();
    for answer in [
        activities(&[("idle", lately)], &[]),
        activities(&[("idle", start)], &[lately]),
    ] {
        recent.push(that_answers(&house, None, answer).await);
    }
    let all: Vec<_> = awake.iter().chain(&recent).collect();
    house.advance(3_600);
    a_round(&house, &all).await;
    for notebook in all {
        assert_eq!(house.notebook(&notebook.id).await.reason, "");
    }
    // Two seconds more, and the recent ones have rested long enough as well.
    house.advance(2);
    for notebook in &recent {
        let stopping = |seen: &Notebook| seen.reason == "stopping";
        house.until(&notebook.id, "its stop", stopping).await;
    }
    for notebook in &awake {
        assert_eq!(house.notebook(&notebook.id).await.reason, "");
    }
}

/// Edges tell of traffic on a plain subject.
async fn traffic_keeps_it_awake(engine: Engine) {
    let house = House::open(engine).await;
    let (used, other) = (running(&house, None).await, running(&house, None).await);
    let busy = activities(&[("busy", house.clock.now())], &[]);
    house.edge.answers(&used.fqdn, busy.clone());
    house.edge.answers(&other.fqdn, busy);
    house.advance(4_000);
    a_round(&house, &[&used, &other]).await;

    let heard = format!(
        r#"{{"notebooks": [{{"id": "{}", "last_traffic_at": "{}"}}]}}"#,
        used.id,
        text(house.clock.now() - TimeDelta::seconds(600))
    );
    let bus = house.bus().await;
    for message in ["not json", r#"{"notebooks": 7}"#, &heard] {
        bus.client()
            .publish(bus::edge_activity_subject(), message.to_owned().into())
            .await
            .unwrap();
    }
    bus.client().flush().await.unwrap();
    // Whoever has recent traffic need not be asked.
    eventually("the traffic to be heard", || async {
        let asked = house.edge.asked();
        asked
            .iter()
            .rev()
            .take(6)
            .all(|asked| asked.host == other.fqdn)
            .then_some(())
    })
    .await;
    let resting = activities(&[], &[]);
    house.edge.answers(&used.fqdn, resting.clone());
    house.edge.answers(&other.fqdn, resting);
    house
        .until(&other.id, "the other's stop", |seen| {
            seen.reason == "stopping"
        })
        .await;
    house.advance(2_999);
    assert_eq!(house.notebook(&used.id).await.reason, "");
    house.advance(1);
    house
        .until(&used.id, "its stop in the end", |seen| {
            seen.reason == "stopping"
        })
        .await;
}

/// A service that was away does not know what went on meanwhile.
async fn who_just_came_stops_nobody(engine: Engine) {
    let mut house = House::open(engine).await;
    let notebook = running(&house, None).await;
    let control = running(&house, Some(60)).await;
    for known in [&notebook, &control] {
        house.edge.answers(&known.fqdn, activities(&[], &[]));
    }
    house.stop_service().await;
    house.advance(86_400);
    house.start_service().await;
    house.advance(3_599);
    house
        .until(&control.id, "the control's stop", |seen| {
            seen.reason == "stopping"
        })
        .await;
    assert_eq!(house.notebook(&notebook.id).await.reason, "");
    house.advance(1);
    house
        .until(&notebook.id, "its stop in the end", |seen| {
            seen.reason == "stopping"
        })
        .await;
}

testkit::on_each_engine!(
    what_rests_is_stopped,
    what_works_or_may_work_is_not,
    traffic_keeps_it_awake,
    who_just_came_stops_nobody,
);
