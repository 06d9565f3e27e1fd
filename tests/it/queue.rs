//! Queues on the command line, by an operator: whose work waits where, who would gain and lose, and who does.

use serde_json::Value;
use testkit::wait_for;

use crate::installation::Installation;

fn named<'a>(queues: &'a Value, name: &str) -> &'a Value {
    let queues = queues.as_array().unwrap();
    let found = queues.iter().find(|queue| queue["name"] == name);
    found.unwrap_or_else(|| panic!("no queue {name}: {queues:?}"))
}

/// What a person sees.
fn table(quire: &Installation, arguments: &[&str]) -> String {
    let output = quire.try_quire(arguments);
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn an_operator_writes_queues_down_and_is_told_before_who_gains_and_loses() {
    // Of its own: work of other tests would gain and lose too.
    let quire = Installation::start();
    let whoami = quire.quire(&["whoami"]);
    let (team, team_name) = (
        whoami["teamId"].as_str().unwrap(),
        whoami["team"].as_str().unwrap(),
    );
    quire.quire(&[
        "notebook",
        "create",
        "--name",
        "mine",
        "--machine-type",
        "C3",
    ]);
    let own = format!("team {team}");
    let before = quire.quire(&["queue", "list"]);
    let standing = named(&before, &own);
    assert_eq!(standing["implicit"], true);
    assert!(
        standing["held"]["milliCores"].as_i64().unwrap() > 0,
        "{standing}"
    );

    let lab = [
        "queue",
        "set",
        "lab",
        "--team",
        team_name,
        "--cores",
        "0.5",
        "--memory-gib",
        "0.25",
        "--weight",
        "3",
    ];
    let dry = [&lab[..], &["--dry-run"]].concat();
    let told = quire.quire(&dry);
    assert_eq!(told["dryRun"], true);
    assert_eq!(named(&told["changes"], &own)["shareAfter"], Value::Null);
    assert!(
        named(&told["changes"], "lab")["shareAfter"]["milliCores"]
            .as_i64()
            .unwrap()
            > 0
    );
    let said = table(&quire, &dry);
    assert!(said.contains("nothing was changed"), "{said}");
    assert!(
        said.contains("would gain") && said.contains("would lose"),
        "{said}"
    );
    assert_eq!(quire.quire(&["queue", "list"]), before);
    // People read names of teams, not identifiers.
    assert!(said.contains(&format!("team {team_name}")), "{said}");
    assert!(!said.contains(team), "{said}");

    let said = table(&quire, &lab);
    assert!(
        said.contains("queue lab is written down") && said.contains("gains"),
        "{said}"
    );
    quire.quire(&[
        "queue",
        "set",
        "inner",
        "--parent",
        "lab",
        "--limit-cores",
        "2",
    ]);
    wait_for("the notebook in what is left of its team's queue", || {
        let queues = quire.quire(&["queue", "list"]);
        let rest = queues
            .as_array()
            .unwrap()
            .iter()
            .find(|queue| queue["name"] == "lab (rest)")?;
        (rest["held"] == standing["held"]).then_some(())
    });
    let queues = quire.quire(&["queue", "list"]);
    let written = named(&queues, "lab");
    assert_eq!(written["teamId"], team);
    assert_eq!(written["deserved"]["memoryMib"], 256);
    assert_eq!(written["weight"], 3);
    assert_eq!(named(&queues, "inner")["limit"]["milliCores"], 2_000);

    let refused = quire.refusal(&["queue", "set", "lab", "--parent", "inner"]);
    assert!(refused.contains("is below itself"), "{refused}");
    let refused = quire.refusal(&["queue", "set", "other", "--cores", "100000"]);
    assert!(refused.contains("they can deserve"), "{refused}");
    let refused = quire.refusal(&["queue", "set", "other", "--team", "nobody"]);
    assert!(refused.contains("there is no team \"nobody\""), "{refused}");
    let refused = quire.refusal(&["queue", "rm", "lab"]);
    assert!(refused.contains("queues below it: inner"), "{refused}");
    quire.quire(&["queue", "rm", "inner"]);
    let would = quire.quire(&["queue", "rm", "lab", "--dry-run"]);
    assert_eq!(named(&would["changes"], "lab")["shareAfter"], Value::Null);
    let said = table(&quire, &["queue", "rm", "lab"]);
    assert!(said.contains("queue lab is gone"), "{said}");
    assert_eq!(quire.quire(&["queue", "list"]), before);
}
