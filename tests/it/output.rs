//! What commands say to programs that start, enter and end an installation.

use std::fs;
use std::process::{Command, Output};

use serde_json::{Value, json};
use testkit::{Nats, free_port, wait_for};

use crate::installation::program;

#[test]
fn what_starts_enters_and_ends_an_installation_answers_in_json() {
    let folder = tempfile::Builder::new().prefix("q").tempdir().unwrap();
    let (gateway, edge) = (free_port(), free_port());
    let (api, notebooks) = (format!("127.0.0.1:{gateway}"), format!("127.0.0.1:{edge}"));
    let ask = |arguments: &[&str]| -> Value {
        let output = Command::new(program("quire"))
            .args(arguments)
            .args(["--output", "json"])
            .env("QUIRE_DATA_DIR", folder.path().join("d"))
            .env("QUIRE_PROFILE", folder.path().join("profile.toml"))
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{arguments:?}: {said}");
        assert!(!said.contains("qk_"), "keys are in the answer only: {said}");
        serde_json::from_slice(&output.stdout).unwrap()
    };
    let up = ["up", "--detach", "--gateway", &api, "--edge", &notebooks];

    let first = ask(&up);
    let server = format!("http://{api}");
    let reached = json!({"api": server, "notebooks": format!("http://localhost:{edge}")});
    let key = first["key"].as_str().unwrap().to_owned();
    assert!(key.starts_with("qk_"), "{first}");
    assert_eq!(first["api"], reached["api"]);
    assert_eq!(ask(&up), reached, "the key is shown once");

    let login = ask(&["login", "--server", &server, "--api-key", &key]);
    let me = ask(&["whoami"]);
    assert_eq!(
        login,
        json!({"server": server, "email": me["email"], "team": me["team"]})
    );

    assert_eq!(ask(&["down"]), json!({"stopped": true}));
    assert_eq!(ask(&["down"]), json!({"stopped": false}));
}

#[test]
fn somebody_elses_nats_carries_the_events_once_it_knows_the_users() {
    let folder = tempfile::Builder::new().prefix("q").tempdir().unwrap();
    let doors = ["--gateway", "--edge"].map(|door| (door, format!("127.0.0.1:{}", free_port())));
    let quire = |arguments: &[&str]| -> Output {
        Command::new(program("quire"))
            .args(arguments)
            .env("QUIRE_DATA_DIR", folder.path().join("d"))
            .env("QUIRE_PROFILE", folder.path().join("profile.toml"))
            .output()
            .unwrap()
    };
    let up = |nats: &Nats| {
        let url = nats.config().url;
        let doors = doors.iter().flat_map(|(door, at)| [door, at.as_str()]);
        let arguments: Vec<&str> = ["up", "--detach", "--nats", &url]
            .into_iter()
            .chain(doors)
            .collect();
        quire(&arguments)
    };

    let stranger = up(&Nats::guarded());
    let said = String::from_utf8_lossy(&stranger.stderr).into_owned();
    let users = folder.path().join("d/nats/users.conf");
    assert!(!stranger.status.success(), "{said}");
    assert!(said.contains(&*users.to_string_lossy()), "{said}");

    let own = Nats::configured(&fs::read_to_string(users).unwrap());
    let started = up(&own);
    let said = String::from_utf8_lossy(&started.stderr).into_owned();
    assert!(started.status.success(), "{said}");
    assert!(
        !folder.path().join("d/nats/jetstream").exists(),
        "a server of its own runs, too"
    );
    wait_for("the team's making as an event", || {
        let tail = quire(&["event", "tail", "--no-follow"]);
        let told = String::from_utf8_lossy(&tail.stdout).contains("team");
        told.then_some(())
    });
    assert!(quire(&["down"]).status.success());
}
