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

async fn only_what_rests_is_stopped(engine: Engine) {
    let house = House::open(engine).await;
    let start = house.clock.now();
    let idle = running(&house, None).await;
    let empty = running(&house, Some(60)).await;
    let busy = running(&house, None).await;
    let unreachable = running(&house, None).await;
    let broken = running(&house, None).await;
    let garbled = running(&house, None).await;
    let recent_kernel = running(&house, None).await;
    let recent_terminal = running(&house, None).await;
    let patient = running(&house, Some(0)).await;
    house.edge.answers(
        &idle.fqdn,
        activities(&[("idle", start), ("dead", start)], &[start]),
    );
    house.edge.answers(&empty.fqdn, activities(&[], &[]));
    house.edge.answers(
        &busy.fqdn,
        activities(&[("idle", start), ("busy", start)], &[]),
    );
    house.edge.answers(&unreachable.fqdn, Answer::BadGateway);
    house.edge.answers(&broken.fqdn, Answer::HangUp);
    house.edge.answers(
        &garbled.fqdn,
        Answer::Activities("{}".to_owned(), "?".to_owned()),
    );
    let lately = start + TimeDelta::seconds(2);
    house
        .edge
        .answers(&recent_kernel.fqdn, activities(&[("idle", lately)], &[]));
    house.edge.answers(
        &recent_terminal.fqdn,
        activities(&[("idle", start)], &[lately]),
    );
    house.edge.answers(&patient.fqdn, activities(&[], &[]));
    house.advance(3_600);

    let stopped = house
        .until(&idle.id, "the idle one's stop", |seen| {
            seen.reason == "stopping"
        })
        .await;
    assert_eq!(
        stopped.state(),
        NotebookState::Running,
        "until its end is confirmed"
    );
    house
        .until(&empty.id, "the empty one's stop", |seen| {
            seen.reason == "stopping"
        })
        .await;
    let reasons = eventually("both orders", || async {
        let stops = house.scheduler.state().stops.clone();
        let reasons: BTreeSet<_> = stops.into_iter().map(|(_, reason)| reason).collect();
        (reasons.len() == 2).then_some(reasons)
    })
    .await;
    assert_eq!(
        reasons,
        ["stopped: idle for 60 min", "stopped: idle for 60 s"]
            .map(str::to_owned)
            .into()
    );

    a_round(
        &house,
        &[
            &busy,
            &unreachable,
            &broken,
            &garbled,
            &recent_kernel,
            &recent_terminal,
        ],
    )
    .await;
    for notebook in [
        &busy,
        &unreachable,
        &broken,
        &garbled,
        &recent_kernel,
        &recent_terminal,
        &patient,
    ] {
        assert_eq!(house.notebook(&notebook.id).await.reason, "");
    }
    let questions: Vec<_> = house
        .edge
        .asked()
        .into_iter()
        .filter(|asked| asked.host == idle.fqdn)
        .collect();
    assert_eq!(questions[0].authorization, format!("token {}", idle.token));
    assert!(questions.iter().any(|asked| asked.path == "/api/terminals"));
    assert!(
        house
            .edge
            .asked()
            .iter()
            .all(|asked| asked.host != patient.fqdn),
        "nobody asks what may rest for ever"
    );

    // A second more, and two of them have rested long enough as well.
    house.advance(2);
    for notebook in [&recent_kernel, &recent_terminal] {
        house
            .until(&notebook.id, "its stop", |seen| seen.reason == "stopping")
            .await;
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
    only_what_rests_is_stopped,
    traffic_keeps_it_awake,
    who_just_came_stops_nobody,
);
