//! `quire doctor`: what would keep Quire from working here, each with the command that mends it.

use std::fs;
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Result, bail};
use serde::Serialize;

use crate::cli::Output;
use crate::print;
use crate::print::out;

/// Less free disk than this does not hold an environment and some files.
const NEEDED_GIB: u64 = 3;

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
    /// What to do about it.
    #[serde(skip_serializing_if = "String::is_empty")]
    mend: String,
}

fn finding(severity: Severity, what: impl Into<String>, mend: impl Into<String>) -> Finding {
    Finding {
        severity,
        what: what.into(),
        mend: mend.into(),
    }
}

fn answers(program: &str) -> bool {
    let started = Command::new(program)
        .arg("--version")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    started.is_ok_and(|status| status.success())
}

fn program(name: &str, package: &str, severity: Severity, without: &str) -> Finding {
    if answers(name) {
        return finding(Severity::Ok, format!("{name} is installed"), "");
    }
    finding(
        severity,
        format!("{name} is missing: {without}"),
        format!("apt-get install -y {package}"),
    )
}

fn uv() -> Finding {
    if answers("uv") {
        return finding(Severity::Ok, "uv is installed", "");
    }
    finding(
        Severity::Error,
        "uv is missing: it builds the environments of notebooks",
        "python3 -m venv /opt/quire-uv && /opt/quire-uv/bin/pip install uv && ln -s /opt/quire-uv/bin/uv /usr/local/bin/uv",
    )
}

fn root() -> Finding {
    if rustix::process::geteuid().is_root() {
        return finding(
            Severity::Ok,
            "runs as root: workloads get users of their own",
            "",
        );
    }
    finding(
        Severity::Warning,
        "does not run as root: workloads share your user, and limits of CPU and memory are not enforced",
        "sudo quire up",
    )
}

fn user_namespaces() -> Finding {
    let off = fs::read_to_string("/proc/sys/user/max_user_namespaces")
        .is_ok_and(|text| text.trim() == "0");
    if off && !rustix::process::geteuid().is_root() {
        let what = "user namespaces are switched off: workloads cannot be kept apart without root";
        return finding(
            Severity::Warning,
            what,
            "sysctl -w user.max_user_namespaces=10000",
        );
    }
    finding(Severity::Ok, "namespaces can be used", "")
}

fn disk(data_dir: &Path) -> Finding {
    // The folder itself may not be there yet.
    let existing = data_dir
        .ancestors()
        .find(|folder| folder.exists())
        .unwrap_or(Path::new("/"));
    let Ok(stat) = rustix::fs::statvfs(existing) else {
        return finding(
            Severity::Warning,
            format!("cannot tell the free space of {}", existing.display()),
            "",
        );
    };
    let free_gib = stat.f_bavail.saturating_mul(stat.f_frsize) >> 30;
    if free_gib < NEEDED_GIB {
        let what = format!(
            "{free_gib} GiB are free below {}; {NEEDED_GIB} are needed",
            existing.display()
        );
        return finding(
            Severity::Error,
            what,
            "free some space, or name another folder with --data-dir",
        );
    }
    finding(
        Severity::Ok,
        format!("{free_gib} GiB are free below {}", existing.display()),
        "",
    )
}

fn driver() -> Finding {
    let device = Path::new("/dev/nvidiactl").exists();
    let library = [
        "/usr/lib/x86_64-linux-gnu/libnvidia-ml.so.1",
        "/usr/lib64/libnvidia-ml.so.1",
    ]
    .iter()
    .any(|path| Path::new(path).exists());
    match (device, library) {
        (true, false) => finding(
            Severity::Warning,
            "a GPU is there but the driver's library is missing: GPUs will not be offered",
            "install the NVIDIA driver's user-space package of the same version",
        ),
        (true, true) => finding(Severity::Ok, "the GPU driver is there", ""),
        (false, _) => finding(Severity::Ok, "no GPU: CPU machine types are offered", ""),
    }
}

fn port(address: SocketAddr, ours: bool) -> Finding {
    match TcpListener::bind(address) {
        Ok(_) => finding(Severity::Ok, format!("{address} is free"), ""),
        Err(_) if ours => finding(
            Severity::Ok,
            format!("{address} is served by this Quire"),
            "",
        ),
        Err(error) => {
            let holder =
                holder_of(address.port()).map_or_else(String::new, |name| format!(" by {name}"));
            let what = format!("{address} cannot be used{holder}: {error}");
            finding(
                Severity::Error,
                what,
                "stop that program, or choose other addresses with --gateway and --edge",
            )
        }
    }
}

/// The program that listens on a port: its socket's inode in `/proc/net/tcp`, found among the open files of all processes.
fn holder_of(port: u16) -> Option<String> {
    let listening = "0A";
    let table = fs::read_to_string("/proc/net/tcp").ok()?;
    let inode = table.lines().skip(1).find_map(|line| {
        let columns: Vec<&str> = line.split_whitespace().collect();
        let local = columns.get(1)?.rsplit_once(':')?.1;
        let matches = u16::from_str_radix(local, 16).ok()? == port && *columns.get(3)? == listening;
        matches.then(|| columns.get(9).map(|inode| format!("socket:[{inode}]")))?
    })?;
    for process in fs::read_dir("/proc").ok()?.flatten() {
        let Ok(files) = fs::read_dir(process.path().join("fd")) else {
            continue;
        };
        let holds = files.flatten().any(|file| {
            fs::read_link(file.path()).is_ok_and(|link| link.as_os_str() == inode.as_str())
        });
        if holds {
            let name = fs::read_to_string(process.path().join("comm")).unwrap_or_default();
            return Some(format!(
                "{} (process {})",
                name.trim(),
                process.file_name().to_string_lossy()
            ));
        }
    }
    None
}

/// Looks at everything. `ours` = a Quire of this data folder runs now.
pub(crate) fn examine(data_dir: &Path, addresses: &[SocketAddr], ours: bool) -> Vec<Finding> {
    let mut findings = vec![
        program(
            "nats-server",
            "nats-server",
            Severity::Error,
            "it carries the events",
        ),
        uv(),
        program(
            "bwrap",
            "bubblewrap",
            Severity::Warning,
            "workloads cannot be kept apart",
        ),
        program(
            "nft",
            "nftables",
            Severity::Warning,
            "workloads cannot have networks of their own",
        ),
        root(),
        user_namespaces(),
        disk(data_dir),
        driver(),
    ];
    findings.extend(addresses.iter().map(|address| port(*address, ours)));
    findings
}

/// What `up` must not start with: every error in one text.
pub(crate) fn refuse_errors(findings: &[Finding]) -> Result<()> {
    let errors: Vec<_> = findings
        .iter()
        .filter(|finding| finding.severity == Severity::Error)
        .map(|finding| format!("  {}\n    mend it: {}", finding.what, finding.mend))
        .collect();
    if errors.is_empty() {
        return Ok(());
    }
    bail!("this machine is not ready:\n{}", errors.join("\n"))
}

/// `quire doctor`.
pub(crate) fn run(data_dir: &Path, output: Output) -> Result<()> {
    let ours = crate::up::running(data_dir)?.is_some();
    let addresses = [
        SocketAddr::from(([127, 0, 0, 1], 7700)),
        SocketAddr::from(([127, 0, 0, 1], 7701)),
    ];
    let findings = examine(data_dir, &addresses, ours);
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
