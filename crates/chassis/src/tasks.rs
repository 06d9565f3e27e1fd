//! Background tasks of one program: one that fails ends the program, and a stop waits for what is in flight, but not for ever.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::{Error, Result};

/// How long a stop waits for what is in flight.
pub const GRACE: Duration = Duration::from_secs(10);

/// The background tasks of one program.
#[derive(Debug)]
pub struct Tasks {
    set: JoinSet<(&'static str, Result<(), String>)>,
    cancel: CancellationToken,
}

impl Tasks {
    /// Tasks that end when `cancel` says so.
    pub fn new(cancel: CancellationToken) -> Self {
        Self {
            set: JoinSet::new(),
            cancel,
        }
    }

    /// The token that asks all of them to end.
    pub fn cancel(&self) -> CancellationToken {
        self.cancel.clone()
    }

    /// Starts a task that runs until `cancel`; when it ends before, or fails, the program ends.
    pub fn start<E: std::fmt::Display>(
        &mut self,
        name: &'static str,
        task: impl Future<Output = Result<(), E>> + Send + 'static,
    ) {
        self.set
            .spawn(async move { (name, task.await.map_err(|error| error.to_string())) });
    }

    /// Waits for the stop, and then for the tasks, at most [`GRACE`].
    ///
    /// # Errors
    /// The name and failure of the task that ended the program.
    pub async fn run(mut self) -> Result<(), String> {
        let failure = tokio::select! {
            () = self.cancel.cancelled() => None,
            ended = self.set.join_next() => ended.and_then(|ended| failure_of(ended, self.cancel.is_cancelled())),
        };
        self.cancel.cancel();
        let finished = tokio::time::timeout(GRACE, async {
            while let Some(ended) = self.set.join_next().await {
                if let Some(failure) = failure_of(ended, true) {
                    tracing::warn!(failure, "a task failed while stopping");
                }
            }
        });
        if finished.await.is_err() {
            tracing::warn!(grace = ?GRACE, "some tasks did not stop in time and were ended");
            self.set.shutdown().await;
        }
        failure.map_or(Ok(()), Err)
    }
}

/// The loop of a reconciler: a round every `period`, and at once when `nudge` says so, until `cancel`. A round that fails is
/// logged and tried again with the next; one that is merely not possible now ([`Error::Unavailable`]) is not worth a line.
///
/// # Errors
/// Never.
pub async fn repeat<F, R>(
    doing: &'static str,
    nudge: Arc<Notify>,
    period: Duration,
    cancel: CancellationToken,
    mut round: F,
) -> Result<()>
where
    F: FnMut() -> R,
    R: Future<Output = Result<()>>,
{
    while !cancel.is_cancelled() {
        match round().await {
            Ok(()) => {}
            Err(Error::Unavailable(why)) => tracing::debug!(why, "{doing}: not now"),
            Err(error) => {
                tracing::warn!(
                    error = crate::error::chain(&error),
                    "{doing}: failed; trying again"
                );
            }
        }
        tokio::select! {
            () = cancel.cancelled() => {}
            () = nudge.notified() => {}
            () = tokio::time::sleep(period) => {}
        }
    }
    Ok(())
}

type Ended = Result<(&'static str, Result<(), String>), tokio::task::JoinError>;

fn failure_of(ended: Ended, stopping: bool) -> Option<String> {
    match ended {
        Ok((_, Ok(()))) if stopping => None,
        Ok((name, Ok(()))) => Some(format!("{name} ended by itself")),
        Ok((name, Err(error))) => Some(format!("{name}: {error}")),
        Err(error) => Some(error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_failing_task_ends_the_program_and_the_others() {
        let cancel = CancellationToken::new();
        let mut tasks = Tasks::new(cancel.clone());
        let waits = cancel.clone();
        tasks.start("waits", async move {
            waits.cancelled().await;
            Ok::<(), String>(())
        });
        tasks.start("fails", async { Err("broken") });
        assert_eq!(tasks.run().await, Err("fails: broken".to_owned()));
        assert!(cancel.is_cancelled());
    }

    #[tokio::test(start_paused = true)]
    async fn a_stop_does_not_wait_for_ever() {
        let cancel = CancellationToken::new();
        let mut tasks = Tasks::new(cancel.clone());
        tasks.start("hangs", async {
            std::future::pending::<()>().await;
            Ok::<(), String>(())
        });
        cancel.cancel();
        assert_eq!(tasks.run().await, Ok(()));
    }
}
