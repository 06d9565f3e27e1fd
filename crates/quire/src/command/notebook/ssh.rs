//! `quire ssh`: OpenSSH's own client into a notebook, by way of its door. `--proxy` is the line that it talks over: it learns by
//! what key the notebook is known over a connection that is trusted already, and keeps it where the client looks.

use std::fs;
use std::io;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use agent::exec::{Frame, Frames, WINDOW};
use anyhow::{Context as _, Result, bail};
use futures::StreamExt as _;
use reqwest::{Body, Method, Response};
use tokio::runtime::Handle;
use tokio::sync::{Semaphore, mpsc};

use super::door::Door;
use super::exec::{Ended, WAITING, print, type_in};
use super::find;
use crate::api::Api;
use crate::cli::SshArgs;
use crate::print::out;
use crate::profile::write_private;

/// Names of hosts that are notebooks end so, for OpenSSH.
const SUFFIX: &str = ".quire";
/// The user whom workloads know themselves as.
const USER: &str = "notebook";
/// Longest key that a notebook may be known by, in bytes.
const LONGEST_KEY: usize = 4 << 10;

/// Lets `ssh` in, or is the line that it talks over.
pub(crate) async fn ssh(api: &Api, profile: &Path, args: SshArgs) -> Result<()> {
    if args.proxy {
        return proxy(api, &keys_folder(profile)?, &args.id).await;
    }
    // Refused in words here, not by a client that lost its line.
    let notebook = find::to_use(api, &args.id).await?;
    let mut command = Command::new("ssh");
    for (name, value) in options(profile)? {
        command.arg("-o").arg(format!("{name}={value}"));
    }
    if let Some(identity) = &args.identity {
        command
            .args(["-o", "IdentitiesOnly=yes", "-i"])
            .arg(identity);
    }
    command.arg(format!("{}{SUFFIX}", notebook.id));
    if !args.command.is_empty() {
        // The client makes one text of them for the shell there, as it always does.
        command.arg("--").args(&args.command);
    }
    let failed = command.exec();
    Err(failed).context("starting ssh; install OpenSSH's client (openssh-client)")
}

/// Prints what belongs into `~/.ssh/config`.
pub(crate) fn config(profile: &Path) -> Result<()> {
    out!("# Notebooks of Quire, for ssh, scp, rsync and editors: NAME{SUFFIX}");
    out!("Host *{SUFFIX}");
    for (name, value) in options(profile)? {
        out!("    {name} {value}");
    }
    Ok(())
}

