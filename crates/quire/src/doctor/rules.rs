//! What that which was found means: a rule a subject, from facts to findings. Every finding that is not well has a command that
//! can be pasted.

use super::facts::{Disk, Facts, Gpu, Groups, Namespaces, Port};
use super::{Finding, Severity};

/// Less free disk than this does not hold an environment and some files.
const NEEDED_GIB: u64 = 3;
/// Below this the disk is nearly full.
const COMFORTABLE_GIB: u64 = 10;
/// What the agent limits workloads with.
const CONTROLLERS: [&str; 3] = ["cpu", "memory", "pids"];

fn well(what: impl Into<String>) -> Finding {
    Finding {
        severity: Severity::Ok,
        what: what.into(),
        mend: String::new(),
    }
}

fn warning(what: impl Into<String>, mend: impl Into<String>) -> Finding {
    Finding {
        severity: Severity::Warning,
        what: what.into(),
        mend: mend.into(),
    }
}

fn error(what: impl Into<String>, mend: impl Into<String>) -> Finding {
    Finding {
        severity: Severity::Error,
        what: what.into(),
        mend: mend.into(),
    }
}

/// All findings. `ours` = the process of the Quire of this data folder that runs now.
pub(super) fn judge(facts: &Facts, ours: Option<u32>) -> Vec<Finding> {
    let mut findings: Vec<_> = super::facts::PROGRAMS
        .map(|(name, _)| program(name, facts))
        .into();
    findings.push(ssh_server(facts));
    findings.push(root(facts.root));
    findings.push(namespaces(&facts.namespaces, facts.root));
    if facts.root {
        // Without root there are no limits anyway, which is told already.
        findings.push(groups(&facts.groups));
    }
    findings.push(disk(&facts.disk));
    findings.push(gpu(&facts.gpu, facts.root));
    findings.extend(facts.ports.iter().map(|found| port(found, ours)));
    findings
}

/// A command that only root may call.
fn privileged(command: &str, root: bool) -> String {
    if root {
        command.to_owned()
    } else {
        format!("sudo {command}")
    }
}

fn program(name: &str, facts: &Facts) -> Finding {
    if !facts.missing.contains(&name) {
        return well(format!("{name} is installed"));
    }
    let install = |package: &str| privileged(&format!("apt-get install -y {package}"), facts.root);
    let lacks = |without: &str| format!("{name} is missing: {without}");
    match name {
        "nats-server" => error(lacks("it carries the events"), install("nats-server")),
        "uv" => error(
            lacks("it builds the environments of notebooks"),
            uv(facts.root),
        ),
        "python3" => error(lacks("environments are made of it"), install("python3")),
        "bwrap" => warning(
            lacks("workloads cannot be kept apart"),
            install("bubblewrap"),
        ),
        "nft" => warning(
            lacks("workloads cannot have networks of their own"),
            install("nftables"),
        ),
        "ip" => warning(
            lacks("workloads cannot have networks of their own"),
            install("iproute2"),
        ),
        "git" => warning(
            lacks("notebooks cannot be made with a repository"),
            install("git"),
        ),
        _ => warning(
            lacks("workloads cannot have users of their own"),
            install("util-linux"),
        ),
    }
}

fn ssh_server(facts: &Facts) -> Finding {
    if facts.ssh_server {
        return well("sshd is installed");
    }
    let root = facts.root;
    let install = privileged("apt-get install -y openssh-server", root);
    let stop = privileged("systemctl disable --now ssh", root);
    warning(
        "sshd is missing: nobody can come into notebooks by ssh; its daemon need not run",
        format!("{install} && {stop}"),
    )
}

/// Debian keeps its own Python closed to pip: a virtual environment beside it.
fn uv(root: bool) -> String {
    let (folder, link) = if root {
        ("/opt/quire-uv", "/usr/local/bin/uv")
    } else {
        ("~/.local/uv", "~/.local/bin/uv")
    };
    let venv = privileged("apt-get install -y python3-venv", root);
    format!(
        "{venv} && python3 -m venv {folder} && {folder}/bin/pip install uv && mkdir -p $(dirname {link}) && ln -sfn {folder}/bin/uv {link}"
    )
}

fn root(root: bool) -> Finding {
    if root {
        return well("runs as root: workloads get users of their own");
    }
    warning(
        "does not run as root: workloads share your user, and limits of CPU and memory are not enforced",
        "sudo quire up",
    )
}

fn namespaces(found: &Namespaces, root: bool) -> Finding {
    let switch = |what: &str, setting: &str| {
        let what = format!("{what}: workloads cannot be kept apart without root");
        warning(what, privileged(&format!("sysctl -w {setting}"), root))
    };
    // Root makes namespaces without these.
    if !root && found.max_user == Some(0) {
        return switch(
            "user namespaces are switched off",
            "user.max_user_namespaces=10000",
        );
    }
    if !root && found.unprivileged_clone == Some(0) {
        return switch(
            "the kernel keeps user namespaces for root",
            "kernel.unprivileged_userns_clone=1",
        );
    }
    let Some(said) = &found.refused else {
        return well("namespaces can be used");
    };
    if !root && found.apparmor_restricts == Some(1) {
        return switch(
            "AppArmor keeps user namespaces from programs that it does not know",
            "kernel.apparmor_restrict_unprivileged_userns=0",
        );
    }
    let what = format!(
        "no sandbox can be made ({said}): workloads cannot be kept apart; inside a container it takes one that is privileged"
    );
    let trial = "bwrap --unshare-all --ro-bind / / /bin/sh -c :";
    warning(what, format!("{trial}   # on the host itself"))
}

