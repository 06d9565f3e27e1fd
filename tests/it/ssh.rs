//! Into a notebook with OpenSSH's own client and a person's own key: commands, files by `scp`, `sftp` and `rsync`, ports, as editors
//! on other machines use them, too; and who is not let in.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, TcpStream};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::{fs, thread};

use serde_json::Value;
use testkit::{free_port, wait_for};

use crate::installation::{Installation, output_of};
use crate::jupyter::Jupyter;

/// A person's machine: a key, and what `quire ssh-config` prints.
struct Desk {
    folder: PathBuf,
}

impl Desk {
    fn new(quire: &Installation, folder: &Path, name: &str) -> Self {
        let folder = folder.join(name);
        fs::create_dir(&folder).unwrap();
        let desk = Self { folder };
        let mut made = Command::new("ssh-keygen");
        made.args(["-q", "-t", "ed25519", "-N", "", "-C", name, "-f"]);
        assert!(output_of(made.arg(desk.key())).status.success());
        let printed = quire.try_quire(&["ssh-config"]);
        assert!(printed.status.success(), "{printed:?}");
        let text = String::from_utf8(printed.stdout).unwrap();
        let ours = format!(
            "{text}    IdentityFile {}\n    IdentitiesOnly yes\n    BatchMode yes\n    GlobalKnownHostsFile none\n",
            desk.key().display()
        );
        fs::write(desk.config(), ours).unwrap();
        desk
    }

    fn key(&self) -> PathBuf {
        self.folder.join("id")
    }

    fn public_key(&self) -> String {
        self.folder.join("id.pub").display().to_string()
    }

    fn config(&self) -> PathBuf {
        self.folder.join("config")
    }

    /// A program of OpenSSH's, which reads only this configuration.
    fn program(&self, quire: &Installation, name: &str, arguments: &[&str]) -> Command {
        let mut command = in_house(quire, name);
        command.arg("-F").arg(self.config()).args(arguments);
        command
    }

    fn ssh(&self, quire: &Installation, arguments: &[&str]) -> Output {
        output_of(&mut self.program(quire, "ssh", arguments))
    }
}

/// A program with the variables of the installation's own commands: the proxy is one.
fn in_house(quire: &Installation, name: &str) -> Command {
    let mut command = Command::new(name);
    for (variable, value) in quire.command().get_envs() {
        command.env(variable, value.unwrap_or_default());
    }
    command.stdin(Stdio::null());
    command
}

