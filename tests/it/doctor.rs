//! What `quire doctor` and `quire up` tell of a machine that lacks something.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;
use testkit::free_port;

use crate::installation::program;

/// A folder for `PATH` with all that Quire calls, except `nft`.
fn without_nft(folder: &Path) -> PathBuf {
    let bin = folder.join("bin");
    fs::create_dir(&bin).unwrap();
    let path = std::env::var_os("PATH").unwrap();
    for name in ["nats-server", "uv", "python3", "bwrap", "ip", "setpriv"] {
        let found = std::env::split_paths(&path)
            .map(|folder| folder.join(name))
            .find(|file| file.is_file());
        symlink(found.expect(name), bin.join(name)).unwrap();
    }
    bin
}

#[test]
fn up_tells_what_would_work_better_and_what_keeps_it_from_starting() {
    let folder = tempfile::tempdir().unwrap();
    let bin = without_nft(folder.path());
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let (gateway, edge) = (taken.local_addr().unwrap(), free_port());
    let edge = format!("127.0.0.1:{edge}");
    let run = |arguments: &[&str]| -> Output {
        Command::new(program("quire"))
            .args(arguments)
            .args(["--gateway", &gateway.to_string(), "--edge", &edge])
            .env("PATH", &bin)
            .env("QUIRE_DATA_DIR", folder.path().join("data"))
            .env("QUIRE_PROFILE", folder.path().join("profile.toml"))
            .output()
            .unwrap()
    };
    let holder = format!("(process {}) listens there", std::process::id());
    let kill = format!("mend it: kill {}", std::process::id());

    let up = run(&["up", "--detach"]);
    assert!(!up.status.success());
    let said = String::from_utf8_lossy(&up.stderr).into_owned();
    let told = [
        "nft is missing: workloads cannot have networks of their own",
        "apt-get install -y nftables",
        &holder,
        &kill,
        "# or: quire up --gateway 127.0.0.1:",
    ];
    for words in told {
        assert!(said.contains(words), "{words} is not in: {said}");
    }
    let looks_wrong = "execvp"; // a trial of its own that needs more than what Quire needs
    assert!(!said.contains(looks_wrong), "{said}");
    let made = folder.path().join("data").exists();
    assert!(!made, "what does not start leaves nothing behind");

    let doctor = run(&["doctor", "--output", "json"]);
    assert!(!doctor.status.success());
    let findings: Vec<Value> = serde_json::from_slice(&doctor.stdout).unwrap();
    for finding in &findings {
        let is_well = finding["severity"] == "ok";
        assert_eq!(finding["mend"].is_null(), is_well, "{finding}");
    }
    let of_gateway = |finding: &&Value| finding["what"].as_str().unwrap().contains(&holder);
    let found: Vec<_> = findings.iter().filter(of_gateway).collect();
    assert_eq!(found.len(), 1, "{findings:?}");
    assert_eq!(found[0]["severity"], "error");
}
