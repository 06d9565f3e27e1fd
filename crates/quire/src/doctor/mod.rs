//! `quire doctor`: what would keep Quire from working here, each with the command that mends it.

mod facts;
mod holder;
mod rules;

use std::net::SocketAddr;
use std::path::Path;

use anyhow::{Result, bail};
use rustix::process::Pid;
use serde::Serialize;

use crate::cli::{DoctorArgs, Output};
use crate::print;
use crate::print::out;

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Severity {
    Ok,
    /// It works, with less.
    Warning,
    /// It does not work.
    Error,
}

/// One thing looked at.
#[derive(Debug, Serialize)]
pub(crate) struct Finding {
    severity: Severity,
    what: String,
    /// The command that mends it, or that tells more where none does.
    #[serde(skip_serializing_if = "String::is_empty")]
    mend: String,
}

/// Looks at everything. An address comes with the option that names another one; `ours` = the Quire of this data folder that
/// runs now; `own_bus` = no nats-server is to be started.
pub(crate) fn examine(
    data_dir: &Path,
    addresses: &[(&'static str, SocketAddr)],
    ours: Option<Pid>,
    own_bus: bool,
) -> Vec<Finding> {
    let ours = ours.and_then(|pid| u32::try_from(pid.as_raw_nonzero().get()).ok());
    let mut facts = facts::look(data_dir, addresses);
    if own_bus {
        facts.missing.retain(|program| *program != "nats-server");
    }
    rules::judge(&facts, ours)
}

fn lines_of(findings: &[Finding], severity: Severity) -> String {
    let bad = findings
        .iter()
        .filter(|finding| finding.severity == severity);
    let lines = bad.map(|finding| format!("\n  {}\n    mend it: {}", finding.what, finding.mend));
    lines.collect()
}

/// Tells of what works with less, before `up` starts so.
pub(crate) fn tell_warnings(findings: &[Finding]) {
    let warnings = lines_of(findings, Severity::Warning);
    if !warnings.is_empty() {
        print::note(&format!("this machine could give more:{warnings}"));
    }
}

/// What `up` must not start with: every error in one text.
pub(crate) fn refuse_errors(findings: &[Finding]) -> Result<()> {
    let errors = lines_of(findings, Severity::Error);
    if errors.is_empty() {
        return Ok(());
    }
    bail!("this machine is not ready:{errors}")
}

/// `quire doctor`.
pub(crate) fn run(args: &DoctorArgs, data_dir: &Path, output: Output) -> Result<()> {
    let ours = crate::up::running(data_dir)?;
    let addresses = [("--gateway", args.gateway), ("--edge", args.edge)];
    let findings = examine(data_dir, &addresses, ours, args.nats.is_some());
    if output == Output::Json {
        print::json(&findings)?;
    } else {
        for finding in &findings {
            let mark = match finding.severity {
                Severity::Ok => "ok     ",
                Severity::Warning => "warning",
                Severity::Error => "error  ",
            };
            out!("{mark}  {}", finding.what);
            if !finding.mend.is_empty() {
                out!("         mend it: {}", finding.mend);
            }
        }
    }
    refuse_errors(&findings)
}