/// What a command said; it must have succeeded.
#[track_caller]
fn said(output: &Output) -> String {
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// What a command complained of; it must have failed.
#[track_caller]
fn refused(output: &Output) -> String {
    assert!(!output.status.success(), "{output:?}");
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn openssh_comes_into_a_notebook_with_the_users_own_key() {
    let quire = Installation::start();
    let folder = tempfile::tempdir().unwrap();
    let desk = Desk::new(&quire, folder.path(), "desk");
    let made = quire.quire(&["notebook", "create", "--name", "first"]);
    let jupyter = quire.jupyter(&made);
    let early = refused(&desk.ssh(&quire, &["first.quire", "true"]));
    assert!(early.contains("Permission denied (publickey)"), "{early}");
    let added = quire.quire(&["ssh-key", "add", &desk.public_key()]);
    assert_eq!(
        (&added["name"], &added["kind"]),
        (&"desk".into(), &"ssh-ed25519".into())
    );

    commands_run_as_the_workload(&quire, &desk);
    files_go_to_and_fro(&quire, &desk, folder.path());
    ports_are_forwarded(&quire, &desk);
    what_runs_is_seen_and_ends_with_its_visit(&quire, &desk, &jupyter).await;
    others_stay_outside(&quire, &desk, folder.path());
    it_is_known_by_the_same_key_after_a_stop(&quire, &desk);

    quire.quire(&["ssh-key", "delete", "desk"]);
    let late = refused(&desk.ssh(&quire, &["first.quire", "true"]));
    assert!(late.contains("Permission denied (publickey)"), "{late}");
}

fn commands_run_as_the_workload(quire: &Installation, desk: &Desk) {
    // Its packages, its folder and its user; nothing of the host.
    let code =
        "python -c 'import jupyterlab, os; print(os.getcwd(), os.environ[\"USER\"])'; exit 3";
    let ran = desk.ssh(quire, &["first.quire", code]);
    assert_eq!(ran.status.code(), Some(3), "{ran:?}");
    assert_eq!(
        String::from_utf8_lossy(&ran.stdout),
        "/notebooks notebook\n"
    );
    assert_eq!(
        said(&desk.ssh(
            quire,
            &[
                "first.quire",
                "cat /etc/hostname; test -e /etc/shadow || echo none"
            ]
        )),
        "notebook\nnone\n"
    );
    // With a terminal.
    let tty = said(&desk.ssh(quire, &["-tt", "first.quire", "test -t 0 && tty"]));
    assert!(tty.starts_with("/dev/pts/"), "{tty}");
    // By our own command, for the shell there.
    let id = desk.key().display().to_string();
    let ran = quire.try_quire(&[
        "ssh",
        "-i",
        &id,
        "first",
        "--",
        "cd /tmp && echo",
        "$HOME $PWD",
    ]);
    assert_eq!(said(&ran), "/notebooks /tmp\n");
    // More than all windows hold, both ways at once.
    let mut copy = desk.program(quire, "ssh", &["first.quire", "cat"]);
    let mut child = copy
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let sent: Vec<u8> = (0..5_000_000_u32)
        .map(|n| n.wrapping_mul(2_654_435_761).to_be_bytes()[0])
        .collect();
    let (mut input, bytes) = (child.stdin.take().unwrap(), sent.clone());
    let typing = thread::spawn(move || input.write_all(&bytes));
    let mut came = Vec::new();
    child.stdout.take().unwrap().read_to_end(&mut came).unwrap();
    typing.join().unwrap().unwrap();
    assert!(child.wait().unwrap().success());
    assert!(
        came == sent,
        "{} bytes of {} came back",
        came.len(),
        sent.len()
    );
}

fn files_go_to_and_fro(quire: &Installation, desk: &Desk, folder: &Path) {
    let data = folder.join("data");
    fs::create_dir_all(data.join("deep/er")).unwrap();
    fs::write(data.join("a b.txt"), "one").unwrap();
    fs::write(data.join("deep/er/big"), vec![7; 2_000_000]).unwrap();
    fs::set_permissions(data.join("a b.txt"), fs::Permissions::from_mode(0o640)).unwrap();
    let data_text = data.display().to_string();

    let mut scp = desk.program(
        quire,
        "scp",
        &["-q", "-r", &data_text, "first.quire:by-scp"],
    );
    said(&output_of(&mut scp));
    let back = folder.join("back").display().to_string();
    let mut sftp = desk.program(quire, "sftp", &["-b", "-", "first.quire"]);
    let mut child = sftp
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let batch = format!("get \"by-scp/a b.txt\" {back}\nrename by-scp renamed\n");
    child
        .stdin
        .take()
        .unwrap()
        .write_all(batch.as_bytes())
        .unwrap();
    said(&child.wait_with_output().unwrap());
    assert_eq!(fs::read_to_string(&back).unwrap(), "one");

    let shell = format!("ssh -F {}", desk.config().display());
    let rsync = |from: &str, to: &str| {
        let mut rsync = in_house(quire, "rsync");
        rsync.args(["-a", "--itemize-changes", "-e", &shell, from, to]);
        said(&output_of(&mut rsync))
    };
    let first = rsync(&format!("{data_text}/"), "first.quire:by-rsync");
    assert!(first.contains("deep/er/big"), "{first}");
    fs::write(data.join("a b.txt"), "other").unwrap();
    let second = rsync(&format!("{data_text}/"), "first.quire:by-rsync");
    assert!(
        second.contains("a b.txt") && !second.contains("deep/er/big"),
        "{second}"
    );
    let here = folder.join("here").display().to_string();
    rsync("first.quire:by-rsync/", &here);
    assert_eq!(
        fs::read(Path::new(&here).join("a b.txt")).unwrap(),
        b"other"
    );
    assert_eq!(
        fs::read(Path::new(&here).join("deep/er/big")).unwrap(),
        vec![7; 2_000_000]
    );
    let mode = fs::metadata(Path::new(&here).join("a b.txt"))
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o640);
}

/// `-L`, to a server that listens on the notebook's own loopback, as editors reach the half of theirs that runs there.
fn ports_are_forwarded(quire: &Installation, desk: &Desk) {
    let (port, server) = (
        free_port(),
        "python -m http.server 6010 --bind 127.0.0.1 --directory renamed",
    );
    let forward = format!("{}:{port}:127.0.0.1:6010", Ipv4Addr::LOCALHOST);
    let mut ssh = desk.program(
        quire,
        "ssh",
        &[
            "-o",
            "ExitOnForwardFailure=yes",
            "-L",
            &forward,
            "first.quire",
            server,
        ],
    );
    let mut visit = Visit(
        ssh.stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap(),
    );
    let answer = wait_for("the server inside", || {
        assert!(visit.0.try_wait().unwrap().is_none(), "the client ended");
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).ok()?;
        stream.write_all(b"GET /a%20b.txt HTTP/1.0\r\n\r\n").ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).ok()?;
        answer.ends_with("one").then_some(answer)
    });
    assert!(answer.starts_with("HTTP/1.0 200"), "{answer}");
}

/// A client that runs; it is ended with this value.
struct Visit(Child);

