//! Events as they are written down, for one reader. What a reader does not take waits in a small buffer, and then in the
//! database: a slow one costs nothing but its own place, and loses that after a while.

use std::collections::VecDeque;
use std::time::Duration;

use chassis::auth::TOKEN_LIFETIME;
use chassis::{Error, Result};
use futures::Stream;
use tokio::sync::{OwnedSemaphorePermit, mpsc, oneshot, watch};
use tokio_stream::StreamExt as _;
use tokio_stream::wrappers::ReceiverStream;

use super::App;
use crate::domain::entry::Written;
use crate::domain::filter::Filter;
use crate::store::events;

/// Events read from the database at once.
const BATCH: u64 = 50;
/// Events that wait for the reader.
const BUFFER: usize = 50;
/// Other replicas write events down without waking this one's tails.
const LOOK: Duration = Duration::from_secs(1);

/// A tail that was granted and not begun.
#[derive(Debug)]
pub(crate) struct Tail {
    app: App,
    filter: Filter,
    after: u64,
    written: watch::Receiver<u64>,
    _permit: OwnedSemaphorePermit,
}

impl App {
    /// A tail of what is written down after the number `after`; `None` = from now on.
    ///
    /// # Errors
    /// [`Error::Exhausted`] when as many tail as may.
    pub(crate) async fn tail(&self, filter: Filter, after: Option<u64>) -> Result<Tail> {
        let permit = self.tails.clone().try_acquire_owned().map_err(|_| {
            Error::Exhausted(format!(
                "{} readers tail the events, and no more may; try again later",
                self.limits.tails
            ))
        })?;
        let written = self.written.subscribe();
        let after = match after {
            Some(after) => after,
            None => self.head().await?,
        };
        Ok(Tail {
            app: self.clone(),
            filter,
            after,
            written,
            _permit: permit,
        })
    }
}

impl Tail {
    /// Starts to read in the background. The stream ends by itself when a token would, and with an error when its reader is too
    /// slow or the service stops.
    pub(crate) fn start(self) -> impl Stream<Item = Result<Written>> + Send + 'static {
        let (sender, receiver) = mpsc::channel(BUFFER);
        let (tell_end, end) = oneshot::channel();
        tokio::spawn(async move {
            let outcome = self.run(&sender).await;
            if let Err(error) = outcome {
                tell_end.send(error).ok();
            }
        });
        // The end has a way of its own: the buffer of a slow reader is full.
        let end = futures::stream::once(end).filter_map(Result::ok).map(Err);
        ReceiverStream::new(receiver).map(Ok).chain(end)
    }

    async fn run(mut self, reader: &mpsc::Sender<Written>) -> Result<()> {
        let cancel = self.app.cancel.clone();
        tokio::select! {
            () = cancel.cancelled() => Err(Error::Unavailable(
                "the journal is stopping; go on from the last cursor".to_owned(),
            )),
            // Who has lost their key since must not go on reading.
            () = tokio::time::sleep(TOKEN_LIFETIME.to_std().unwrap_or_default()) => Ok(()),
            () = reader.closed() => Ok(()),
            ended = self.pump(reader) => ended,
        }
    }

    async fn pump(&mut self, reader: &mpsc::Sender<Written>) -> Result<()> {
        loop {
            self.written.mark_unchanged();
            let mut batch = self.batch().await?;
            let more = batch.len() as u64 == BATCH;
            while let Some(next) = batch.pop_front() {
                let seq = next.seq;
                self.hand_over(reader, next).await?;
                self.after = seq;
            }
            if !more {
                tokio::time::timeout(LOOK, self.written.changed())
                    .await
                    .ok();
            }
        }
    }

    async fn batch(&self) -> Result<VecDeque<Written>> {
        let reader = self.app.database.reader();
        let batch = events::by_seq(reader, &self.filter, self.after, BATCH).await?;
        Ok(batch.into())
    }

    async fn hand_over(&self, reader: &mpsc::Sender<Written>, next: Written) -> Result<()> {
        let patience = self.app.limits.slow_reader;
        match reader.send_timeout(next, patience).await {
            Ok(()) => Ok(()),
            Err(_) => Err(Error::Exhausted(format!(
                "the reader took nothing for {patience:?}; go on from the last cursor"
            ))),
        }
    }
}
