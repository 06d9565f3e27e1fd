//! What can be typed on a host of Quire: `up`, `down`, `doctor`, `agent`.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use clap::Args;

#[derive(Debug, Args)]
pub(crate) struct UpArgs {
    /// Go on in the background once everything answers.
    #[arg(long)]
    pub(crate) detach: bool,
    /// Answer others, too: listen with TLS on this address of the machine, such as 0.0.0.0 [default: loopback, without TLS].
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) listen: Option<IpAddr>,
    /// Name or address by which others reach this machine, besides its host name; several times. With --listen.
    #[arg(long = "host", value_name = "HOST", requires = "listen")]
    pub(crate) hosts: Vec<String>,
    /// Where the API answers; with --listen only the port counts.
    #[arg(long, default_value = "127.0.0.1:7700", value_name = "ADDRESS")]
    pub(crate) gateway: SocketAddr,
    /// Where notebooks answer; with --listen only the port counts.
    #[arg(long, default_value = "127.0.0.1:7701", value_name = "ADDRESS")]
    pub(crate) edge: SocketAddr,
    /// Where agents of other machines connect the edge to their notebooks; only with --listen, and only the port counts.
    #[arg(long, default_value = "127.0.0.1:7702", value_name = "ADDRESS")]
    pub(crate) relay: SocketAddr,
    /// Domain below which every notebook has a host of its own [default: localhost; with --listen quire.localhost].
    #[arg(long)]
    pub(crate) domain: Option<String>,
    /// CPU promised for each CPU that is there.
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u32).range(1..=16))]
    pub(crate) cpu_overcommit: u32,
    /// Finished sandboxes that may wait for notebooks, so that these start at once; each takes 256 MiB of memory. 0 = none.
    #[arg(long, default_value_t = 2, value_name = "N", value_parser = clap::value_parser!(u32).range(0..=1_000))]
    pub(crate) warm: u32,
    /// Play so many GPUs instead of those that this machine has: to try queues and placement without any. They compute nothing.
    #[arg(long, default_value_t = 0, value_name = "N", value_parser = clap::value_parser!(u32).range(0..=64))]
    pub(crate) simulate_gpus: u32,
    /// Refuse to start where a workload could not be fully isolated.
    #[arg(long)]
    pub(crate) require_full_isolation: bool,
    /// Network that notebooks here may not reach, such as your own 192.168.7.0/24; several times.
    #[arg(long = "deny", value_name = "NETWORK")]
    pub(crate) denied_networks: Vec<String>,
    /// Your own NATS server with JetStream, such as <tls://nats.lan:4222>, instead of one that is started beside this.
    #[arg(long, value_name = "URL", env = "QUIRE_NATS_URL")]
    pub(crate) nats: Option<String>,
    /// File with the authority of that server's certificate, as PEM [default: those that this machine trusts].
    #[arg(
        long,
        value_name = "FILE",
        env = "QUIRE_NATS_AUTHORITY",
        requires = "nats"
    )]
    pub(crate) nats_authority: Option<PathBuf>,
    /// Which log lines are written, such as `info` or `warn,scheduler=debug`.
    #[arg(long, default_value = "info", env = "QUIRE_LOG")]
    pub(crate) log: String,
    /// Address of an OTLP collector (gRPC), such as <http://127.0.0.1:4317>.
    #[arg(long, env = "QUIRE_OTLP", default_value = "")]
    pub(crate) otlp: String,
    /// Where `/metrics` is served for Prometheus, such as 127.0.0.1:7709 [default: nowhere].
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) metrics: Option<SocketAddr>,
}

#[derive(Debug, Args)]
pub(crate) struct DownArgs {
    /// Leave notebooks running (and costing); the next `up` takes them over.
    #[arg(long)]
    pub(crate) keep_notebooks: bool,
}

#[derive(Debug, Args)]
pub(crate) struct DoctorArgs {
    /// Where the API is to answer.
    #[arg(long, default_value = "127.0.0.1:7700", value_name = "ADDRESS")]
    pub(crate) gateway: SocketAddr,
    /// Where notebooks are to answer.
    #[arg(long, default_value = "127.0.0.1:7701", value_name = "ADDRESS")]
    pub(crate) edge: SocketAddr,
    /// Your own NATS server, which makes one beside Quire needless.
    #[arg(long, value_name = "URL", env = "QUIRE_NATS_URL")]
    pub(crate) nats: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct AgentArgs {
    /// Address of the Quire to join, such as <https://box.lan:7700>.
    #[arg(long)]
    pub(crate) server: String,
    /// File with its certificate authority, as PEM [default: those that this machine trusts].
    #[arg(long, value_name = "FILE")]
    pub(crate) authority: Option<PathBuf>,
    /// One-time token from `quire node join-token`; not needed again once joined.
    #[arg(long, env = "QUIRE_JOIN_TOKEN", hide_env_values = true)]
    pub(crate) token: Option<String>,
    /// Name of this node [default: the host's].
    #[arg(long)]
    pub(crate) name: Option<String>,
    /// CPU promised for each CPU that is there.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=16))]
    pub(crate) cpu_overcommit: u32,
    /// Finished sandboxes that may wait for notebooks, so that these start at once; each takes 256 MiB of memory. 0 = none.
    #[arg(long, default_value_t = 2, value_name = "N", value_parser = clap::value_parser!(u32).range(0..=1_000))]
    pub(crate) warm: u32,
    /// Play so many GPUs instead of those that this machine has: to try queues and placement without any. They compute nothing.
    #[arg(long, default_value_t = 0, value_name = "N", value_parser = clap::value_parser!(u32).range(0..=64))]
    pub(crate) simulate_gpus: u32,
    /// Refuse to start where a workload could not be fully isolated.
    #[arg(long)]
    pub(crate) require_full_isolation: bool,
    /// Network that notebooks here may not reach, such as your own 192.168.7.0/24; several times.
    #[arg(long = "deny", value_name = "NETWORK")]
    pub(crate) denied_networks: Vec<String>,
    /// Addresses that workloads get, a private IPv4 network of 16 bits that this machine does not use [default: 10.231.0.0/16].
    #[arg(long, value_name = "NETWORK")]
    pub(crate) workload_network: Option<String>,
}
