//! The invoice of a team for one month.

use chassis::auth::User;
use chassis::{Error, Result};
use futures::{StreamExt as _, pin_mut};
use kernel::Timestamp;
use kernel::id::TeamId;
use sea_orm::{ConnectionTrait, StreamTrait};

use super::{App, out_of_range};
use crate::domain::invoice::Invoice;
use crate::domain::period::Month;
use crate::store::{attempt, price};

/// An invoice and the month that it is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct MonthlyInvoice {
    /// The month.
    pub(crate) month: Month,
    /// Its lines.
    pub(crate) invoice: Invoice,
    /// The month is not over: the numbers grow.
    pub(crate) open: bool,
}

impl App {
    /// The invoice of the caller's team for `month` ("YYYY-MM"; empty = this month). It sums the whole team up: whoever is shut out of
    /// a project of it could read from the sums what that costs.
    ///
    /// # Errors
    /// [`Error::Invalid`] when `month` is not a month, [`Error::Denied`] when the caller does not see the whole team.
    pub(crate) async fn invoice(&self, user: &User, month: &str) -> Result<MonthlyInvoice> {
        if user.hidden_projects().next().is_some() {
            let text = "an invoice is of the whole team, and you have no access to some of it; \"quire usage\" shows what was used \
                        where you have";
            return Err(Error::Denied(text.to_owned()));
        }
        let now = self.clock.now();
        let month = match month {
            "" => Month::containing(now),
            text => text
                .parse()
                .map_err(|error| Error::invalid("month", format!("{error}")))?,
        };
        let invoice = self
            .compute_invoice(self.database.reader(), user.team, month, now)
            .await?;
        Ok(MonthlyInvoice {
            month,
            invoice,
            open: now < month.window().to,
        })
    }

    /// Sums the usage of a month up.
    pub(super) async fn compute_invoice<C>(
        &self,
        connection: &C,
        team: TeamId,
        month: Month,
        now: Timestamp,
    ) -> Result<Invoice>
    where
        C: ConnectionTrait + StreamTrait,
    {
        let prices = price::book(connection).await?;
        let window = month.window();
        let mut invoice = Invoice::default();
        let attempts = attempt::stream_in(connection, team, window).await?;
        pin_mut!(attempts);
        while let Some(metered) = attempts.next().await {
            let metered = metered?;
            let facts = &metered.facts;
            let slices = prices.slices(
                &facts.machine_type,
                facts.billable_from,
                metered.shown_until(now),
            );
            invoice
                .add(&facts.machine_type, &slices, window)
                .map_err(out_of_range)?;
        }
        Ok(invoice)
    }
}
