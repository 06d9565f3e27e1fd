//! The meter: what the scheduler says, by event or by its list, becomes raw inputs on the chain and facts of attempts.

use bus::{Delivery, first_time};
use chassis::{Error, Result};
use contracts::scheduler::v1 as wire;
use kernel::Timestamp;
use sea_orm::DatabaseTransaction;

use super::App;
use crate::domain::chain::{self, Link};
use crate::domain::usage::{Facts, Input, Metered, Outcome, Sighting, fold};
use crate::scheduler::read_attempt;
use crate::store::books::{self, Pen};
use crate::store::{attempt, input, price};

/// Name of the meter in the inbox.
const CONSUMER: &str = "meter";

impl App {
    /// Takes in what an event says.
    ///
    /// # Errors
    /// [`Error::Invalid`] when the attempt cannot be read.
    pub(crate) async fn receive(&self, delivery: &Delivery, attempt: wire::Attempt) -> Result<()> {
        let sighting = read_attempt(attempt)?;
        let now = self.clock.now();
        let (transaction, mut pen) = self.write().await?;
        if !first_time(&transaction, CONSUMER, delivery, now).await? {
            return Ok(());
        }
        self.record(&transaction, &mut pen, &sighting, now).await?;
        books::save(&transaction, &pen).await?;
        transaction.commit().await?;
        self.nudges.settle.notify_one();
        Ok(())
    }

    /// Takes in what has changed in the scheduler's list since the last time.
    ///
    /// # Errors
    /// What the scheduler says, and a list that does not move on.
    pub(crate) async fn catch_up(&self) -> Result<()> {
        let mut seen = books::scheduler_change(self.database.reader()).await?;
        loop {
            let page = self.scheduler.page(seen).await?;
            self.take_in(page.attempts, page.last_change).await?;
            if !page.has_more {
                return Ok(());
            }
            seen = page.last_change;
        }
    }

    async fn take_in(&self, attempts: Vec<wire::Attempt>, last_change: u64) -> Result<()> {
        if attempts.is_empty() {
            return Ok(());
        }
        let now = self.clock.now();
        let (transaction, mut pen) = self.write().await?;
        for attempt in attempts {
            let id = attempt.id.clone();
            match read_attempt(attempt) {
                Ok(sighting) => self.record(&transaction, &mut pen, &sighting, now).await?,
                // The audit names it as well; the others must not wait for it.
                Err(error) => {
                    tracing::error!(attempt = id, %error, "an attempt in the scheduler's list cannot be read")
                }
            }
        }
        // Another replica may have been faster.
        pen.scheduler_change = pen.scheduler_change.max(last_change);
        books::save(&transaction, &pen).await?;
        transaction.commit().await?;
        self.nudges.settle.notify_one();
        Ok(())
    }

    async fn record(
        &self,
        transaction: &DatabaseTransaction,
        pen: &mut Pen,
        sighting: &Sighting,
        now: Timestamp,
    ) -> Result<()> {
        let known = attempt::find(transaction, sighting.input.attempt).await?;
        let outcome = fold(known.as_ref().map(|known| &known.facts), &sighting.input);
        if known.is_none() {
            let book = price::book(transaction).await?;
            self.unpriced.note(&book, &sighting.input.machine_type);
        }
        let facts = match outcome {
            Outcome::Ignored => return Ok(()),
            Outcome::Same(facts) => facts,
            Outcome::Extends(facts) => {
                self.keep(transaction, pen, &sighting.input, now).await?;
                self.metrics.input("applied");
                facts
            }
            Outcome::Contradicts { facts, what } => {
                self.keep(transaction, pen, &sighting.input, now).await?;
                self.metrics.input("contradiction");
                tracing::error!(attempt = %facts.attempt, what, "an attempt contradicts itself; not applied");
                facts
            }
        };
        attempt::save(transaction, &merge(known, facts, sighting)).await
    }

    /// Puts a raw input onto the chain.
    async fn keep(
        &self,
        transaction: &DatabaseTransaction,
        pen: &mut Pen,
        input: &Input,
        received_at: Timestamp,
    ) -> Result<()> {
        let sequence = pen
            .inputs
            .checked_add(1)
            .ok_or_else(|| Error::internal("counting raw inputs", "there are too many"))?;
        let hash = chain::hash(&pen.chain, sequence, input, received_at);
        let link = Link {
            sequence,
            input: input.clone(),
            received_at,
            hash,
        };
        input::add(transaction, &link).await?;
        (pen.inputs, pen.chain) = (sequence, link.hash);
        Ok(())
    }
}

/// What was known and what is seen now. Time that is known to have run stays so.
fn merge(known: Option<Metered>, facts: Facts, sighting: &Sighting) -> Metered {
    let before = known.map_or(facts.billable_from, |known| known.confirmed_until);
    Metered {
        confirmed_until: sighting
            .confirmed_until
            .map_or(before, |confirmed| confirmed.max(before)),
        unreachable_since: sighting.unreachable_since,
        facts,
    }
}
