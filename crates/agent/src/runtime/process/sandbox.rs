//! What a workload sees: the command line that makes its sandbox.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// Where the workload sees its volume.
pub(crate) const NOTEBOOKS: &str = "/notebooks";
/// Where the workload sees the folder of its socket.
pub(crate) const RUN: &str = "/run/quire";
/// Where the workload sees the program that drops its privileges.
/// Where a workload sees what its team shares, where that can be shown.
pub(super) const STORAGE: &str = "/storage";
pub(super) const STAGE: &str = "/run/quire-agent";

/// How much of a sandbox this machine allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// The agent is root: mounts and namespaces are made by root, and the workload gets a user of its own.
    Root,
    /// The agent is not root: all is made in a user namespace, and the workload keeps the agent's user.
    UserNamespace,
    /// No sandbox: the workload is a process like others.
    Plain,
}

/// A path of the host that the workload sees.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Bind {
    pub(crate) source: PathBuf,
    pub(crate) target: PathBuf,
    pub(crate) access: Access,
}

/// What the workload may do with a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Access {
    Read,
    Write,
    Device,
}

impl Bind {
    /// Seen where it is, to be read.
    pub(crate) fn in_place(path: impl Into<PathBuf>) -> Self {
        let path = path.into();
        Self {
            source: path.clone(),
            target: path,
            access: Access::Read,
        }
    }

    /// A device file.
    pub(crate) fn device(path: PathBuf) -> Self {
        Self {
            source: path.clone(),
            target: path,
            access: Access::Device,
        }
    }
}

/// One sandbox.
#[derive(Clone, Debug)]
pub(crate) struct Sandbox {
    pub(crate) kind: Kind,
    /// The program with the hidden subcommand `stage`.
    pub(crate) program: PathBuf,
    /// The workload's own user.
    pub(crate) user: Option<u32>,
    /// Groups whose limits it is under.
    pub(crate) cgroups: Vec<PathBuf>,
    /// Its own network; `None` = the host's.
    pub(crate) network: Option<PathBuf>,
    /// File with the filter of system calls.
    pub(crate) seccomp: Option<PathBuf>,
    /// Where it starts, as the workload sees it.
    pub(crate) folder: PathBuf,
    /// A short program with the streams of who asked for it, and no network; else a workload.
    pub(crate) errand: bool,
    /// What it sees beside the system's own programs.
    pub(crate) binds: Vec<Bind>,
}

impl Sandbox {
    /// Arguments for the agent's own program that end in `command` inside the sandbox.
    pub(crate) fn args(&self, command: &[String]) -> Vec<OsString> {
        let mut args: Vec<OsString> = vec!["stage".into(), "enter".into()];
        for cgroup in &self.cgroups {
            args.extend(["--cgroup".into(), cgroup.into()]);
        }
        if let Some(network) = &self.network {
            args.extend(["--network".into(), network.into()]);
        }
        if self.kind != Kind::Plain {
            if let Some(seccomp) = &self.seccomp {
                args.extend(["--seccomp".into(), seccomp.into()]);
            }
            args.extend(["--".into(), "bwrap".into()]);
            args.extend(self.walls());
            args.extend(["--".into(), STAGE.into()]);
        } else {
            args.extend(["--".into(), self.program.clone().into()]);
        }
        args.extend(["stage".into(), "drop".into()]);
        if let Some(user) = self.user {
            args.extend(["--user".into(), user.to_string().into()]);
        }
        if self.errand {
            args.extend(["--input".into(), "kept".into()]);
        }
        args.extend(["--folder".into(), self.folder.clone().into(), "--".into()]);
        args.extend(command.iter().map(Into::into));
        args
    }

    /// Everything between the workload and the host.
    fn walls(&self) -> Vec<OsString> {
        let mut walls = Walls::default();
        walls.options("--unshare-pid --unshare-ipc --unshare-uts --unshare-cgroup-try");
        walls.options("--hostname notebook --die-with-parent --new-session --cap-drop ALL");
        if self.errand {
            walls.options("--unshare-net");
        } else {
            walls.options("--perms 0755 --dir");
            walls.args.push(STORAGE.into());
        }
        match self.kind {
            // What `stage drop` needs to become the workload's user; it gives them up with that.
            Kind::Root => {
                walls.options("--cap-add CAP_SETUID --cap-add CAP_SETGID --cap-add CAP_SETPCAP")
            }
            Kind::UserNamespace | Kind::Plain => walls.options("--unshare-user"),
        }
        walls.system();
        walls.options(
            "--proc /proc --dev /dev --perms 1777 --tmpfs /dev/shm --perms 1777 --tmpfs /tmp",
        );
        walls
            .parents
            .extend(["/proc", "/dev", "/tmp"].map(PathBuf::from));
        walls.bind(&Bind {
            source: self.program.clone(),
            target: STAGE.into(),
            access: Access::Read,
        });
        for bind in &self.binds {
            walls.bind(bind);
        }
        // The workload's own folder may be closed to everybody else; `stage drop` enters it.
        walls.options("--chdir /");
        walls.args
    }
}

