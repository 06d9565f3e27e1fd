//! What this machine allows between workloads and itself, found out by trying, and what it does not allow, in words.

use std::fs::{self, File};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;

use chassis::seal::sha256_hex;

use crate::config::AgentConfig;
use crate::denied;
use crate::runtime::process::cgroup::{self, Cgroups, Group, Limits};
use crate::runtime::process::etc::resolver_file;
use crate::runtime::process::firewall;
use crate::runtime::process::network::Networks;
use crate::runtime::process::sandbox::{Kind, Sandbox};
use crate::runtime::process::seccomp;
use crate::ssh;

/// Longest text about a lack that inventory takes, in characters.
const LONGEST_LACK: usize = 300;

/// What stands between workloads and this machine.
#[derive(Clone, Debug)]
pub(crate) struct Isolation {
    /// What workloads are put into.
    pub(crate) kind: Kind,
    /// Whether workloads get users of their own.
    pub(crate) own_users: bool,
    /// File with the filter of system calls.
    pub(crate) seccomp: Option<PathBuf>,
    /// How their use is limited.
    pub(crate) cgroups: Option<Arc<dyn Cgroups>>,
    /// How they get networks of their own.
    pub(crate) networks: Option<Arc<Networks>>,
    /// Protections that this machine cannot give, each with its reason.
    pub(crate) missing: Vec<String>,
    /// What workloads cannot do here although they should, each with its reason.
    pub(crate) impaired: Vec<String>,
}

/// Tries out every protection. `program` has the hidden subcommand `stage`.
pub(crate) fn probe(config: &AgentConfig, program: &Path) -> Isolation {
    let root = rustix::process::geteuid().is_root();
    let instance = instance(&config.data_dir);
    let mut isolation = Isolation {
        kind: Kind::Plain,
        own_users: root,
        seccomp: None,
        cgroups: None,
        networks: None,
        missing: Vec::new(),
        impaired: Vec::new(),
    };
    if !root {
        let lack = "own user: the agent is not root, so workloads run as its user and can read what it can";
        isolation.missing.push(lack.to_owned());
    }
    isolation.find_sandbox(config, program);
    if isolation.own_users && matches!(isolation.kind, Kind::Plain) {
        isolation.impaired.extend(closed_folder(&config.data_dir));
    }
    isolation
        .impaired
        .extend(ssh::lack().map(|lack| format!("ssh: {lack}")));
    match cgroup::detect(&instance) {
        Ok(cgroups) => isolation.cgroups = Some(cgroups),
        Err(problem) => {
            let lack = format!("limits: {problem}; workloads can take all processors and memory");
            isolation.missing.push(lack);
        }
    }
    match lay_network(config, &instance, root) {
        Ok(networks) => {
            isolation.impaired.extend(networks.unreachable_world());
            isolation.impaired.extend(unreachable_names());
            isolation.missing.extend(open_services(config));
            isolation.networks = Some(Arc::new(networks));
        }
        Err(problem) => isolation.missing.push(format!(
            "network: {problem}; workloads share the host's network and reach what it reaches"
        )),
    }
    isolation
}

impl Isolation {
    /// All that workloads lack here, in the form in which inventory takes it: what tools complain in many lines is one, and bounded.
    pub(crate) fn lacks(&self) -> Vec<String> {
        let all = self.missing.iter().chain(&self.impaired);
        all.map(|lack| one_line(lack)).collect()
    }

    /// Tries the strongest sandbox first, and says what the one that works does not have.
    fn find_sandbox(&mut self, config: &AgentConfig, program: &Path) {
        let kind = if self.own_users {
            Kind::Root
        } else {
            Kind::UserNamespace
        };
        let filter = config.data_dir.join("seccomp.bpf");
        let filtered = seccomp::write(&filter)
            .and_then(|()| try_sandbox(config, program, kind, Some(&filter)));
        let Err(problem) = filtered else {
            (self.kind, self.seccomp) = (kind, Some(filter));
            return;
        };
        let lack = match try_sandbox(config, program, kind, None) {
            Ok(()) => {
                self.kind = kind;
                format!(
                    "system calls: {problem}; workloads reach more of the kernel than they need"
                )
            }
            Err(problem) => {
                format!("sandbox: {problem}; workloads see the host's files and processes")
            }
        };
        self.missing.push(lack);
    }

    /// The group of an attempt, whether it is there or not.
    pub(crate) fn group(&self, attempt: &str) -> Option<Group> {
        self.cgroups.as_ref().map(|cgroups| cgroups.group(attempt))
    }

