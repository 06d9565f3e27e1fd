//! Idle truth on real Jupyter: a silent cell is never stopped, an open tab on an idle kernel is, an abandoned kernel is, and what
//! cannot be looked at is not; the warning and the extension arrive.

use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use reqwest::Method;
use serde_json::{Value, json};
use tokio::task::JoinHandle;

use crate::installation::Installation;
use crate::jupyter::{Jupyter, Kernel};
use crate::rest::{Rest, patiently};
use crate::wiring::Wiring;

/// Idle is looked for often, so that a test need not wait longer.
const QUICK: [(&str, &str, &str); 2] = [
    ("notebook", "IDLE_MS", "500"),
    ("agent", "MEASURE_MS", "1000"),
];
/// Notebooks of this test are stopped after so long without activity.
const IDLE_SECONDS: u64 = 30;

/// A running notebook with a kernel, and its user's connection to it.
struct Used {
    id: String,
    jupyter: Jupyter,
    kernel: Kernel,
}

async fn use_one(rest: &Rest, name: &str) -> Used {
    let new = json!({"name": name, "machineType": "C3", "idleTimeoutSeconds": IDLE_SECONDS, "requestId": name});
    let (status, made) = rest.insist(Method::POST, "/v1/notebooks", Some(&new)).await;
    assert_eq!(status, 200, "{made}");
    let id = made["id"].as_str().unwrap().to_owned();
    rest.wait_for(&id, "Running").await;
    let jupyter = rest.jupyter(&made);
    patiently("its first kernel", || async {
        let answer = jupyter.try_get("/api/kernels").await.ok()?;
        answer.status().is_success().then_some(())
    })
    .await;
    let mut kernel = jupyter.kernel().await;
    assert_eq!(kernel.run("print(1)").await, Ok("1".to_owned()));
    Used {
        id,
        jupyter,
        kernel,
    }
}

/// `JupyterLab` offers its pages the notice, whose script comes from the door.
async fn the_page_has_the_notice(jupyter: &Jupyter) {
    let page = jupyter.try_get("/lab").await.unwrap().text().await.unwrap();
    let begin = page.find("\"federated_extensions\"").expect(&page);
    let script = "../../../.quire/notice.js";
    assert!(page[begin..].contains(script), "{page}");
    // As a page sees it.
    let path = format!("/lab/extensions/quire-idle/{script}");
    let answer = jupyter.try_get(&path).await.unwrap();
    assert_eq!(answer.url().path(), "/.quire/notice.js");
    assert_eq!(answer.status(), 200);
}

async fn status(rest: &Rest, id: &str) -> Value {
    let path = format!("/v1/notebooks/{id}/status");
    rest.insist(Method::GET, &path, None).await.1
}

/// What is known of a notebook, once it has been warned.
async fn warned(rest: &Rest, id: &str) -> Value {
    patiently("a warning", || async {
        let seen = status(rest, id).await;
        seen["stopsAt"].is_string().then_some(seen)
    })
    .await
}

