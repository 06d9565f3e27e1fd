//! `quire queue`.

use clap::{Args, Subcommand};

#[derive(Debug, Subcommand)]
pub(crate) enum QueueCommand {
    /// All queues: what each deserves, holds and waits for, and what it may hold in fairness now.
    ///
    /// A team that no queue takes in has one of its own, "team ID", which deserves nothing and shares what is left. In "free" is
    /// the work that runs on what nobody else wants.
    List,
    /// Make a queue, or make the one of this name so: what is not said is not so any more.
    #[command(
        after_help = "Work goes to the queue of its project, else to that of its team, else to a queue of its team's own.\n\nExamples:\n  quire queue set lab --team lab --gpus 8 --dry-run\n  quire queue set lab --team lab --gpus 8\n  quire queue set vision --parent lab --project pr-… --gpus 6 --limit-gpus 7 --weight 3"
    )]
    Set(QueueArgs),
    /// Take a queue away: its work goes on in another. Refused while queues are below it.
    #[command(after_help = "Examples:\n  quire queue rm vision --dry-run\n  quire queue rm vision")]
    Rm {
        /// Name of the queue.
        name: String,
        /// Only tell who would gain and lose.
        #[arg(long)]
        dry_run: bool,
    },
}

#[derive(Debug, Args)]
pub(crate) struct QueueArgs {
    /// 1 to 39 lower-case letters, digits and hyphens.
    pub(crate) name: String,
    /// The queue above [default: directly below the whole cluster].
    #[arg(long)]
    pub(crate) parent: Option<String>,
    /// Take in the work of this team, by identifier or name.
    #[arg(long, conflicts_with = "project")]
    pub(crate) team: Option<String>,
    /// Take in the work of this project, by identifier, or by name where it is your team's.
    #[arg(long)]
    pub(crate) project: Option<String>,
    /// GPUs that it deserves: it gets them back from whoever borrowed them.
    #[arg(long, value_name = "NUMBER", value_parser = thousandths)]
    pub(crate) gpus: Option<i64>,
    /// Cores that it deserves [default: the same part of the cluster as of its GPUs].
    #[arg(long, value_name = "NUMBER", value_parser = thousandths)]
    pub(crate) cores: Option<i64>,
    /// Memory that it deserves [default: the same part of the cluster as of its GPUs].
    #[arg(long, value_name = "NUMBER", value_parser = gib)]
    pub(crate) memory_gib: Option<i64>,
    /// GPUs that it never holds more of [default: no limit].
    #[arg(long, value_name = "NUMBER", value_parser = thousandths)]
    pub(crate) limit_gpus: Option<i64>,
    /// Cores that it never holds more of [default: no limit].
    #[arg(long, value_name = "NUMBER", value_parser = thousandths)]
    pub(crate) limit_cores: Option<i64>,
    /// Memory that it never holds more of [default: no limit].
    #[arg(long, value_name = "NUMBER", value_parser = gib)]
    pub(crate) limit_memory_gib: Option<i64>,
    /// Its part of what nobody deserves or wants, beside the queues next to it; 0 = nothing of that.
    #[arg(long, value_name = "NUMBER", default_value_t = 1)]
    pub(crate) weight: u32,
    /// Only tell who would gain and lose.
    #[arg(long)]
    pub(crate) dry_run: bool,
}

fn parts(text: &str, of_one: f64) -> Result<i64, String> {
    let number: f64 = text.parse().unwrap_or(f64::NAN);
    let parts = (number * of_one).round();
    // The range of whole numbers that a double holds exactly.
    let is_lost = parts == 0.0 && number != 0.0;
    if (0.0..9.0e15).contains(&parts) && !is_lost {
        return Ok(parts as i64);
    }
    Err(format!("{text:?} is not an amount; write 8 or 0.5"))
}

fn thousandths(text: &str) -> Result<i64, String> {
    parts(text, 1_000.0)
}

/// GiB in MiB.
fn gib(text: &str) -> Result<i64, String> {
    parts(text, 1_024.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_whole_or_parts_and_never_less_than_nothing() {
        assert_eq!(thousandths("8"), Ok(8_000));
        assert_eq!(thousandths("0.5"), Ok(500));
        assert_eq!(gib("1.5"), Ok(1_536));
        for wrong in ["-1", "NaN", "inf", "1e300", "many", ""] {
            let refused = thousandths(wrong).unwrap_err();
            assert!(refused.contains("write 8 or 0.5"), "{refused}");
        }
    }
}