    /// Makes the group of an attempt; `None` where use cannot be limited.
    ///
    /// # Errors
    /// In words.
    pub(crate) fn limit(&self, attempt: &str, limits: Limits) -> Result<Option<Group>, String> {
        let made = self
            .cgroups
            .as_ref()
            .map(|cgroups| cgroups.create(attempt, limits))
            .transpose();
        made.map_err(|error| format!("limits cannot be set: {error}"))
    }

    /// Makes the network of an attempt; `None` where it shares the host's.
    ///
    /// # Errors
    /// In words.
    pub(crate) fn connect(&self, attempt: &str) -> Result<Option<PathBuf>, String> {
        self.networks
            .as_ref()
            .map(|networks| networks.create(attempt))
            .transpose()
    }

    /// Ends what an attempt left, and removes what was made for it.
    pub(crate) fn remove(&self, attempt: &str) {
        if let Some(Err(error)) = self.group(attempt).as_ref().map(cgroup::remove) {
            tracing::warn!(attempt, %error, "removing the limits of an attempt");
        }
        if let Some(Err(error)) = self
            .networks
            .as_ref()
            .map(|networks| networks.remove(attempt))
        {
            tracing::warn!(attempt, error, "removing the network of an attempt");
        }
    }

    /// Removes what was made for attempts that are not among `known`.
    pub(crate) fn remove_all_but(&self, known: &[String]) {
        let limited = self.cgroups.iter().flat_map(|cgroups| cgroups.names());
        let connected = self.networks.iter().flat_map(|networks| networks.names());
        for stray in limited
            .chain(connected)
            .filter(|name| !known.contains(name))
        {
            self.remove(&stray);
        }
    }

    /// Removes what was laid on the machine for workloads, when there are none.
    pub(crate) fn leave(&self) {
        if let Some(cgroups) = &self.cgroups {
            cgroups.leave();
        }
        if let Some(Err(error)) = self.networks.as_ref().map(|networks| networks.leave()) {
            tracing::warn!(error, "removing the rules for workloads");
        }
    }
}

fn one_line(text: &str) -> String {
    let words = text.split(|letter: char| letter.is_whitespace() || letter.is_control());
    let line = words
        .filter(|word| !word.is_empty())
        .collect::<Vec<_>>()
        .join(" ");
    if line.chars().count() <= LONGEST_LACK {
        return line;
    }
    let mut cut: String = line.chars().take(LONGEST_LACK - 1).collect();
    cut.push('…');
    cut
}

/// Tells of a folder above `data_dir` that users other than its owner cannot pass, where no sandbox brings them below it.
fn closed_folder(data_dir: &Path) -> Option<String> {
    let path = fs::canonicalize(data_dir).ok()?;
    let passable =
        |folder: &Path| fs::metadata(folder).is_ok_and(|folder| folder.mode() & 0o001 != 0);
    let closed = path.ancestors().find(|folder| !passable(folder))?;
    Some(format!(
        "folders: {} is closed to the users of workloads, so that no environment can start there; use a data folder outside it",
        closed.display()
    ))
}

/// A short name of the agent whose data lies in `data_dir`, for what it makes outside its folders.
fn instance(data_dir: &Path) -> String {
    let path = fs::canonicalize(data_dir).unwrap_or_else(|_| data_dir.to_owned());
    let hash = sha256_hex(&path.to_string_lossy());
    hash.get(..8).unwrap_or(&hash).to_owned()
}

/// Makes a sandbox, and looks from inside who one is there.
fn try_sandbox(
    config: &AgentConfig,
    program: &Path,
    kind: Kind,
    seccomp: Option<&Path>,
) -> Result<(), String> {
    let user = (kind == Kind::Root).then_some(config.first_uid);
    let sandbox = Sandbox {
        kind,
        program: program.to_owned(),
        user,
        cgroups: Vec::new(),
        network: None,
        seccomp: seccomp.map(Path::to_owned),
        folder: PathBuf::from("/"),
        errand: false,
        binds: Vec::new(),
    };
    let status = run_inside(config, &sandbox, &["cat", "/proc/self/status"])?;
    let field = |name: &str| {
        let value = status.lines().find_map(|line| line.strip_prefix(name));
        value
            .and_then(|value| value.split_whitespace().next())
            .unwrap_or_default()
    };
    let wanted_user = user.map_or_else(|| field("Uid:").to_owned(), |user| user.to_string());
    let wanted = [
        ("Uid:", wanted_user.as_str()),
        ("CapEff:", "0000000000000000"),
        ("NoNewPrivs:", "1"),
        (
            "Seccomp:",
            if seccomp.is_some() {
                "2"
            } else {
                field("Seccomp:")
            },
        ),
    ];
    match wanted.iter().find(|(name, value)| field(name) != *value) {
        None => Ok(()),
        Some((name, value)) => Err(format!(
            "a workload should have {name} {value}, and has {}",
            field(name)
        )),
    }
}

