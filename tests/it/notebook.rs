//! The way that everything else stands on: a notebook made, used, stopped, started again with its files, and paid to the
//! micro-unit.

use serde_json::Value;

use crate::installation::Installation;
use crate::split::SERVICES;

fn number(value: &Value) -> i64 {
    value
        .as_i64()
        .unwrap_or_else(|| panic!("{value} is no number"))
}

/// What `milliseconds` cost at 0.018 per hour, in millionths: the price of a C3.
fn c3(milliseconds: i64) -> i64 {
    milliseconds * 18_000 / 3_600_000
}

#[tokio::test(flavor = "multi_thread")]
async fn a_notebook_keeps_its_files_and_costs_what_it_ran() {
    let quire = Installation::shared();
    live_through_a_notebook(&quire).await;
    delete_it(&quire);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_with_every_service_a_process_of_its_own() {
    let mut quire = Installation::start_split();
    let spent = live_through_a_notebook(&quire).await;
    // Nobody else is there: the invoice is of this notebook alone.
    let invoice = quire.quire(&["invoice", "show"]);
    assert_eq!(sum(&invoice, "exactMicros"), spent);
    let collector = quire.split().collector();
    collector.wait_for_a_start().await;
    collector.wait_for_counts().await;
    for program in SERVICES.into_iter().chain(["edge", "gateway"]) {
        assert!(quire.split().is_healthy(program), "{program}");
    }
    quire.split().kill("gateway");
    assert!(!quire.split().is_healthy("gateway"));
    quire.split().restart("gateway");
    testkit::wait_for("the gateway to be back", || {
        quire.split().is_healthy("gateway").then_some(())
    });
    delete_it(&quire);
}

/// Gives what it cost, in micro-units.
async fn live_through_a_notebook(quire: &Installation) -> i64 {
    let created = quire.quire(&[
        "notebook",
        "create",
        "--name",
        "first",
        "--machine-type",
        "c3",
    ]);
    assert_eq!(created["state"], "Running");
    assert_eq!(created["machineType"], "C3");

    let jupyter = quire.jupyter(&created);
    assert!(jupyter.get("/api/status").await["kernels"].is_number());
    let mut kernel = jupyter.kernel().await;
    assert_eq!(kernel.run("print(6 * 7)").await, Ok("42".to_owned()));
    let written = "open('kept.txt', 'w').write('still here')";
    assert_eq!(kernel.run(written).await, Ok(String::new()));

    let stopped = quire.quire(&["notebook", "stop", "first"]);
    assert_eq!(stopped["state"], "Stopped");
    let answer = jupyter
        .request(reqwest::Method::GET, "/api/status", None)
        .await;
    assert_eq!(answer.status(), 503, "a stopped notebook does not answer");

    let started = quire.quire(&["notebook", "start", "first"]);
    assert_eq!(started["url"], created["url"], "the address never changes");
    assert_eq!(started["token"], created["token"]);
    let mut kernel = jupyter.kernel().await;
    assert_eq!(
        kernel.run("print(open('kept.txt').read())").await,
        Ok("still here".to_owned())
    );
    quire.quire(&["notebook", "stop", "first"]);

    check_money(quire, created["id"].as_str().unwrap())
}

fn delete_it(quire: &Installation) {
    quire.quire(&["notebook", "delete", "first", "--yes"]);
    let gone = quire.refusal(&["notebook", "show", "first"]);
    assert!(gone.contains("notebook \"first\" not found"), "{gone}");
}

/// The sum of a column of an invoice's lines.
fn sum(invoice: &Value, column: &str) -> i64 {
    let lines = invoice["lines"].as_array().unwrap();
    lines.iter().map(|line| number(&line[column])).sum()
}

/// Both runs are billed for exactly as long as they ran, and everything that is owed can be proved. Gives what they cost.
fn check_money(quire: &Installation, notebook: &str) -> i64 {
    let usage = testkit::wait_for("both runs in the usage", || {
        let usage = quire.quire(&["usage"]);
        let lines = usage["lines"].as_array().unwrap();
        let own: Vec<Value> = lines
            .iter()
            .filter(|line| line["resourceId"] == notebook)
            .cloned()
            .collect();
        (own.len() == 2 && own.iter().all(|line| line["running"] == false)).then_some(own)
    });
    for line in &usage {
        assert_eq!(line["pricePerHour"], "0.018");
        assert!(number(&line["milliseconds"]) > 0);
        assert_eq!(
            number(&line["amountMicros"]),
            c3(number(&line["milliseconds"]))
        );
    }
    let invoice = quire.quire(&["invoice", "show"]);
    let total = sum(&invoice, "amountMicros");
    assert_eq!(number(&invoice["totalMicros"]), total);
    let rounding = sum(&invoice, "exactMicros") - total;
    assert_eq!(number(&invoice["roundingMicros"]), rounding);
    let audit = quire.quire(&["audit"]);
    assert_eq!(audit["differences"], serde_json::json!([]));
    assert!(number(&audit["attempts"]) >= 2);
    usage.iter().map(|line| number(&line["amountMicros"])).sum()
}

#[test]
fn wrong_input_is_refused_in_words() {
    let quire = Installation::shared();
    let cases: [(&[&str], &str); 6] = [
        (
            &["notebook", "create", "--machine-type", "Z9"],
            "machine_type: \"Z9\" is unknown; types that fit here:",
        ),
        (
            &["notebook", "create", "--machine-type", "H100x8"],
            "no node could ever host",
        ),
        (
            &["notebook", "create", "--environment", "nope"],
            "environment: \"nope\" is unknown; there are",
        ),
        (
            &["notebook", "show", "nothing"],
            "notebook \"nothing\" not found",
        ),
        (
            &["usage", "--from", "yesterday"],
            "--from: \"yesterday\" is not a time",
        ),
        (&["invoice", "show", "--month", "2026-13"], "month"),
    ];
    for (arguments, expected) in cases {
        let said = quire.refusal(arguments);
        assert!(said.contains(expected), "{arguments:?} said {said}");
    }
    let name = "x".repeat(100_000);
    let said = quire.refusal(&["notebook", "create", "--name", &name]);
    assert!(
        said.contains("name: has 100000 characters; 1 to 100 are allowed"),
        "{said}"
    );
    assert_eq!(
        quire
            .quire(&["notebook", "list"])
            .as_array()
            .map(|all| all.iter().filter(|one| one["name"] == name).count()),
        Some(0)
    );
}

#[test]
fn teams_do_not_see_each_other() {
    let quire = Installation::shared();
    let team = quire.quire(&["team", "create", "other-lab"]);
    let profile = quire.profile("other-lab");
    let login = quire.login(&profile, team["key"].as_str().unwrap());
    assert!(
        login.status.success(),
        "{}",
        String::from_utf8_lossy(&login.stderr)
    );
    let listed = quire.quire_as(&profile, &["notebook", "list", "--output", "json"]);
    assert_eq!(String::from_utf8_lossy(&listed.stdout).trim(), "[]");

    let wrong = quire.login(&quire.profile("wrong"), "qk_wrong");
    assert!(!wrong.status.success());
    let said = String::from_utf8_lossy(&wrong.stderr).into_owned();
    assert!(said.contains("api-key: "), "{said}");
    assert!(said.contains("log in with"), "{said}");
}
