//! Machines that lack one thing each, made up: what is told of them.

use super::super::facts::PROGRAMS;
use super::super::holder::Holder;
use super::*;

/// A machine on which all is well.
fn good() -> Facts {
    Facts {
        root: true,
        missing: Vec::new(),
        ssh_server: true,
        namespaces: Namespaces {
            max_user: Some(10_000),
            unprivileged_clone: None,
            apparmor_restricts: None,
            refused: None,
        },
        groups: Groups {
            controllers: ["cpu", "memory", "pids"].map(str::to_owned).into(),
            read_only: false,
        },
        disk: Disk {
            folder: "/data".into(),
            free_gib: Some(50),
            roomiest: Some(("/".into(), 50)),
        },
        gpu: Gpu {
            plugged_in: false,
            device: false,
            library: false,
            major: None,
            ubuntu: false,
        },
        ports: vec![Port {
            option: "--gateway",
            address: "127.0.0.1:7700".parse().unwrap(),
            refused: None,
            free: None,
        }],
    }
}

/// What is not well on a machine that differs from a good one.
fn found(ours: Option<u32>, change: impl FnOnce(&mut Facts)) -> Vec<Finding> {
    let mut facts = good();
    change(&mut facts);
    let mut findings = judge(&facts, ours);
    findings.retain(|finding| finding.severity != Severity::Ok);
    findings
}

/// The one thing that is not well, with the command that mends it.
#[track_caller]
fn only(change: impl FnOnce(&mut Facts), severity: Severity, mend: &str) {
    let findings = found(None, change);
    let [one] = findings.as_slice() else {
        panic!("{findings:?}");
    };
    assert_eq!(
        (one.severity, one.mend.as_str()),
        (severity, mend),
        "{one:?}"
    );
}

#[test]
fn a_good_machine_is_well() {
    assert_eq!(found(None, |_| ()).len(), 0);
}

#[test]
fn sshd_need_not_run() {
    only(
        |facts| facts.ssh_server = false,
        Severity::Warning,
        "apt-get install -y openssh-server && systemctl disable --now ssh",
    );
}

#[test]
fn each_program_that_is_missing_is_installed_by_one_line() {
    for (name, _) in PROGRAMS {
        let findings = found(None, |facts| facts.missing.push(name));
        let [one] = findings.as_slice() else {
            panic!("{name}: {findings:?}");
        };
        assert!(one.what.starts_with(name), "{one:?}");
        assert!(one.mend.starts_with("apt-get install -y "), "{one:?}");
        let needed = ["nats-server", "uv", "python3"].contains(&name);
        assert_eq!(one.severity == Severity::Error, needed, "{one:?}");
    }
    let findings = found(None, |facts| {
        (facts.root, facts.missing) = (false, vec!["ip"]);
    });
    assert!(
        findings
            .iter()
            .any(|one| one.mend == "sudo apt-get install -y iproute2"),
        "{findings:?}"
    );
}

#[test]
fn namespaces_that_are_refused_are_told_with_the_switch() {
    let switched = |change: fn(&mut Namespaces)| {
        let findings = found(None, |facts| {
            facts.root = false;
            change(&mut facts.namespaces);
        });
        let mends: Vec<_> = findings.into_iter().map(|one| one.mend).collect();
        assert_eq!(mends.first().map(String::as_str), Some("sudo quire up"));
        mends.get(1).cloned().unwrap_or_default()
    };
    assert_eq!(switched(|_| ()), "");
    assert_eq!(
        switched(|found| found.max_user = Some(0)),
        "sudo sysctl -w user.max_user_namespaces=10000"
    );
    assert_eq!(
        switched(|found| found.unprivileged_clone = Some(0)),
        "sudo sysctl -w kernel.unprivileged_userns_clone=1"
    );
    let refused = "bwrap: setting up uid map: Permission denied".to_owned();
    let by_apparmor = |found: &mut Namespaces| {
        found.refused = Some("bwrap: setting up uid map: Permission denied".to_owned());
        found.apparmor_restricts = Some(1);
    };
    assert_eq!(
        switched(by_apparmor),
        "sudo sysctl -w kernel.apparmor_restrict_unprivileged_userns=0"
    );
    // Root in a container that may do little.
    only(
        |facts| facts.namespaces.refused = Some(refused),
        Severity::Warning,
        "bwrap --unshare-all --ro-bind / / /bin/sh -c :   # on the host itself",
    );
    // Root does not need the switches.
    assert_eq!(
        found(None, |facts| facts.namespaces.max_user = Some(0)).len(),
        0
    );
}

