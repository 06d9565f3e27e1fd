//! What commands say to programs that start, enter and end an installation.

use std::process::Command;

use serde_json::{Value, json};
use testkit::free_port;

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