/// What OpenSSH's client must know of notebooks.
fn options(profile: &Path) -> Result<[(&'static str, String); 4]> {
    let program = std::env::current_exe().context("finding this program")?;
    let profile = std::path::absolute(profile).context("reading --profile")?;
    let word = |path: &Path| shell_word(&path.display().to_string());
    let proxy = format!(
        "{} --profile {} ssh --proxy %h",
        word(&program),
        word(&profile)
    );
    let known = keys_folder(&profile)?.join("%k").display().to_string();
    Ok([
        ("User", USER.to_owned()),
        // What follows a percent sign is the client's.
        (
            "ProxyCommand",
            proxy.replace('%', "%%").replace("%%h", "%h"),
        ),
        (
            "UserKnownHostsFile",
            format!("\"{}\"", known.replace('%', "%%").replace("%%k", "%k")),
        ),
        ("StrictHostKeyChecking", "yes".to_owned()),
    ])
}

/// Where the keys lie by which notebooks are known to this login, a file a name.
fn keys_folder(profile: &Path) -> Result<PathBuf> {
    let profile = std::path::absolute(profile).context("reading --profile")?;
    Ok(profile.with_extension("known_hosts"))
}

/// As a shell reads it back.
fn shell_word(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-+=:,@%".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', "'\\''"))
}

/// The notebook's `sshd` between standard input and output.
async fn proxy(api: &Api, known: &Path, host: &str) -> Result<()> {
    let id = host.strip_suffix(SUFFIX).unwrap_or(host);
    let notebook = find::to_use(api, id).await?;
    let door = Door::of(api, notebook)?;
    let (records, sending) = mpsc::channel(WAITING);
    let sent = futures::stream::unfold(sending, |mut sending| async {
        let frame: Frame = sending.recv().await?;
        Some((Ok::<_, io::Error>(frame.encode()), sending))
    });
    let request = door.ask(Method::POST, "ssh", &[]);
    let request = request.body(Body::wrap_stream(sent));
    let what = format!("cannot come into {} by ssh", door.name);
    let answer = door.send(&what, request).await?;
    let window = Arc::new(Semaphore::new(WINDOW));
    let (taken, runtime) = (window.clone(), Handle::current());
    // A thread of its own, which nobody waits for at the end: reading cannot be broken off.
    std::thread::spawn(move || type_in(&records, &window, &runtime));
    pass_on(answer, &taken, |key| keep(known, host, key))
        .await
        .with_context(|| what)
}

/// Passes on what the server says, once it was said by what key it is known.
async fn pass_on(
    answer: Response,
    window: &Semaphore,
    keep: impl Fn(&str) -> Result<()>,
) -> Result<()> {
    let mut chunks = answer.bytes_stream();
    let (mut frames, mut key) = (Frames::default(), Some(Vec::new()));
    // What it says before that.
    let mut early = Vec::new();
    while let Some(chunk) = chunks.next().await {
        frames.push(&chunk.map_err(reqwest::Error::without_url)?);
        while let Some(frame) = frames.pop()? {
            match (frame, &mut key) {
                (Frame::Output(bytes), None) => print(&mut io::stdout().lock(), &bytes)?,
                (Frame::Output(bytes), Some(_)) => early.extend(bytes),
                (Frame::Errors(bytes), None) => print(&mut io::stderr().lock(), &bytes)?,
                (Frame::Errors(bytes), Some(line)) => {
                    line.extend(bytes);
                    let Some(end) = line.iter().position(|byte| *byte == b'\n') else {
                        if line.len() > LONGEST_KEY {
                            bail!("it says no key by which it is known");
                        }
                        continue;
                    };
                    let rest = line.split_off(end);
                    keep(&String::from_utf8_lossy(line))?;
                    key = None;
                    print(&mut io::stderr().lock(), rest.get(1..).unwrap_or_default())?;
                    print(&mut io::stdout().lock(), &std::mem::take(&mut early))?;
                }
                (Frame::Taken(bytes), _) => window.add_permits(bytes as usize),
                (Frame::Exit(0), _) => return Ok(()),
                (Frame::Exit(code), _) => return Err(Ended(code).into()),
                _ => {}
            }
        }
    }
    bail!("the connection ended; the notebook may have been stopped")
}

/// Keeps the key by which `host` is known where the client looks for it. Anything else that it says is told to people.
fn keep(folder: &Path, host: &str, line: &str) -> Result<()> {
    let mut words = line.split(' ');
    let (Some("ssh-ed25519"), Some(key), None) = (words.next(), words.next(), words.next()) else {
        bail!("{line}");
    };
    let in_name = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    if host.starts_with('.') || !host.chars().all(in_name) {
        bail!("{host:?} cannot be a host's name; use the notebook's identifier");
    }
    let (file, text) = (folder.join(host), format!("{host} ssh-ed25519 {key}\n"));
    if fs::read_to_string(&file).is_ok_and(|known| known == text) {
        return Ok(());
    }
    write_private(&file, &text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_reach_the_shell_as_they_are() {
        for (word, shell) in [
            ("ls", "ls"),
            ("a b", "'a b'"),
            ("", "''"),
            ("it's", "'it'\\''s'"),
            ("$HOME", "'$HOME'"),
        ] {
            assert_eq!(shell_word(word), shell);
        }
    }

    #[test]
    fn a_known_key_is_one_line_of_a_file_of_its_own() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path().join("known");
        keep(&folder, "first.quire", "ssh-ed25519 AAAA").unwrap();
        keep(&folder, "first.quire", "ssh-ed25519 BBBB").unwrap();
        let known = fs::read_to_string(folder.join("first.quire")).unwrap();
        assert_eq!(known, "first.quire ssh-ed25519 BBBB\n");
        let said = keep(&folder, "first.quire", "mkdir: No space left").unwrap_err();
        assert_eq!(said.to_string(), "mkdir: No space left");
        for host in ["../profile.toml", "a/b", ".x", "a b"] {
            keep(&folder, host, "ssh-ed25519 AAAA").unwrap_err();
        }
    }
}