#[test]
fn control_groups_that_cannot_limit_are_told() {
    only(
        |facts| facts.groups.controllers.clear(),
        Severity::Warning,
        "mount -t cgroup2 none /sys/fs/cgroup",
    );
    only(
        |facts| facts.groups.read_only = true,
        Severity::Warning,
        "mount -o remount,rw /sys/fs/cgroup",
    );
    only(
        |facts| facts.groups.controllers.retain(|name| name != "memory"),
        Severity::Warning,
        "sed -i 's/^GRUB_CMDLINE_LINUX=\"/&cgroup_enable=memory /' /etc/default/grub && update-grub && reboot",
    );
}

#[test]
fn a_full_disk_is_left_for_one_with_room() {
    only(
        |facts| facts.disk.free_gib = Some(9),
        Severity::Warning,
        "du -xh /data | sort -h | tail -n 20",
    );
    let full = |roomiest: Option<(&'static str, u64)>| {
        move |facts: &mut Facts| {
            facts.disk.free_gib = Some(1);
            facts.disk.roomiest = roomiest.map(|(mounted, free)| (mounted.into(), free));
        }
    };
    only(
        full(Some(("/srv", 90))),
        Severity::Error,
        "quire up --data-dir /srv/quire",
    );
    only(
        full(Some(("/srv", 2))),
        Severity::Error,
        "du -xh /data | sort -h | tail -n 20",
    );
    only(
        full(None),
        Severity::Error,
        "du -xh /data | sort -h | tail -n 20",
    );
    only(
        |facts| facts.disk.free_gib = None,
        Severity::Warning,
        "df -h /data",
    );
}

#[test]
fn a_gpu_without_its_driver_is_told() {
    let gpu = |device: bool, library: bool, ubuntu: bool| {
        move |facts: &mut Facts| {
            facts.gpu = Gpu {
                plugged_in: true,
                device,
                library,
                major: device.then_some(535),
                ubuntu,
            };
        }
    };
    let cases = [
        (false, false, false, "apt-get install -y nvidia-driver"),
        (false, true, false, "modprobe nvidia"),
        (true, false, false, "apt-get install -y libnvidia-ml1"),
        (
            true,
            false,
            true,
            "apt-get install -y libnvidia-compute-535",
        ),
    ];
    for (device, library, ubuntu, mend) in cases {
        only(gpu(device, library, ubuntu), Severity::Warning, mend);
    }
    assert_eq!(found(None, gpu(true, true, false)).len(), 0);
}

#[test]
fn a_port_that_is_taken_names_its_holder_and_another_port() {
    let taken = |holder: Option<u32>, free: Option<u16>| {
        move |facts: &mut Facts| {
            let holder = holder.map(|pid| Holder {
                pid,
                name: "nginx".to_owned(),
            });
            for port in &mut facts.ports {
                port.refused = Some(("Address already in use".to_owned(), holder.clone()));
                port.free = free;
            }
        }
    };
    only(
        taken(Some(7), Some(7710)),
        Severity::Error,
        "kill 7   # or: quire up --gateway 127.0.0.1:7710",
    );
    only(
        taken(None, Some(7710)),
        Severity::Error,
        "quire up --gateway 127.0.0.1:7710",
    );
    only(taken(Some(7), None), Severity::Error, "kill 7");
    assert_eq!(found(Some(7), taken(Some(7), None)).len(), 0, "our own");
    assert_eq!(found(Some(8), taken(Some(7), None)).len(), 1, "another's");
}
