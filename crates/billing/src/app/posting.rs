//! Posting: brings the ledger up to date with what the meter is certain of.

use chassis::Result;
use kernel::Timestamp;
use kernel::id::AttemptId;
use sea_orm::DatabaseTransaction;

use super::{App, out_of_range};
use crate::domain::ledger::{Account, transfer};
use crate::domain::period::Month;
use crate::domain::price::PriceBook;
use crate::domain::rating::postings;
use crate::store::attempt::{self, Due, Unposted};
use crate::store::ledger::{self, Reason};
use crate::store::{month, price};

/// Attempts posted in one transaction.
const BATCH: u64 = 256;

/// What a batch did.
struct Batch {
    /// Where to go on; `None` at the end.
    last: Option<AttemptId>,
    /// Transactions that were made.
    postings: u64,
}

impl App {
    /// Posts what is due, batch by batch.
    pub(crate) async fn post(&self, due: Due) -> Result<()> {
        let mut after = None;
        loop {
            let (transaction, _pen) = self.write().await?;
            let batch = self.post_batch(&transaction, due, after).await?;
            transaction.commit().await?;
            self.metrics.postings("charge", batch.postings);
            match batch.last {
                Some(last) => after = Some(last),
                None => return Ok(()),
            }
        }
    }

    /// Posts all that is due inside one transaction, for whoever holds the pen and must see books that are up to date.
    pub(super) async fn post_all(&self, transaction: &DatabaseTransaction) -> Result<()> {
        let mut after = None;
        loop {
            let batch = self.post_batch(transaction, Due::All, after).await?;
            self.metrics.postings("charge", batch.postings);
            match batch.last {
                Some(last) => after = Some(last),
                None => return Ok(()),
            }
        }
    }

    async fn post_batch(
        &self,
        transaction: &DatabaseTransaction,
        due: Due,
        after: Option<AttemptId>,
    ) -> Result<Batch> {
        let unposted = attempt::due(transaction, due, after, BATCH).await?;
        let mut batch = Batch {
            last: None,
            postings: 0,
        };
        if unposted.is_empty() {
            return Ok(batch);
        }
        let prices = price::book(transaction).await?;
        let now = self.clock.now();
        for one in &unposted {
            batch.postings += post_one(transaction, &prices, one, now).await?;
        }
        let full = unposted.len() as u64 == BATCH;
        batch.last = unposted
            .last()
            .filter(|_| full)
            .map(|last| last.metered.facts.attempt);
        Ok(batch)
    }
}

async fn post_one(
    transaction: &DatabaseTransaction,
    prices: &PriceBook,
    due: &Unposted,
    now: Timestamp,
) -> Result<u64> {
    let facts = &due.metered.facts;
    let until = due.metered.certain_until();
    let slices = prices.slices(&facts.machine_type, facts.billable_from, until);
    let posted = ledger::lock_totals(transaction, facts.attempt).await?;
    let mut moved = 0;
    for posting in postings(&slices, &posted).map_err(out_of_range)? {
        ledger::save_total(transaction, facts.attempt, &posting).await?;
        if posting.amount.0 == 0 {
            continue;
        }
        let entries = transfer(Account::Revenue, Account::Team(facts.team), posting.amount)
            .map_err(out_of_range)?;
        let reason = Reason::Charge(facts.attempt, posting.version);
        ledger::add(transaction, facts.team, reason, entries, now).await?;
        moved += 1;
    }
    if moved > 0 {
        let before = due.posted_until.unwrap_or(facts.billable_from);
        month::open(transaction, facts.team, Month::touched(before, until)).await?;
    }
    attempt::mark_posted(transaction, &due.metered, now).await?;
    Ok(moved)
}