/// Arguments of bubblewrap in the making.
#[derive(Debug, Default)]
struct Walls {
    args: Vec<OsString>,
    /// Paths that are shown already, with all below them.
    shown: Vec<PathBuf>,
    /// Folders that are there to hold others.
    parents: BTreeSet<PathBuf>,
}

impl Walls {
    fn options(&mut self, text: &str) {
        self.args.extend(text.split(' ').map(OsString::from));
    }

    /// The system's programs and libraries, in the layout of the host, and what processors there are.
    fn system(&mut self) {
        self.bind(&Bind::in_place("/usr"));
        for name in [
            "/bin",
            "/sbin",
            "/lib",
            "/lib32",
            "/lib64",
            "/libx32",
            "/sys/devices/system",
        ] {
            let path = Path::new(name);
            if let Ok(target) = path.read_link() {
                self.args
                    .extend(["--symlink".into(), target.into(), name.into()]);
                self.shown.push(path.to_owned());
            } else if path.is_dir() {
                self.bind(&Bind::in_place(path));
            }
        }
    }

    fn bind(&mut self, bind: &Bind) {
        let shown = bind.source == bind.target
            && self
                .shown
                .iter()
                .any(|shown| bind.target.starts_with(shown));
        if shown && bind.access == Access::Read {
            return;
        }
        self.parents_of(&bind.target);
        let option = match bind.access {
            Access::Read => "--ro-bind",
            Access::Write => "--bind",
            Access::Device => "--dev-bind",
        };
        self.args.extend([
            option.into(),
            bind.source.clone().into(),
            bind.target.clone().into(),
        ]);
        self.shown.push(bind.target.clone());
    }

    /// Folders above a mount, open to be passed through: bubblewrap would make them as closed as the host's are.
    fn parents_of(&mut self, target: &Path) {
        let mut above: Vec<&Path> = target
            .ancestors()
            .skip(1)
            .filter(|path| *path != Path::new("/"))
            .collect();
        above.reverse();
        for folder in above {
            let there = self.shown.iter().any(|shown| folder.starts_with(shown));
            if !there && self.parents.insert(folder.to_owned()) {
                self.options("--perms 0755 --dir");
                self.args.push(folder.into());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sandbox(kind: Kind) -> Sandbox {
        Sandbox {
            kind,
            program: "/opt/quire-agent".into(),
            user: Some(200_001),
            cgroups: vec!["/c/1".into()],
            network: Some("/run/netns/n".into()),
            seccomp: None,
            folder: NOTEBOOKS.into(),
            errand: false,
            binds: vec![
                Bind::in_place("/root/.py/3.11"),
                Bind::in_place("/usr/share/x"),
                Bind::in_place("/tmp/data/env"),
                Bind {
                    source: "/data/vo-1".into(),
                    target: NOTEBOOKS.into(),
                    access: Access::Write,
                },
            ],
        }
    }

    fn text(args: &[OsString]) -> String {
        args.iter()
            .map(|arg| arg.to_string_lossy())
            .collect::<Vec<_>>()
            .join(" ")
    }

    #[test]
    fn walls_stand_between_the_limits_and_the_command() {
        let args = text(&sandbox(Kind::Root).args(&["jupyter".to_owned(), "lab".to_owned()]));
        assert!(
            args.starts_with(
                "stage enter --cgroup /c/1 --network /run/netns/n -- bwrap --unshare-pid"
            ),
            "{args}"
        );
        assert!(
            args.ends_with(
                "-- /run/quire-agent stage drop --user 200001 --folder /notebooks -- jupyter lab"
            ),
            "{args}"
        );
        assert!(
            args.contains(
                "--perms 0755 --dir /root --perms 0755 --dir /root/.py --ro-bind /root/.py/3.11 "
            ),
            "{args}"
        );
        assert!(args.contains("--bind /data/vo-1 /notebooks"), "{args}");
        assert!(
            args.contains("--perms 0755 --dir /tmp/data --ro-bind /tmp/data/env "),
            "{args}"
        );
        assert!(
            !args.contains("/usr/share/x") && !args.contains("--unshare-user"),
            "{args}"
        );
        assert!(text(&sandbox(Kind::UserNamespace).args(&[])).contains("--unshare-user"));
    }

    #[test]
    fn an_errand_has_no_network_and_keeps_its_input() {
        let sandbox = Sandbox {
            errand: true,
            network: None,
            ..sandbox(Kind::Root)
        };
        let args = text(&sandbox.args(&["tar".to_owned()]));
        assert!(args.contains(" --unshare-net "), "{args}");
        assert!(
            args.ends_with("stage drop --user 200001 --input kept --folder /notebooks -- tar"),
            "{args}"
        );
    }

    #[test]
    fn without_walls_the_command_only_drops_privileges() {
        let args = text(&sandbox(Kind::Plain).args(&["sh".to_owned()]));
        let wanted = "stage enter --cgroup /c/1 --network /run/netns/n -- /opt/quire-agent stage drop --user 200001 --folder /notebooks -- sh";
        assert_eq!(args, wanted);
    }
}
