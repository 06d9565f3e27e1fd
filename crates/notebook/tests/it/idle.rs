//! Idle notebooks are warned and stopped; what works, or may work, never is.

use std::collections::BTreeSet;

use bus::Route;
use chrono::{SecondsFormat, TimeDelta};
use contracts::notebook::v1::{CreateNotebookRequest, Notebook, NotebookIdleWarned, NotebookState};
use kernel::{Clock as _, Timestamp};
use testkit::{Engine, eventually};

use crate::edge::Answer;
use crate::house::{House, on};

fn text(at: Timestamp) -> String {
    at.to_rfc3339_opts(SecondsFormat::Micros, true)
}

/// What an agent measured of a workload that has rested since its beginning: a hundred hours.
pub(crate) const RESTING: &str =
    r#"{"signs": [{"name": "CPU", "idle_ms": 360000000, "detail": "0.1 % of one core"}]}"#;

/// Kernels and terminals as Jupyter tells of them, each with its state and last activity, and signs as an agent does.
fn answers(kernels: &[(&str, Timestamp)], terminals: &[Timestamp], signs: &str) -> Answer {
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
        signs.to_owned(),
    )
}

pub(crate) fn activities(kernels: &[(&str, Timestamp)], terminals: &[Timestamp]) -> Answer {
    answers(kernels, terminals, RESTING)
}

pub(crate) async fn running(house: &House, idle_seconds: Option<u32>) -> Notebook {
    let asked = CreateNotebookRequest {
        idle_timeout_seconds: idle_seconds,
        ..on("C3")
    };
    house.running(asked).await.0
}

/// Waits until each of these has been looked at again, twice: then a whole round has passed.
pub(crate) async fn a_round(house: &House, notebooks: &[&Notebook]) {
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
            (asked() >= before + 6).then_some(())
        })
        .await;
    }
}

/// A running notebook whose Jupyter answers so.
pub(crate) async fn that_answers(
    house: &House,
    idle_seconds: Option<u32>,
    answer: Answer,
) -> Notebook {
    let notebook = running(house, idle_seconds).await;
    house.edge.answers(&notebook.fqdn, answer);
    notebook
}

pub(crate) async fn warned(house: &House, notebook: &Notebook) -> Notebook {
    let is_warned = |seen: &Notebook| seen.stops_at.is_some();
    house.until(&notebook.id, "its warning", is_warned).await
}

pub(crate) async fn stopping(house: &House, notebook: &Notebook) -> Notebook {
    let is_stopping = |seen: &Notebook| seen.reason == "stopping";
    house.until(&notebook.id, "its stop", is_stopping).await
}

