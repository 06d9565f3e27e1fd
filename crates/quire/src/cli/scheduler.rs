//! `quire scheduler`.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

#[derive(Debug, Subcommand)]
pub(crate) enum SchedulerCommand {
    /// Run the scheduler over a published trace: what a policy would make of it. Needs no server.
    #[command(
        after_help = "Examples:\n  quire scheduler simulate --protocol openb --nodes nodes.csv --pods pods.csv --policy fgd --output json\n  quire scheduler simulate --protocol muri --trace jobs.csv --policy las --output json\n  quire scheduler simulate --protocol jobs --trace jobs.csv --nodes 88x8 --quotas quotas.csv --output json"
    )]
    Simulate(SimulateArgs),
    /// Write down what the newest placement decisions rest on: nodes, requests and the decisions themselves. For operators.
    #[command(after_help = "Examples:\n  quire scheduler snapshot decisions.json")]
    Snapshot(SnapshotArgs),
    /// Play a snapshot again, and tell whether the same decisions come out. Needs no server.
    #[command(after_help = "Examples:\n  quire scheduler replay decisions.json")]
    Replay(ReplayArgs),
}

#[derive(Debug, Args)]
pub(crate) struct SnapshotArgs {
    /// Where it is written; a file that is there is replaced.
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
}

#[derive(Debug, Args)]
pub(crate) struct ReplayArgs {
    /// What "quire scheduler snapshot" has written.
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
}

#[derive(Debug, Args)]
pub(crate) struct SimulateArgs {
    /// How the trace is read and played.
    #[arg(long, value_enum)]
    pub(crate) protocol: Protocol,
    /// openb: a node list, with the columns cpu_milli, memory_mib, gpu and model. jobs: how many nodes of how many GPUs, such as 88x8.
    #[arg(long, value_name = "FILE|NxG", required_if_eq_any([("protocol", "openb"), ("protocol", "jobs")]))]
    pub(crate) nodes: Option<String>,
    /// openb: a pod list, with the columns name, cpu_milli, memory_mib, num_gpu, gpu_milli and gpu_spec.
    #[arg(long, value_name = "FILE", required_if_eq("protocol", "openb"))]
    pub(crate) pods: Option<PathBuf>,
    /// The jobs, as plain CSV. muri: the authors' columns. jobs: submit_s, duration_s, gpus and queue.
    #[arg(long, value_name = "FILE", required_if_eq_any([("protocol", "muri"), ("protocol", "jobs")]))]
    pub(crate) trace: Option<PathBuf>,
    /// jobs: what queues deserve, with the columns queue and nodes.
    #[arg(long, value_name = "FILE")]
    pub(crate) quotas: Option<PathBuf>,
    /// jobs: a folder for drawings (SVG) of utilisation, queue delay and fragmentation.
    #[arg(long, value_name = "DIR")]
    pub(crate) plot: Option<PathBuf>,
    /// openb: default, fgd, best-fit, dot-product, gpu-packing, gpu-clustering or random.
    /// muri: default, las, las-plain, fifo, and with declared durations srtf or srsf.
    /// jobs: default, fifo, and with declared durations easy.
    #[arg(
        long,
        value_name = "POLICY",
        default_value = "default",
        verbatim_doc_comment
    )]
    pub(crate) policy: String,
    /// openb: streams that are drawn; the means over them are told.
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    pub(crate) seeds: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Protocol {
    /// Alibaba's cluster-trace-gpu-v2023: work arrives until it is 1.3 times what there is, and never leaves.
    Openb,
    /// Muri's simulator (SIGCOMM'22): 64 GPUs, all placed anew at every arrival and completion.
    Muri,
    /// Jobs of queues, gangs among them, with preemption at a price.
    Jobs,
}
