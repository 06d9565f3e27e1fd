//! Rounding: once a month is over and all of it is posted, what its invoice was rounded by goes to the rounding account. Money that
//! comes into the month later opens it again; as with charges, only the difference to what was posted is posted.

use chassis::Result;
use kernel::id::TeamId;
use kernel::{Micros, Timestamp};
use sea_orm::DatabaseTransaction;

use super::{App, out_of_range};
use crate::domain::ledger::{Account, transfer};
use crate::domain::period::Month;
use crate::store::ledger::{self, Reason};
use crate::store::{attempt, month};

/// Months looked at in one transaction.
const BATCH: u64 = 64;

impl App {
    /// Closes the months that are over.
    pub(crate) async fn round(&self) -> Result<()> {
        let mut after = None;
        loop {
            let (transaction, _pen) = self.write().await?;
            let last = self.round_batch(&transaction, after).await?;
            transaction.commit().await?;
            match last {
                Some(last) => after = Some(last),
                None => return Ok(()),
            }
        }
    }

    /// Closes all months that are over inside one transaction, for whoever holds the pen.
    pub(super) async fn round_all(&self, transaction: &DatabaseTransaction) -> Result<()> {
        let mut after = None;
        while let Some(last) = self.round_batch(transaction, after).await? {
            after = Some(last);
        }
        Ok(())
    }

    async fn round_batch(
        &self,
        transaction: &DatabaseTransaction,
        after: Option<(TeamId, Month)>,
    ) -> Result<Option<(TeamId, Month)>> {
        let now = self.clock.now();
        let open = month::open_before(transaction, Month::containing(now), after, BATCH).await?;
        for (one, posted) in &open {
            self.round_one(transaction, *one, *posted, now).await?;
        }
        let full = open.len() as u64 == BATCH;
        Ok(open.last().filter(|_| full).map(|(last, _)| *last))
    }

    async fn round_one(
        &self,
        transaction: &DatabaseTransaction,
        one: (TeamId, Month),
        posted: Micros,
        now: Timestamp,
    ) -> Result<()> {
        let (team, closing) = one;
        if attempt::lags_behind(transaction, team, closing.window().to).await? {
            return Ok(());
        }
        let rounding = self
            .compute_invoice(transaction, team, closing, now)
            .await?
            .rounding()
            .map_err(out_of_range)?;
        let amount = rounding.minus(posted).map_err(out_of_range)?;
        if amount.0 != 0 {
            let entries =
                transfer(Account::Team(team), Account::Rounding, amount).map_err(out_of_range)?;
            ledger::add(transaction, team, Reason::Rounding(closing), entries, now).await?;
            self.metrics.postings("rounding", 1);
        }
        month::close(transaction, one, rounding, now).await
    }
}