async fn what_rests_is_warned_and_stopped(engine: Engine) {
    let house = House::open(engine).await;
    let start = house.clock.now();
    let resting = activities(&[("idle", start), ("dead", start)], &[start]);
    let idle = that_answers(&house, None, resting).await;
    let empty = that_answers(&house, Some(60), activities(&[], &[])).await;
    let patient = that_answers(&house, Some(0), activities(&[], &[])).await;
    house.advance(3_300);
    for (notebook, in_seconds) in [(&idle, 300), (&empty, 6)] {
        let seen = warned(&house, notebook).await;
        let expected = contracts::to_wire_time(house.clock.now() + TimeDelta::seconds(in_seconds));
        assert_eq!(seen.stops_at, Some(expected));
        assert!(
            seen.stops_because
                .starts_with("its kernels, terminals, CPU and visitors have been idle since "),
            "{}",
            seen.stops_because
        );
        let told = |route: &Route| route.idle.stops_at.is_some();
        let route = house.route_when(&notebook.id, "its door", told).await;
        assert_eq!(
            (&route.idle.because, route.idle.costs.as_str()),
            (&seen.stops_because, "0.018 USD")
        );
    }
    house.advance(300);
    for notebook in [&idle, &empty] {
        let seen = stopping(&house, notebook).await;
        assert_eq!(
            seen.state(),
            NotebookState::Running,
            "until its end is confirmed"
        );
        assert_eq!((seen.stops_at, seen.stops_because.as_str()), (None, ""));
    }
    let reasons = eventually("both orders", || async {
        let stops = house.scheduler.state().stops.clone();
        let reasons: BTreeSet<_> = stops.into_iter().map(|(_, reason)| reason).collect();
        (reasons.len() == 2).then_some(reasons)
    })
    .await;
    let expected = ["stopped: idle for 60 min", "stopped: idle for 60 s"];
    assert_eq!(reasons, expected.map(str::to_owned).into());

    // Each was warned once, before.
    let said = eventually("both warnings", || async {
        let events: Vec<NotebookIdleWarned> = house.nats.events().await;
        let said = events.into_iter().map(|event| event.notebook.unwrap());
        Some(said.collect::<Vec<_>>()).filter(|said| said.len() >= 2)
    })
    .await;
    let about: BTreeSet<_> = said.iter().map(|notebook| notebook.id.clone()).collect();
    assert_eq!(about, [idle.id.clone(), empty.id.clone()].into());
    assert_eq!(said.len(), 2);
    assert!(
        said.iter()
            .all(|told| told.stops_at.is_some() && told.token.is_empty())
    );

    let (of_idle, others): (Vec<_>, Vec<_>) = house
        .edge
        .asked()
        .into_iter()
        .partition(|asked| asked.host == idle.fqdn);
    assert_eq!(of_idle[0].authorization, format!("token {}", idle.token));
    let paths: BTreeSet<_> = of_idle.iter().map(|asked| asked.path.as_str()).collect();
    assert_eq!(
        paths,
        ["/.quire/signs", "/api/kernels", "/api/terminals"].into()
    );
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
    let rests = [("idle", start)];
    let measured = |idle_ms: &str| {
        let signs =
            format!(r#"{{"signs": [{{"name": "CPU", "idle_ms": {idle_ms}, "detail": "some"}}]}}"#);
        answers(&rests, &[], &signs)
    };
    let garbled = Answer::Activities("{}".to_owned(), "?".to_owned(), String::new());
    let mut awake = Vec::new();
    for answer in [
        activities(&[("idle", start), ("busy", start)], &[]),
        activities(&[("starting", start)], &[]),
        measured("0"),
        measured("null"),
        answers(&rests, &[], "not json"),
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
    house.advance(3_300);
    a_round(&house, &all).await;
    for notebook in all {
        assert_eq!(house.notebook(&notebook.id).await.stops_at, None);
    }
    // Two seconds more, and the recent ones have rested long enough as well.
    house.advance(2);
    for notebook in &recent {
        warned(&house, notebook).await;
    }
    house.advance(300);
    for notebook in &recent {
        stopping(&house, notebook).await;
    }
    // However long: what works stays.
    house.advance(86_400);
    a_round(&house, &awake.iter().collect::<Vec<_>>()).await;
    for notebook in &awake {
        let seen = house.notebook(&notebook.id).await;
        assert_eq!((seen.reason.as_str(), seen.stops_at), ("", None));
    }
}

/// A warning is taken back when somebody works, or nobody can say.
async fn who_works_again_is_not_stopped(engine: Engine) {
    let house = House::open(engine).await;
    let start = house.clock.now();
    let mut back = Vec::new();
    for again in [
        activities(&[("busy", start)], &[]),
        Answer::BadGateway,
        activities(&[("idle", start + TimeDelta::seconds(3_400))], &[]),
    ] {
        let notebook = that_answers(&house, None, activities(&[("idle", start)], &[])).await;
        back.push((notebook, again));
    }
    house.advance(3_300);
    for (notebook, again) in &back {
        warned(&house, notebook).await;
        house.edge.answers(&notebook.fqdn, again.clone());
        let taken_back = |seen: &Notebook| seen.stops_at.is_none();
        let seen = house.until(&notebook.id, "its end", taken_back).await;
        assert_eq!(seen.stops_because, "");
    }
    house.advance(301);
    let all: Vec<_> = back.iter().take(2).map(|(notebook, _)| notebook).collect();
    a_round(&house, &all).await;
    for (notebook, _) in &back {
        assert_eq!(house.notebook(&notebook.id).await.reason, "");
    }
}

/// Edges tell of visitors on a plain subject; what only an open page asks for is not among it.
async fn visitors_keep_it_awake(engine: Engine) {
    let house = House::open(engine).await;
    let (used, other) = (running(&house, None).await, running(&house, None).await);
    let busy = activities(&[("busy", house.clock.now())], &[]);
    house.edge.answers(&used.fqdn, busy.clone());
    house.edge.answers(&other.fqdn, busy);
    house.advance(4_000);
    a_round(&house, &[&used, &other]).await;

    let now = house.clock.now();
    let heard = format!(
        r#"{{"notebooks": [{{"id": "{}", "last_traffic_at": "{}", "last_use_at": "{}"}},
            {{"id": "{}", "last_traffic_at": "{}", "last_use_at": null}}]}}"#,
        used.id,
        text(now),
        text(now - TimeDelta::seconds(600)),
        other.id,
        text(now),
    );
    let bus = house.bus().await;
    for message in ["not json", r#"{"notebooks": 7}"#, &heard] {
        bus.client()
            .publish(bus::edge_activity_subject(), message.to_owned().into())
            .await
            .unwrap();
    }
    bus.client().flush().await.unwrap();
    // Whoever has recent visitors need not be asked.
    eventually("the visitors to be heard of", || async {
        let asked = house.edge.asked();
        asked
            .iter()
            .rev()
            .take(9)
            .all(|asked| asked.host == other.fqdn)
            .then_some(())
    })
    .await;
    let resting = activities(&[], &[]);
    house.edge.answers(&used.fqdn, resting.clone());
    house.edge.answers(&other.fqdn, resting);
    warned(&house, &other).await;
    house.advance(300);
    stopping(&house, &other).await;
    house.advance(2_399);
    assert_eq!(house.notebook(&used.id).await.stops_at, None);
    house.advance(1);
    warned(&house, &used).await;
    house.advance(300);
    stopping(&house, &used).await;
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
    house.advance(3_299);
    warned(&house, &control).await;
    assert_eq!(house.notebook(&notebook.id).await.stops_at, None);
    house.advance(1);
    warned(&house, &notebook).await;
}

/// People can see what is looked at.
async fn why_tells_the_signs(engine: Engine) {
    let house = House::open(engine).await;
    let start = house.clock.now();
    let busy = activities(&[("idle", start), ("busy", start)], &[]);
    let notebook = that_answers(&house, None, busy).await;
    let why = house.explain(&notebook.id).await;
    for detail in [
        "kernels: 1 of 2 busy",
        "terminals: none",
        "CPU: 0.1 % of one core",
    ] {
        assert!(why.details.iter().any(|seen| seen == detail), "{why:?}");
    }
    house
        .edge
        .answers(&notebook.fqdn, activities(&[("idle", start)], &[]));
    house.advance(3_300);
    warned(&house, &notebook).await;
    let why = house.explain(&notebook.id).await;
    assert!(why.summary.starts_with("will stop at "), "{why:?}");
    assert!(
        why.summary.contains(" because its kernels, terminals, "),
        "{why:?}"
    );
}

testkit::on_each_engine!(
    what_rests_is_warned_and_stopped,
    what_works_or_may_work_is_not,
    who_works_again_is_not_stopped,
    visitors_keep_it_awake,
    who_just_came_stops_nobody,
    why_tells_the_signs,
);
