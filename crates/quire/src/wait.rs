//! Waiting for things that take a while.

use std::future::Future;
use std::time::Duration;

use anyhow::Result;

pub(crate) use chassis::grpc::retry;

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
