//! What an agent needs to be told.

use std::path::PathBuf;

use chassis::Address;
use serde::{Deserialize, Serialize};

/// Configuration of one agent. Its folders hold all that it knows: there is no database.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AgentConfig {
    /// What must last: attempts, volumes, environments, the node's key. Environments are built and cached here, so one file
    /// system should hold it all.
    pub data_dir: PathBuf,
    /// What need not outlive the boot: the sockets of workloads. Short, because a socket's path has at most 107 bytes.
    pub run_dir: PathBuf,
    /// Where the relay's socket lies, `<node>.sock`; edges on this host look here.
    pub relay_dir: PathBuf,
    /// Where the scheduler is found.
    pub scheduler: Address,
    /// Where inventory is found.
    pub inventory: Address,
    /// Where volume is found.
    pub volume: Address,
    /// Where identity is found.
    pub identity: Address,
    /// File with the authority of these, as PEM, where they are `https://`; none = the one that the join token named, else those that
    /// this machine trusts.
    pub authority: Option<PathBuf>,
    /// Name of the node; empty = the host's.
    pub name: String,
    /// CPU that may be promised for each CPU that is there, 1 to 16.
    pub cpu_overcommit: u32,
    /// Memory that workloads do not get, in MiB.
    pub memory_reserve_mib: u32,
    /// Finished sandboxes that may wait for notebooks, so that these start at once: at most so many, fewer when fewer are in
    /// demand. Each takes 256 MiB off what workloads get. 0 = none.
    pub warm: u32,
    /// GPUs to play instead of those that the machine has, at most 64: to try what is done with GPUs where there are none. They can be
    /// granted and compute nothing. 0 = the machine's own.
    pub simulate_gpus: u32,
    /// Refuse to start where a protection is missing, instead of saying so.
    pub require_full_isolation: bool,
    /// The program that builds environments.
    pub uv: String,
    /// The Python that environments are built on.
    pub python: String,
    /// The program that has the hidden subcommands `shim` and `stage`; absent = this one.
    pub program: Option<PathBuf>,
    /// First of the user numbers that workloads get, one a volume.
    pub first_uid: u32,
    /// Addresses that workloads get: a private IPv4 network of 16 bits, four addresses a workload.
    pub workload_network: String,
    /// More networks that workloads may not reach, such as the operator's own.
    pub denied_networks: Vec<String>,
    /// Seconds between asking a workload to end and ending it.
    pub stop_grace_seconds: u32,
    /// What workloads use is measured this often, in milliseconds: activity that is shorter may count for less.
    pub measure_ms: u32,
    /// Seconds that a workload has until its first answer.
    pub ready_timeout_seconds: u32,
}

impl Default for AgentConfig {
    fn default() -> Self {
        let local = |port: u16| Address::Http(format!("127.0.0.1:{port}"));
        Self {
            data_dir: PathBuf::from("/var/lib/quire/agent"),
            run_dir: PathBuf::from("/run/quire/agent"),
            relay_dir: PathBuf::from("/run/quire/relay"),
            scheduler: local(7713),
            inventory: local(7711),
            volume: local(7712),
            identity: local(7710),
            authority: None,
            name: String::new(),
            cpu_overcommit: 1,
            memory_reserve_mib: 1_024,
            warm: 2,
            simulate_gpus: 0,
            require_full_isolation: false,
            uv: "uv".to_owned(),
            python: "python3".to_owned(),
            program: None,
            first_uid: 200_000,
            workload_network: "10.231.0.0/16".to_owned(),
            denied_networks: Vec::new(),
            stop_grace_seconds: 10,
            measure_ms: 10_000,
            ready_timeout_seconds: 120,
        }
    }
}
