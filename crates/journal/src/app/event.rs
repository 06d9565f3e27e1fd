//! Events: written down once, listed, forgotten.

use chassis::Result;
use contracts::common::v1::PageInfo;

use super::App;
use crate::domain::entry::{Entry, Written};
use crate::domain::filter::Filter;
use crate::domain::place::Place;
use crate::store::events;

/// Events forgotten in one transaction.
const BATCH: u64 = 500;

/// A page of events.
#[derive(Debug)]
pub(crate) struct Page {
    pub(crate) events: Vec<Written>,
    pub(crate) info: PageInfo,
    /// The last number when the list began.
    pub(crate) head: u64,
}

impl App {
    /// Writes an event down, unless it is already.
    pub(crate) async fn write_down(&self, entry: &Entry) -> Result<()> {
        let transaction = self.database.begin().await?;
        // The number is taken under a lock that lasts until the commit: who has read up to a number has all below it.
        let seq = events::next_seq(&transaction).await?;
        if events::is_written(&transaction, &entry.id).await? {
            transaction.rollback().await?;
            return Ok(());
        }
        events::insert(&transaction, seq, entry).await?;
        transaction.commit().await?;
        self.written.send_replace(seq);
        Ok(())
    }

    /// A page of events in the order of their time.
    pub(crate) async fn list(
        &self,
        filter: &Filter,
        after: Option<Place>,
        newest_first: bool,
        limit: u64,
    ) -> Result<Page> {
        let head = match after {
            Some(place) => place.head,
            None => self.head().await?,
        };
        let found = events::by_time(
            self.database.reader(),
            filter,
            head,
            after,
            newest_first,
            limit.saturating_add(1),
        );
        let (events, info) = chassis::page::cut(found.await?, limit, |last| {
            let place = Place {
                time: last.entry.time.timestamp_micros(),
                seq: last.seq,
                head,
            };
            place.to_text()
        });
        Ok(Page { events, info, head })
    }

    /// The number of the last event that is written down.
    pub(super) async fn head(&self) -> Result<u64> {
        events::last_seq(self.database.reader()).await
    }

    /// Forgets some events that are older than they are kept; `true` when there may be more.
    pub(crate) async fn forget_batch(&self) -> Result<bool> {
        let oldest = self.clock.now() - self.limits.kept;
        let transaction = self.database.begin().await?;
        let forgotten = events::forget(&transaction, oldest, BATCH).await?;
        transaction.commit().await?;
        Ok(forgotten == BATCH)
    }
}