/// A tab that is open: its WebSocket answers pings, and it asks for news.
fn open_tab(used: Used) -> JoinHandle<()> {
    let Used {
        jupyter,
        mut kernel,
        ..
    } = used;
    tokio::spawn(async move {
        let mut news = tokio::time::interval(Duration::from_secs(2));
        loop {
            tokio::select! {
                open = kernel.hear() => if !open { return },
                _ = news.tick() => for path in ["kernels", "sessions", "terminals", "status", "contents"] {
                    jupyter.try_get(&format!("/api/{path}")).await.ok();
                }
            }
        }
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn only_what_nobody_uses_is_stopped() {
    let mut quire = Installation::start_wired(Wiring {
        settings: QUICK.into(),
        ..Wiring::default()
    });
    let rest = Rest::of(&quire);
    let Used {
        id: busy,
        jupyter: busy_jupyter,
        kernel: mut busy_kernel,
    } = use_one(&rest, "busy").await;
    let silent = "import time, pathlib\nwhile not pathlib.Path('enough').exists(): time.sleep(1)";
    let cell = tokio::spawn(async move { busy_kernel.run(silent).await });
    let began = Instant::now();
    let open = use_one(&rest, "open").await;
    the_page_has_the_notice(&open.jupyter).await;
    let open_id = open.id.clone();
    let tab = open_tab(open);
    let abandoned = use_one(&rest, "abandoned").await;
    let abandoned_id = abandoned.id.clone();
    drop(abandoned);

    the_warning_is_told_and_the_extension_arrives(&quire, &rest, &abandoned_id).await;
    for id in [&open_id, &abandoned_id] {
        rest.wait_for(id, "Stopped").await;
        assert_eq!(status(&rest, id).await["reason"], "stopped: idle for 30 s");
    }
    // It was open until its notebook ended.
    tab.await.unwrap();
    // All that time one kernel was silent, and busy.
    assert!(began.elapsed().as_secs() > 2 * IDLE_SECONDS);
    let seen = status(&rest, &busy).await;
    assert_eq!(
        (&seen["state"], &seen["stopsAt"]),
        (&json!("Running"), &Value::Null)
    );
    let details = seen["details"].to_string();
    assert!(details.contains("kernels: 1 of 1 busy"), "{details}");
    let enough = json!({"type": "file", "format": "text", "content": ""});
    let written = busy_jupyter.try_put("/api/contents/enough", &enough).await;
    assert!(written.unwrap().status().is_success());
    assert_eq!(cell.await.unwrap(), Ok(String::new()));

    what_cannot_be_looked_at_is_not_stopped(&mut quire, &rest, &busy).await;
}

async fn the_warning_is_told_and_the_extension_arrives(
    quire: &Installation,
    rest: &Rest,
    id: &str,
) {
    let seen = warned(rest, id).await;
    let because = seen["stopsBecause"].as_str().unwrap();
    assert!(
        because.starts_with("its kernels, terminals, CPU, network, "),
        "{because}"
    );
    assert!(because.contains(" have been idle since "), "{because}");
    let shown = quire.try_quire(&["notebook", "show", id]);
    let shown = String::from_utf8_lossy(&shown.stdout).into_owned();
    assert!(
        shown.contains(&format!("because {because}, costs 0.018 USD an hour")),
        "{shown}"
    );

    let kept = quire.quire(&["notebook", "extend", id, "--for", "1m"]);
    let seen = status(rest, id).await;
    assert_eq!(
        (&seen["keptUntil"], &seen["stopsAt"]),
        (&kept["keptUntil"], &Value::Null)
    );
    let again = warned(rest, id).await;
    // Later by the time between two looks: whoever is warned is warned for the whole time.
    let at = |time: &Value| -> DateTime<Utc> { time.as_str().unwrap().parse().unwrap() };
    assert!(
        at(&again["stopsAt"]) >= at(&kept["keptUntil"]),
        "not before the extension is over: {again}"
    );
    let told = patiently(
        "both warnings and the extension in the timeline",
        || async {
            let types = ["--type", "NotebookIdleWarned", "--type", "NotebookExtended"];
            let tail = ["event", "tail", "--no-follow", "--object", id];
            let events = quire.quire(&[&tail[..], &types[..]].concat());
            Some(events).filter(|events| events.as_array().is_some_and(|all| all.len() >= 3))
        },
    )
    .await;
    let summaries: Vec<_> = told
        .as_array()
        .unwrap()
        .iter()
        .map(|event| event["summary"].as_str().unwrap())
        .collect();
    assert!(
        summaries[0].contains("will stop at") && summaries[2].contains("will stop at"),
        "{summaries:?}"
    );
    assert!(summaries[1].contains("is kept until"), "{summaries:?}");
}

/// Nobody uses it any more, but its agent is dead: nothing is measured, and what is not known counts as activity.
async fn what_cannot_be_looked_at_is_not_stopped(quire: &mut Installation, rest: &Rest, id: &str) {
    quire.split().kill("agent");
    let dark = Instant::now();
    patiently("twice the time without activity", || async {
        let seen = status(rest, id).await;
        assert_eq!(
            (&seen["state"], &seen["stopsAt"]),
            (&json!("Running"), &Value::Null)
        );
        (dark.elapsed().as_secs() > 2 * IDLE_SECONDS).then_some(())
    })
    .await;
    let details = status(rest, id).await["details"].to_string();
    assert!(
        details.contains("use of the machine: not known"),
        "{details}"
    );
    // Seen again, it is found to rest: only the darkness kept it.
    quire.split().restart("agent");
    warned(rest, id).await;
    rest.wait_for(id, "Stopped").await;
}