fn groups(found: &Groups) -> Finding {
    let limits = "use of CPU and memory is not limited";
    if found.controllers.is_empty() {
        return warning(
            format!("no control groups are mounted: {limits}"),
            "mount -t cgroup2 none /sys/fs/cgroup",
        );
    }
    if found.read_only {
        return warning(
            format!("control groups are mounted for reading only: {limits}"),
            "mount -o remount,rw /sys/fs/cgroup",
        );
    }
    let has = |name: &&str| found.controllers.iter().any(|there| there == name);
    let lacking: Vec<_> = CONTROLLERS.into_iter().filter(|name| !has(name)).collect();
    if lacking.is_empty() {
        return well("control groups can be used");
    }
    let (names, parameters) = (lacking.join(", "), lacking.join(","));
    warning(
        format!("the kernel has no control group of {names}: {limits}"),
        format!(
            "sed -i 's/^GRUB_CMDLINE_LINUX=\"/&cgroup_enable={parameters} /' /etc/default/grub && update-grub && reboot"
        ),
    )
}

fn disk(found: &Disk) -> Finding {
    let folder = found.folder.display();
    let look = format!("df -h {folder}");
    match found.free_gib {
        None => warning(format!("cannot tell the free space of {folder}"), look),
        Some(free) if free >= COMFORTABLE_GIB => {
            well(format!("{free} GiB are free below {folder}"))
        }
        Some(free) if free >= NEEDED_GIB => warning(
            format!("the disk of {folder} is nearly full: {free} GiB are free"),
            format!("du -xh {folder} | sort -h | tail -n 20"),
        ),
        Some(free) => {
            let what = format!("{free} GiB are free below {folder}; {NEEDED_GIB} are needed");
            match &found.roomiest {
                Some((mounted, most)) if *most >= NEEDED_GIB => {
                    let other = mounted.join("quire");
                    error(what, format!("quire up --data-dir {}", other.display()))
                }
                // No disk has room: what takes it, the largest last.
                _ => error(what, format!("du -xh {folder} | sort -h | tail -n 20")),
            }
        }
    }
}

fn gpu(found: &Gpu, root: bool) -> Finding {
    let unused = "GPUs will not be offered";
    let install = |package: &str| privileged(&format!("apt-get install -y {package}"), root);
    match (
        found.plugged_in || found.device,
        found.device,
        found.library,
    ) {
        (false, ..) => well("no GPU: CPU machine types are offered"),
        (true, true, true) => well("the GPU driver is there"),
        (true, true, false) => {
            // Ubuntu's packages carry the version, and both halves must be of one.
            let package = match (found.ubuntu, found.major) {
                (true, Some(major)) => format!("libnvidia-compute-{major}"),
                _ => "libnvidia-ml1".to_owned(),
            };
            let what = format!("a GPU is there but the driver's library is missing: {unused}");
            warning(what, install(&package))
        }
        (true, false, true) => warning(
            format!("a GPU is there but its driver is not loaded: {unused}"),
            privileged("modprobe nvidia", root),
        ),
        (true, false, false) => {
            let package = if found.ubuntu {
                "ubuntu-drivers-common && ubuntu-drivers install"
            } else {
                "nvidia-driver"
            };
            let what = format!("a GPU is there but its driver is missing: {unused}");
            warning(what, install(package))
        }
    }
}

fn port(found: &Port, ours: Option<u32>) -> Finding {
    let address = found.address;
    let Some((why, holder)) = &found.refused else {
        return well(format!("{address} is free"));
    };
    let elsewhere = found.free.map(|port| {
        let mut other = address;
        other.set_port(port);
        format!("quire up {} {other}", found.option)
    });
    match (holder, elsewhere) {
        (Some(holder), _) if Some(holder.pid) == ours => {
            well(format!("{address} is served by this Quire"))
        }
        (Some(holder), elsewhere) => {
            let (pid, name) = (holder.pid, &holder.name);
            let what = format!("{address} cannot be used: {name} (process {pid}) listens there");
            let or = elsewhere.map_or_else(String::new, |other| format!("   # or: {other}"));
            error(what, format!("kill {pid}{or}"))
        }
        (None, Some(elsewhere)) => error(format!("{address} cannot be used: {why}"), elsewhere),
        (None, None) => {
            let other = format!("quire up {} 127.0.0.1:{}", found.option, address.port());
            error(format!("{address} cannot be used: {why}"), other)
        }
    }
}

#[cfg(test)]
mod tests;
