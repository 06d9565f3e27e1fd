//! A machine that is chosen, swapped and restarted, a token that is rotated, files that outlive their notebook, and waiting that ends
//! without ending what was waited for: by the command line, with real Jupyter.

use std::process::{Command, Stdio};

use reqwest::Method;
use serde_json::Value;
use testkit::Lines;

use crate::installation::Installation;

fn text(value: &Value) -> &str {
    value
        .as_str()
        .unwrap_or_else(|| panic!("{value} is no text"))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_notebook_is_chosen_swapped_restarted_and_its_files_outlive_it() {
    let quire = Installation::shared();
    let created = chosen(&quire);
    let mut kernel = quire.jupyter(&created).kernel().await;
    let written = "open('kept.txt', 'w').write('still here')";
    assert_eq!(kernel.run(written).await, Ok(String::new()));
    drop(kernel);

    swapped(&quire);
    restarted(&quire);
    rotated(&quire, &created).await;
    let second = kept(&quire);
    let mut kernel = quire.jupyter(&second).kernel().await;
    assert_eq!(
        kernel.run("print(open('kept.txt').read())").await,
        Ok("still here".to_owned())
    );
    quire.quire(&["notebook", "delete", "heir", "--yes"]);
    let volumes = quire.quire(&["volume", "list"]);
    let left = volumes.as_array().unwrap().iter();
    assert_eq!(
        left.filter(|volume| volume["id"] == second["volumeId"] && volume["state"] == "ready")
            .count(),
        0
    );
}

/// By what it must have: first as a plan that makes nothing, then made.
fn chosen(quire: &Installation) -> Value {
    let asked = [
        "notebook",
        "create",
        "--name",
        "chosen",
        "--memory",
        "1GiB",
        "--shutdown-timeout",
        "2",
    ];
    let plan = quire.quire(&[&asked[..], &["--dry-run"]].concat());
    assert_eq!(
        plan["machineType"], "C2",
        "the cheapest that has it: {plan}"
    );
    assert_eq!(
        (&plan["pricePerHour"], &plan["mostMicros"]),
        (&Value::from("0.009"), &Value::from(18_000)),
        "two hours of it"
    );
    let none = quire.refusal(&["notebook", "show", "chosen"]);
    assert!(none.contains("\"chosen\" not found"), "{none}");

    let created = quire.quire(&asked);
    assert_eq!(
        (&created["machineType"], &created["state"]),
        (&plan["machineType"], &Value::from("Running"))
    );
    assert!(created["stopsAt"].is_string(), "{created}");
    let types = quire.quire(&["machine-type", "list"]);
    let of_it = |machine: &&Value| machine["name"] == "C2";
    let row = types.as_array().unwrap().iter().find(of_it).unwrap();
    assert!(row["freeNow"].as_u64() < row["total"].as_u64(), "{row}");
    assert_eq!(row["pricePerHour"], "0.009");
    assert!(
        types
            .as_array()
            .unwrap()
            .iter()
            .all(|machine| machine["available"] == true)
    );
    let all = quire.quire(&["machine-type", "list", "--all"]);
    assert!(
        all.as_array()
            .unwrap()
            .iter()
            .any(|machine| machine["available"] == false)
    );
    created
}

/// Not while it runs; then the next start has the other machine, and the list tells what both cost.
fn swapped(quire: &Installation) {
    let to_c3 = ["notebook", "update", "chosen", "--machine-type", "C3"];
    let refused = quire.refusal(&to_c3);
    assert!(
        refused.contains("\"quire notebook stop chosen\" first"),
        "{refused}"
    );
    quire.quire(&["notebook", "stop", "chosen"]);
    assert_eq!(quire.quire(&to_c3)["machineType"], "C3");
    let started = quire.quire(&["notebook", "start", "chosen"]);
    assert_eq!(started["pricePerHour"], "0.018");
    let (first, second) = testkit::wait_for("both runs in the list", || {
        let usage = quire.quire(&["usage"]);
        let lines = usage["lines"].as_array().unwrap().iter();
        let own: Vec<_> = lines
            .filter(|line| line["resourceName"] == "chosen")
            .collect();
        let machines: Vec<_> = own.iter().map(|line| text(&line["machineType"])).collect();
        (machines == ["C2", "C3"]).then(|| (own[0].clone(), own[1].clone()))
    });
    let shown = quire.quire(&["notebook", "show", "chosen"]);
    let run = shown["runCostMicros"].as_i64().unwrap();
    assert!(run >= second["amountMicros"].as_i64().unwrap(), "{shown}");
    assert_eq!(
        shown["costMicros"].as_i64().unwrap(),
        first["amountMicros"].as_i64().unwrap() + run,
        "{shown}"
    );
}

/// One wish: it runs again, as another start.
fn restarted(quire: &Installation) {
    let before = quire.quire(&["notebook", "show", "chosen"]);
    let after = quire.quire(&["notebook", "restart", "chosen"]);
    assert_eq!(after["state"], "Running");
    assert_ne!(after["startedAt"], before["startedAt"]);
    assert_eq!(after["volumeId"], before["volumeId"]);
}

/// The old token opens nothing any more.
async fn rotated(quire: &Installation, before: &Value) {
    let old = quire.jupyter(before);
    let status = || old.request(Method::GET, "/api/status", None);
    assert_eq!(status().await.status(), 200);
    let rotated = quire.quire(&["notebook", "token", "chosen", "--rotate"]);
    assert_ne!(rotated["token"], before["token"]);
    let new = quire.jupyter(&rotated);
    // The edge hears of it from the bus, which the answer does not wait for.
    testkit::eventually("the new token to open", || async {
        let answer = new.request(Method::GET, "/api/status", None).await;
        (answer.status() == 200).then_some(())
    })
    .await;
    assert_eq!(status().await.status(), 401);
    assert_eq!(
        quire.quire(&["notebook", "show", "chosen"])["token"],
        rotated["token"]
    );
}

/// Deleted without its files, which another notebook goes on with.
fn kept(quire: &Installation) -> Value {
    let unasked = quire.refusal(&["notebook", "delete", "chosen"]);
    assert!(
        unasked.contains("pass --yes") && unasked.contains("chosen"),
        "{unasked}"
    );
    let deleted = quire.quire(&["notebook", "delete", "chosen", "--yes", "--keep-volume"]);
    let volume = text(&deleted["keptVolumeId"]).to_owned();
    let shown = quire.quire(&["volume", "show", &volume]);
    assert_eq!(
        (&shown["ownerId"], &shown["label"]),
        (&Value::from(""), &Value::from("files of chosen"))
    );
    let heir = quire.quire(&["notebook", "create", "--name", "heir", "--volume", &volume]);
    assert_eq!(text(&heir["volumeId"]), volume);
    let used = quire.refusal(&["volume", "delete", &volume, "--yes"]);
    assert!(
        used.contains(&format!("holds the files of {}", text(&heir["id"]))),
        "{used}"
    );
    heir
}

#[test]
fn ctrl_c_ends_the_waiting_and_nothing_else() {
    let quire = Installation::shared();
    let mut waiting = quire
        .command()
        .args(["notebook", "create", "--name", "patient"])
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let said = Lines::of(waiting.stderr.take().unwrap());
    // It tells how it comes along as soon as it waits.
    let waits = |line: &str| line.starts_with("Pending") || line.starts_with("Provisioned");
    while !waits(&said.next("a wait").expect("it never waited")) {}
    let pid = waiting.id().to_string();
    assert!(
        Command::new("kill")
            .args(["-INT", &pid])
            .status()
            .unwrap()
            .success()
    );
    let rest: Vec<String> = std::iter::from_fn(|| said.next("its end")).collect();
    assert_eq!(waiting.wait().unwrap().code(), Some(130), "{rest:?}");
    let last = rest.last().unwrap();
    assert!(
        last.contains("stopped waiting; patient goes on starting: see \"quire why patient\""),
        "{last}"
    );
    let shown = quire.quire(&["notebook", "show", "patient"]);
    let goes_on = ["Pending", "Provisioned", "Running"];
    assert!(goes_on.contains(&text(&shown["state"])), "{shown}");
    // A start leaves what is wanted running as it is, and waits as long as an environment may take.
    let running = quire.quire(&["notebook", "start", "patient"]);
    assert_eq!(running["state"], "Running");
    let stopping = quire.quire(&["notebook", "stop", "patient", "--no-wait"]);
    assert_eq!(stopping["reason"], "stopping");
    quire.quire(&["notebook", "delete", "patient", "--yes"]);
}

#[test]
fn wrong_choices_are_refused_in_words() {
    let quire = Installation::shared();
    let cases: [(&[&str], &str); 8] = [
        (
            &["notebook", "create", "--gpu", "0"],
            "\"0\" is not a number of GPUs",
        ),
        (
            &["notebook", "create", "--gpu", "nosuch:1"],
            "\"nosuch\" is no GPU model that is known",
        ),
        (
            &["notebook", "create", "--gpu", "H100:8"],
            "no available machine type has 8 x H100; nearest: H100x8",
        ),
        (
            &["notebook", "create", "--memory", "16XB"],
            "\"16XB\" is not an amount; write 512MiB",
        ),
        (
            &["notebook", "create", "--gpu", "1", "--machine-type", "C3"],
            "cannot be used with",
        ),
        (&["notebook", "update", "first"], "--name"),
        (&["notebook", "create", "--volume", "vo-1"], "id: "),
        (
            &["volume", "delete", "vo-1", "--yes"],
            "volume \"vo-1\" not found",
        ),
    ];
    for (arguments, expected) in cases {
        let said = quire.refusal(arguments);
        assert!(said.contains(expected), "{arguments:?} said {said}");
    }
    for shell in ["bash", "zsh", "fish"] {
        let script = quire.try_quire(&["completion", shell]);
        let script = String::from_utf8(script.stdout).unwrap();
        assert!(script.contains("keep-volume"), "{shell}");
    }
}