fn run_inside(config: &AgentConfig, sandbox: &Sandbox, command: &[&str]) -> Result<String, String> {
    let failed = |error: std::io::Error| error.to_string();
    let variables = config.run_dir.join("trial");
    fs::write(&variables, "PATH=/usr/bin:/bin\0").map_err(failed)?;
    let input = File::options()
        .read(true)
        .write(true)
        .open(&variables)
        .map_err(failed)?;
    fs::remove_file(&variables).map_err(failed)?;
    let command: Vec<String> = command.iter().map(|word| (*word).to_owned()).collect();
    let output = Command::new(&sandbox.program)
        .args(sandbox.args(&command))
        .stdin(Stdio::from(input))
        .output()
        .map_err(|error| format!("{} cannot be run: {error}", sandbox.program.display()))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let complaint: String = String::from_utf8_lossy(&output.stderr)
        .trim()
        .chars()
        .take(400)
        .collect();
    Err(format!("it cannot be made: {complaint}"))
}

fn lay_network(config: &AgentConfig, instance: &str, root: bool) -> Result<Networks, String> {
    if !root {
        return Err("only root can make networks".to_owned());
    }
    let (resolvers, _) = resolver_file();
    let denied = &config.denied_networks;
    Networks::lay(instance, &config.workload_network, &resolvers, denied)
}

/// Parts of the control plane whose addresses are not known, so that nothing keeps workloads from them.
fn open_services(config: &AgentConfig) -> Vec<String> {
    let services = denied::services(config).into_iter();
    let open = services.filter_map(|service| {
        let error = denied::addresses(&service).err()?;
        Some(format!(
            "network: {service} cannot be resolved ({error}); workloads reach it until it can"
        ))
    });
    open.collect()
}

/// Says so when no name server of this host can be reached from a workload's network.
fn unreachable_names() -> Option<String> {
    let (servers, _) = resolver_file();
    if servers
        .iter()
        .any(|server| firewall::reachable(server).is_some())
    {
        return None;
    }
    Some(format!(
        "egress: the host's name servers {servers:?} are on its loopback or have no IPv4 address, so workloads cannot resolve names"
    ))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn what_tools_complain_is_told_as_inventory_takes_it() {
        let complaint = "Operation not permitted\n\u{1b}[1mnetlink\tCache\r\n".repeat(40);
        let isolation = Isolation {
            kind: Kind::Plain,
            own_users: true,
            seccomp: None,
            cgroups: None,
            networks: None,
            missing: vec![
                format!("network: nft failed: {complaint}"),
                "limits: none\n".to_owned(),
            ],
            impaired: vec!["é".repeat(LONGEST_LACK + 1)],
        };
        let lacks = isolation.lacks();
        for lack in &lacks {
            // The very rule by which inventory checks them.
            kernel::text::name("missing_isolation", lack, LONGEST_LACK).unwrap();
        }
        assert!(
            lacks[0].starts_with("network: nft failed: Operation not permitted [1mnetlink Cache"),
            "{lacks:?}"
        );
        assert_eq!(lacks[1], "limits: none");
        assert_eq!(lacks.len(), 3);
    }

    #[test]
    fn a_control_plane_without_an_address_is_told() {
        let config = |host: &str| AgentConfig {
            scheduler: chassis::Address::Https(format!("{host}:7700")),
            ..AgentConfig::default()
        };
        assert!(open_services(&config("192.0.2.7")).is_empty());
        let told = open_services(&config("quire.invalid"));
        assert!(
            told.len() == 1
                && told[0].starts_with("network: quire.invalid:7700 cannot be resolved"),
            "{told:?}"
        );
    }

    #[test]
    fn a_folder_that_is_closed_to_workloads_is_named() {
        // Below the root, not the user's own folder for temporary files, which may be closed itself.
        let folder = tempfile::tempdir_in("/var/tmp").unwrap();
        let mode = |mode| fs::set_permissions(folder.path(), fs::Permissions::from_mode(mode));
        let data_dir = folder.path().join("data");
        fs::create_dir(&data_dir).unwrap();
        mode(0o711).unwrap();
        assert_eq!(closed_folder(&data_dir), None);
        mode(0o700).unwrap();
        let told = closed_folder(&data_dir).unwrap();
        assert!(
            told.contains(&folder.path().display().to_string()),
            "{told}"
        );
    }
}
