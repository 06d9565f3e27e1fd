//! `quire up --detach`: the same program again, in the background; it tells when it is ready by one line.

use std::fs::OpenOptions;
use std::io::{BufRead as _, BufReader};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

/// What the background process says when everything answers.
pub(super) const READY: &str = "ready";

/// Starts the background process with the same options and waits until it is ready.
pub(super) fn start(data_dir: &Path) -> Result<()> {
    let log = data_dir.join("quire.log");
    let log_file = OpenOptions::new()
        .create(true)
        .append(true)
        .open(&log)
        .with_context(|| format!("opening {}", log.display()))?;
    let options = std::env::args_os()
        .skip(1)
        .filter(|argument| argument != "--detach");
    let mut child = Command::new(std::env::current_exe().context("finding this program")?)
        .args(options)
        .env("QUIRE_DATA_DIR", data_dir)
        .env(super::BACKGROUND, "1")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(log_file)
        // Apart from the terminal: closing it or Ctrl-C there is not meant for this process.
        .process_group(0)
        .spawn()
        .context("starting the background process")?;
    let stdout = child
        .stdout
        .take()
        .context("the background process has no output")?;
    let mut line = String::new();
    BufReader::new(stdout).read_line(&mut line)?;
    if line.trim() != READY {
        let status = child.wait()?;
        let text = std::fs::read_to_string(&log).unwrap_or_default();
        let tail: Vec<&str> = text.lines().rev().take(8).collect();
        let tail: Vec<&str> = tail.into_iter().rev().collect();
        bail!(
            "it ended before it was ready ({status}); the end of {}:\n{}",
            log.display(),
            tail.join("\n")
        );
    }
    Ok(())
}
