//! What is owed by the raw facts against the running totals and the ledger.

use std::collections::{BTreeMap, BTreeSet};

use kernel::Micros;
use kernel::id::{AttemptId, TeamId};
use kernel::money::OutOfRange;

use super::{Evidence, Key, LedgerSums, Rounding};
use crate::domain::invoice::Invoice;
use crate::domain::ledger::Account;
use crate::domain::period::Month;
use crate::domain::price::Slice;
use crate::domain::usage::Facts;

/// What should be posted, computed from the raw facts.
pub(super) struct Owed {
    charges: BTreeMap<Key, Micros>,
    used: BTreeMap<TeamId, Vec<(String, Vec<Slice>)>>,
    teams: BTreeMap<AttemptId, TeamId>,
}

impl Owed {
    /// Rates all of `facts`.
    pub(super) fn compute(
        evidence: &Evidence,
        facts: &BTreeMap<AttemptId, Facts>,
    ) -> Result<Self, OutOfRange> {
        let mut owed = Self {
            charges: BTreeMap::new(),
            used: BTreeMap::new(),
            teams: BTreeMap::new(),
        };
        for (attempt, facts) in facts {
            // A running attempt is owed for as far as it is known to have run; that is no raw fact yet.
            let confirmed = evidence
                .attempts
                .get(attempt)
                .map(|metered| metered.confirmed_until);
            let until = facts
                .billable_until
                .or(confirmed)
                .unwrap_or(facts.billable_from);
            let slices = evidence
                .prices
                .slices(&facts.machine_type, facts.billable_from, until);
            for slice in &slices {
                owed.charges
                    .insert((*attempt, slice.version), slice.charge()?);
            }
            owed.used
                .entry(facts.team)
                .or_default()
                .push((facts.machine_type.clone(), slices));
            owed.teams.insert(*attempt, facts.team);
        }
        Ok(owed)
    }

    fn rounding(&self, team: TeamId, month: Month) -> Result<Micros, OutOfRange> {
        let mut invoice = Invoice::default();
        for (machine_type, slices) in self.used.get(&team).into_iter().flatten() {
            invoice.add(machine_type, slices, month.window())?;
        }
        invoice.rounding()
    }

    /// What each account should hold when all charges and `roundings` are posted.
    fn balances(
        &self,
        roundings: &BTreeMap<(TeamId, Month), Rounding>,
    ) -> Result<BTreeMap<String, Micros>, OutOfRange> {
        let mut balances: BTreeMap<String, Micros> = BTreeMap::new();
        let mut add = |account: Account, amount: Micros| {
            let balance = balances.entry(account.to_string()).or_default();
            *balance = balance.plus(amount)?;
            Ok(())
        };
        for ((attempt, _), charge) in &self.charges {
            if let Some(team) = self.teams.get(attempt) {
                add(Account::Team(*team), *charge)?;
                add(Account::Revenue, Micros(0).minus(*charge)?)?;
            }
        }
        for ((team, _), rounding) in roundings {
            add(Account::Team(*team), Micros(0).minus(rounding.posted)?)?;
            add(Account::Rounding, rounding.posted)?;
        }
        Ok(balances)
    }
}

/// Keys whose running total or ledger is not what they owe.
pub(super) fn charge_differences(evidence: &Evidence, owed: &Owed) -> Vec<String> {
    let ledger = &evidence.ledger.charged;
    let keys: BTreeSet<&Key> = owed
        .charges
        .keys()
        .chain(evidence.totals.keys())
        .chain(ledger.keys())
        .collect();
    let mut found = Vec::new();
    for key in keys {
        let of = |amounts: &BTreeMap<Key, Micros>| amounts.get(key).copied().unwrap_or_default();
        let (owed, total, posted) = (of(&owed.charges), of(&evidence.totals), of(ledger));
        let (attempt, version) = key;
        if owed != total {
            found.push(format!("attempt {attempt}: at price version {version} it owes {owed}, its running total is {total}"));
        }
        if owed != posted {
            found.push(format!("attempt {attempt}: at price version {version} it owes {owed}, the ledger has {posted}"));
        }
    }
    found
}

/// Transactions that do not sum to zero.
pub(super) fn unbalanced(ledger: &LedgerSums) -> impl Iterator<Item = String> {
    let named = |(what, sum): &(String, Micros)| {
        format!("{what}: its entries sum to {sum}, not to 0.000000")
    };
    ledger.unbalanced.iter().map(named)
}

/// Closed months whose posted rounding is not that of their invoice.
pub(super) fn rounding_differences(
    evidence: &Evidence,
    owed: &Owed,
) -> Result<Vec<String>, OutOfRange> {
    let mut found = Vec::new();
    for ((team, month), Rounding { posted, closed }) in &evidence.roundings {
        let computed = owed.rounding(*team, *month)?;
        if *closed && computed != *posted {
            found.push(format!(
                "team {team}: the invoice of {month} rounds by {computed}, posted is {posted}"
            ));
        }
    }
    Ok(found)
}

/// Accounts whose balance is not the sum of what was charged and rounded.
pub(super) fn balance_differences(
    evidence: &Evidence,
    owed: &Owed,
) -> Result<Vec<String>, OutOfRange> {
    let expected = owed.balances(&evidence.roundings)?;
    let actual = &evidence.ledger.balances;
    let accounts: BTreeSet<&String> = expected.keys().chain(actual.keys()).collect();
    let mut found = Vec::new();
    for account in accounts {
        let of = |balances: &BTreeMap<String, Micros>| {
            balances.get(account).copied().unwrap_or_default()
        };
        let (expected, actual) = (of(&expected), of(actual));
        if expected != actual {
            found.push(format!(
                "account {account}: the keys sum to {expected}, its balance is {actual}"
            ));
        }
    }
    Ok(found)
}
