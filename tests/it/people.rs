//! Who leaves a team, and projects that end: as an admin does it on the command line, and as the timeline tells it.

use serde_json::Value;
use testkit::wait_for;

use crate::installation::Installation;

/// Lines of an object's timeline, once `line` is among them.
fn told(quire: &Installation, object: &str, line: &str) {
    wait_for(line, || {
        let events = quire.quire(&["event", "tail", "--no-follow", "--object", object]);
        let mut events = events.as_array().unwrap().iter();
        let has = |event: &Value| event["summary"] == line;
        events.any(has).then_some(())
    });
}

#[test]
fn a_person_leaves_and_keeps_no_key() {
    let quire = Installation::shared();
    let made = quire.quire(&["user", "create", "leaver@main.example"]);
    let (id, key) = (made["id"].as_str().unwrap(), made["key"].as_str().unwrap());
    told(&quire, id, "leaver@main.example is member of the team");
    let removed = quire.quire(&["user", "remove", "leaver@"]);
    assert_eq!(
        (&removed["id"], &removed["role"]),
        (&made["id"], &Value::from("member"))
    );
    let login = quire.login(&quire.profile("leaver"), key);
    assert!(!login.status.success());
    told(
        &quire,
        id,
        "leaver@main.example left the team, and was member",
    );
    let gone = quire.refusal(&["user", "remove", "leaver@"]);
    assert!(gone.contains("not found"), "{gone}");
    let last = quire.refusal(&["user", "remove", "admin@quire.local"]);
    assert!(last.contains("last owner"), "{last}");
}

#[test]
fn a_project_goes_when_it_is_empty() {
    let quire = Installation::shared();
    let made = quire.quire(&["project", "create", "attic"]);
    let id = made["id"].as_str().unwrap();
    quire.quire(&["project", "rename", "atti", "cellar"]);
    let new = [
        "--name",
        "boxes",
        "--machine-type",
        "C3",
        "--project",
        "cell",
    ];
    quire.quire(&[&["notebook", "create"][..], &new].concat());
    let refused = quire.refusal(&["project", "delete", "cellar"]);
    assert!(refused.contains("still has notebooks: boxes"), "{refused}");
    quire.quire(&["notebook", "delete", "boxes", "--yes"]);
    wait_for("the end of the project", || {
        let deleted = quire.try_quire(&["project", "delete", "cellar"]);
        deleted.status.success().then_some(())
    });
    told(&quire, id, "project \"cellar\" was deleted");
    let refused = quire.refusal(&[&["notebook", "create"][..], &new].concat());
    assert!(refused.contains("not found"), "{refused}");
}