impl Drop for Visit {
    fn drop(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

/// A silent program that ssh runs is a sign of use. With its client goes the visit; what ran at a terminal is hung up on.
async fn what_runs_is_seen_and_ends_with_its_visit(
    quire: &Installation,
    desk: &Desk,
    jupyter: &Jupyter,
) {
    let inside =
        |what: &str| said(&quire.try_quire(&["notebook", "exec", "first", "--", "sh", "-c", what]));
    let runs = |pattern: &str| !inside(&format!("pgrep -f '^{pattern}' || true")).is_empty();
    let mut ssh = desk.program(quire, "ssh", &["first.quire", "exec sleep 86400"]);
    let visit = Visit(ssh.spawn().unwrap());
    wait_for("the program inside", || runs("sleep 86400").then_some(()));
    // Before anything is measured all counts as use, and no program is named.
    let sign = testkit::eventually("the sign of it", || async {
        let answer = jupyter.try_get("/.quire/signs").await.ok()?;
        let signs: Value = answer.json().await.ok()?;
        let found = |sign: &&Value| {
            let names_it = sign["detail"].as_str().unwrap().contains("sleep");
            sign["name"] == "programs in terminals" && names_it
        };
        signs["signs"].as_array()?.iter().find(found).cloned()
    })
    .await;
    assert_eq!(sign["idle_ms"], 0, "{sign}");
    drop(visit);
    wait_for("the end of the visit", || (!runs("sshd")).then_some(()));

    let mut ssh = desk.program(quire, "ssh", &["-tt", "first.quire", "exec sleep 43200"]);
    let visit = Visit(ssh.spawn().unwrap());
    wait_for("the one at a terminal", || {
        runs("sleep 43200").then_some(())
    });
    drop(visit);
    wait_for("its end", || (!runs("sleep 43200")).then_some(()));
}

fn others_stay_outside(quire: &Installation, desk: &Desk, folder: &Path) {
    // A key that nobody registered, on the same machine and with the same login.
    let thief = Desk::new(quire, folder, "thief");
    let outside = refused(&thief.ssh(quire, &["first.quire", "true"]));
    assert!(
        outside.contains("Permission denied (publickey)"),
        "{outside}"
    );
    let private = quire.refusal(&["ssh-key", "add", &desk.key().display().to_string()]);
    assert!(
        private.contains("is a private key and goes nowhere"),
        "{private}"
    );

    // A viewer of the team: neither their login nor their key.
    let viewer = quire.quire(&["user", "create", "viewer@main.example", "--role", "viewer"]);
    let profile = quire.profile("viewer");
    assert!(
        quire
            .login(&profile, viewer["key"].as_str().unwrap())
            .status
            .success()
    );
    let add = quire.quire_as(&profile, &["ssh-key", "add", &thief.public_key()]);
    said(&add);
    let looks = refused(&quire.quire_as(&profile, &["ssh", "first", "--", "true"]));
    assert!(
        looks.contains("you may look at first and not use it"),
        "{looks}"
    );
    let outside = refused(&thief.ssh(quire, &["first.quire", "true"]));
    assert!(
        outside.contains("Permission denied (publickey)"),
        "{outside}"
    );

    // Another team: the notebook is not there for them, and their key opens it to nobody.
    let foreign = quire.quire(&[
        "team",
        "create",
        "foreign",
        "--owner",
        "boss@foreign.example",
    ]);
    let profile = quire.profile("foreign");
    let stranger = Desk::new(quire, folder, "stranger");
    assert!(
        quire
            .login(&profile, foreign["key"].as_str().unwrap())
            .status
            .success()
    );
    said(&quire.quire_as(&profile, &["ssh-key", "add", &stranger.public_key()]));
    let hidden = refused(&quire.quire_as(&profile, &["ssh", "first", "--", "true"]));
    assert!(hidden.contains("not found"), "{hidden}");
    let outside = refused(&stranger.ssh(quire, &["first.quire", "true"]));
    assert!(
        outside.contains("Permission denied (publickey)"),
        "{outside}"
    );

    // As a member, the same key opens.
    quire.quire(&["user", "create", "viewer@main.example", "--role", "member"]);
    said(&thief.ssh(quire, &["first.quire", "true"]));
}

fn it_is_known_by_the_same_key_after_a_stop(quire: &Installation, desk: &Desk) {
    let known = quire
        .profile("profile")
        .with_extension("known_hosts")
        .join("first.quire");
    let before = fs::read_to_string(&known).unwrap();
    quire.quire(&["notebook", "stop", "first"]);
    let stopped = refused(&desk.ssh(quire, &["first.quire", "true"]));
    assert!(stopped.contains("quire notebook start first"), "{stopped}");
    quire.quire(&["notebook", "start", "first"]);
    said(&desk.ssh(quire, &["first.quire", "true"]));
    assert_eq!(fs::read_to_string(&known).unwrap(), before);
    // A notebook that says another key than it is known by is not believed, where nobody vouches for it.
    let pinned = desk.folder.join("known");
    let (host, other) = before.split_once(' ').unwrap();
    let forged = fs::read_to_string(desk.public_key()).unwrap();
    let forged: Vec<_> = forged.split(' ').take(2).collect();
    assert_ne!(other.trim(), forged.join(" "));
    fs::write(&pinned, format!("{host} {}\n", forged.join(" "))).unwrap();
    let option = format!("UserKnownHostsFile={}", pinned.display());
    let forged = refused(&desk.ssh(quire, &["-o", &option, "first.quire", "true"]));
    assert!(
        forged.contains("HOST IDENTIFICATION HAS CHANGED"),
        "{forged}"
    );
}
