//! Runs the system's own tools.

use std::ffi::OsStr;
use std::io::Write as _;
use std::process::{Command, Stdio};

/// How much of a tool's complaint is repeated.
const SHOWN: usize = 400;

/// What a tool wrote.
///
/// # Errors
/// In words: that it is not there, or what it complained about.
pub(crate) fn run(
    program: &str,
    args: &[impl AsRef<OsStr>],
    input: &str,
) -> Result<String, String> {
    let mut child = Command::new(program)
        .args(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| format!("{program} cannot be run: {error}"))?;
    if let Some(mut stdin) = child.stdin.take() {
        // A tool that does not read its input is no failure by itself.
        stdin.write_all(input.as_bytes()).ok();
    }
    let output = child
        .wait_with_output()
        .map_err(|error| format!("{program}: {error}"))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let complaint: String = String::from_utf8_lossy(&output.stderr)
        .trim()
        .chars()
        .take(SHOWN)
        .collect();
    Err(format!("{program} failed ({}): {complaint}", output.status))
}
