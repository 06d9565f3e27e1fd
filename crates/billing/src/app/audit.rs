//! The audit of all teams.

use std::collections::BTreeMap;

use chassis::Result;
use kernel::id::AttemptId;

use super::{App, out_of_range};
use crate::domain::audit::{Evidence, differences};
use crate::domain::usage::Sighting;
use crate::scheduler::read_attempt;
use crate::store::attempt::{self, Due};
use crate::store::{input, ledger, month, price};

/// Most differences that one report names.
const MOST_DIFFERENCES: usize = 1_000;

/// What an audit found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Report {
    /// Attempts looked at.
    pub(crate) attempts: u64,
    /// Ledger transactions looked at.
    pub(crate) transactions: u64,
    /// One sentence each; empty = clean.
    pub(crate) differences: Vec<String>,
}

impl App {
    /// Brings the books up to date, as the loops do, and holds them against the raw inputs and the scheduler's whole list. Nobody
    /// writes the books in the meantime; whoever reads them need not wait.
    ///
    /// # Errors
    /// When the scheduler cannot be asked.
    pub(crate) async fn audit(&self) -> Result<Report> {
        // The list first: what changes after it, the books may know and the list need not.
        let (scheduler, unreadable) = self.scheduler_list().await?;
        self.catch_up().await?;
        // Batch by batch as far as it goes, so that the pen is held for the rest only.
        self.post(Due::All).await?;
        self.round().await?;
        let (transaction, pen) = self.write().await?;
        self.post_all(&transaction).await?;
        self.round_all(&transaction).await?;
        let attempts = attempt::all(&transaction).await?;
        let evidence = Evidence {
            prices: price::book(&transaction).await?,
            inputs: input::all(&transaction).await?,
            head: (pen.inputs, pen.chain),
            attempts: attempts
                .into_iter()
                .map(|metered| (metered.facts.attempt, metered))
                .collect(),
            totals: ledger::totals(&transaction).await?,
            ledger: ledger::sums(&transaction).await?,
            roundings: month::roundings(&transaction).await?,
            scheduler,
        };
        transaction.commit().await?;
        let mut found = unreadable;
        found.extend(differences(&evidence).map_err(out_of_range)?);
        Ok(Report {
            attempts: evidence.attempts.len() as u64,
            transactions: evidence.ledger.transactions,
            differences: cut(found),
        })
    }

    /// What the scheduler says about each attempt, and sentences about those that cannot be read.
    async fn scheduler_list(&self) -> Result<(BTreeMap<AttemptId, Sighting>, Vec<String>)> {
        let mut all: BTreeMap<AttemptId, Sighting> = BTreeMap::new();
        let mut unreadable = Vec::new();
        let mut seen = 0;
        loop {
            let page = self.scheduler.page(seen).await?;
            for attempt in page.attempts {
                let id = attempt.id.clone();
                match read_attempt(attempt) {
                    Ok(sighting) => {
                        all.insert(sighting.input.attempt, sighting);
                    }
                    Err(error) => unreadable.push(format!(
                        "attempt {id}: the scheduler's record cannot be read: {error}"
                    )),
                }
            }
            if !page.has_more {
                return Ok((all, unreadable));
            }
            seen = page.last_change;
        }
    }
}

fn cut(mut differences: Vec<String>) -> Vec<String> {
    let more = differences.len().saturating_sub(MOST_DIFFERENCES);
    if more > 0 {
        differences.truncate(MOST_DIFFERENCES);
        differences.push(format!("{more} more differences are not named here"));
    }
    differences
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_reports_say_how_much_they_leave_out() {
        let report = cut((0..1_003).map(|number| number.to_string()).collect());
        assert_eq!(report.len(), MOST_DIFFERENCES + 1);
        assert_eq!(
            report.last().unwrap(),
            "3 more differences are not named here"
        );
        assert_eq!(cut(vec!["one".to_owned()]), ["one"]);
    }
}
