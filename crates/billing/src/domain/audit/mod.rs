//! The audit: everything that is owed is computed again from the raw inputs and held against what the books say. Each difference
//! is one sentence that names the attempt, where there is one, and both numbers.

mod inputs;
mod money;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use kernel::Micros;
use kernel::id::{AttemptId, TeamId};
use kernel::money::OutOfRange;

use super::chain::Link;
use super::period::Month;
use super::price::PriceBook;
use super::usage::{Metered, Sighting};

/// A charge's key: attempt and version of the price. The dimension is compute.
pub(crate) type Key = (AttemptId, u32);

/// What the books say, read at one moment.
#[derive(Clone, Debug, Default)]
pub(crate) struct Evidence {
    /// All prices.
    pub(crate) prices: PriceBook,
    /// The raw inputs in their sequence.
    pub(crate) inputs: Vec<Link>,
    /// How many raw inputs there should be, and the hash of the last.
    pub(crate) head: (u64, String),
    /// What the meter made of them.
    pub(crate) attempts: BTreeMap<AttemptId, Metered>,
    /// Running totals of the keys.
    pub(crate) totals: BTreeMap<Key, Micros>,
    /// What the ledger holds.
    pub(crate) ledger: LedgerSums,
    /// What was posted for the rounding of months.
    pub(crate) roundings: BTreeMap<(TeamId, Month), Rounding>,
    /// What the scheduler says.
    pub(crate) scheduler: BTreeMap<AttemptId, Sighting>,
}

/// What was posted for the rounding of one month of one team.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Rounding {
    /// The running total.
    pub(crate) posted: Micros,
    /// The month is closed, and nothing was posted into it since.
    pub(crate) closed: bool,
}

/// The ledger, summed up.
#[derive(Clone, Debug, Default)]
pub(crate) struct LedgerSums {
    /// Number of transactions.
    pub(crate) transactions: u64,
    /// Transactions whose entries do not sum to zero: what each is, and the sum.
    pub(crate) unbalanced: Vec<(String, Micros)>,
    /// What teams were charged, by key.
    pub(crate) charged: BTreeMap<Key, Micros>,
    /// Balance of each account.
    pub(crate) balances: BTreeMap<String, Micros>,
}

/// Every difference between the books, the raw inputs and the scheduler; empty = they agree.
///
/// # Errors
/// [`OutOfRange`] when an amount that should be posted does not fit.
pub(crate) fn differences(evidence: &Evidence) -> Result<Vec<String>, OutOfRange> {
    let (facts, contradictions) = inputs::replay(&evidence.inputs);
    let mut found = inputs::chain_differences(evidence);
    found.extend(contradictions);
    found.extend(inputs::meter_differences(evidence, &facts));
    found.extend(inputs::scheduler_differences(&facts, &evidence.scheduler));
    found.extend(inputs::confirmation_differences(evidence));

    let owed = money::Owed::compute(evidence, &facts)?;
    found.extend(money::charge_differences(evidence, &owed));
    found.extend(money::unbalanced(&evidence.ledger));
    found.extend(money::rounding_differences(evidence, &owed)?);
    found.extend(money::balance_differences(evidence, &owed)?);
    Ok(found)
}
