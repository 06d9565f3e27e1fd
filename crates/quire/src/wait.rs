//! Waiting for things that take a while.

use std::future::Future;
use std::time::Duration;

use anyhow::{Result, anyhow};
use tokio::signal::unix::{SignalKind, signal};

/// Somebody stopped waiting with Ctrl-C; what they waited for goes on.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Interrupted(String);

/// How long something is waited for, and what is said when it takes longer.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Patience<'a> {
    /// Longest time.
    pub(crate) limit: Duration,
    /// What it goes on with, such as "first goes on starting".
    pub(crate) goes_on: &'a str,
    /// Command that shows how it comes along.
    pub(crate) look: &'a str,
}

/// Waits for `work`, for so long and until Ctrl-C: both end the waiting and nothing else.
///
/// # Errors
/// That of the work, [`Interrupted`] after Ctrl-C, or that it took too long.
pub(crate) async fn patiently<T>(
    patience: Patience<'_>,
    work: impl Future<Output = Result<T>>,
) -> Result<T> {
    let Patience {
        limit,
        goes_on,
        look,
    } = patience;
    // Heard from now on, before the work begins to tell how it comes along.
    let mut interrupt = signal(SignalKind::interrupt())?;
    tokio::select! {
        done = work => done,
        _ = interrupt.recv() => {
            let text = format!("stopped waiting; {goes_on}: see \"{look}\"");
            Err(Interrupted(text).into())
        }
        () = tokio::time::sleep(limit) => Err(anyhow!(
            "stopped waiting after {} s; {goes_on}: see \"{look}\"", limit.as_secs()
        )),
    }
}

/// Asks every `pause` until the answer is there.
pub(crate) async fn until<T, F: Future<Output = Result<Option<T>>>>(
    pause: Duration,
    mut ask: impl FnMut() -> F,
) -> Result<T> {
    loop {
        if let Some(answer) = ask().await? {
            return Ok(answer);
        }
        tokio::time::sleep(pause).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn waiting_has_an_end_and_says_what_to_do_next() {
        let patience = Patience {
            limit: Duration::from_secs(120),
            goes_on: "first goes on stopping",
            look: "quire why first",
        };
        let never = patiently(patience, std::future::pending::<Result<()>>()).await;
        let said = never.unwrap_err().to_string();
        assert_eq!(
            said,
            "stopped waiting after 120 s; first goes on stopping: see \"quire why first\""
        );
        assert_eq!(patiently(patience, async { Ok(1) }).await.unwrap(), 1);
    }
}
