//! The audit: everything that is owed is computed again from the raw inputs and held against what the books say. Each difference
//! is one sentence that names the attempt, where there is one, and both numbers.

use std::collections::{BTreeMap, BTreeSet};

use kernel::Micros;
use kernel::id::{AttemptId, TeamId};
use kernel::money::OutOfRange;

use super::chain::{self, Link};
use super::invoice::Invoice;
use super::ledger::Account;
use super::period::Month;
use super::price::{PriceBook, Slice};
use super::usage::{Facts, Input, Metered, Outcome, fold, instant};

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
    pub(crate) scheduler: BTreeMap<AttemptId, Input>,
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
    let mut found = chain_differences(evidence);
    let (facts, contradictions) = replay(&evidence.inputs);
    found.extend(contradictions);
    found.extend(meter_differences(evidence, &facts));
    found.extend(scheduler_differences(&facts, &evidence.scheduler));

    let owed = Owed::compute(evidence, &facts)?;
    found.extend(charge_differences(evidence, &owed));
    found.extend(
        (evidence.ledger.unbalanced.iter())
            .map(|(what, sum)| format!("{what}: its entries sum to {sum}, not to 0.000000")),
    );
    found.extend(rounding_differences(evidence, &owed)?);
    found.extend(balance_differences(evidence, &owed)?);
    Ok(found)
}

fn chain_differences(evidence: &Evidence) -> Vec<String> {
    let mut found = Vec::new();
    let (mut previous, mut expected) = (chain::START, 1);
    for link in &evidence.inputs {
        let attempt = link.input.attempt;
        if link.sequence != expected {
            found.push(format!(
                "attempt {attempt}: its raw input has number {}, expected was {expected}",
                link.sequence
            ));
        }
        let computed = chain::hash(previous, link.sequence, &link.input, link.received_at);
        if computed != link.hash {
            let (sequence, stored) = (link.sequence, &link.hash);
            found.push(format!(
                "attempt {attempt}: raw input {sequence} hashes to {computed}, stored is {stored}"
            ));
        }
        previous = &link.hash;
        expected = link.sequence + 1;
    }
    let (count, hash) = &evidence.head;
    if *count != expected - 1 || hash != previous {
        let last = expected - 1;
        found.push(format!("the chain of raw inputs ends with number {last} and hash {previous:?}, the books say {count} and {hash:?}"));
    }
    found
}

fn replay(inputs: &[Link]) -> (BTreeMap<AttemptId, Facts>, Vec<String>) {
    let mut all: BTreeMap<AttemptId, Facts> = BTreeMap::new();
    let mut contradictions = Vec::new();
    for Link { input, .. } in inputs {
        match fold(all.get(&input.attempt), input) {
            Outcome::Ignored => {}
            Outcome::Same(facts) | Outcome::Extends(facts) => {
                all.insert(input.attempt, facts);
            }
            Outcome::Contradicts { facts, what } => {
                contradictions.push(format!(
                    "attempt {}: {what}; it was not applied",
                    input.attempt
                ));
                all.insert(input.attempt, facts);
            }
        }
    }
    (all, contradictions)
}

/// The facts as the sentences show them: who pays, for which type, from when until when.
fn shown(facts: &Facts) -> String {
    let (from, until) = (
        instant(Some(facts.billable_from)),
        instant(facts.billable_until),
    );
    format!(
        "{} on {} from {from} until {until}",
        facts.team, facts.machine_type
    )
}

fn meter_differences(evidence: &Evidence, facts: &BTreeMap<AttemptId, Facts>) -> Vec<String> {
    let known: BTreeSet<&AttemptId> = facts.keys().chain(evidence.attempts.keys()).collect();
    let mut found = Vec::new();
    for attempt in known {
        let raw = facts
            .get(attempt)
            .map_or_else(|| "nothing".to_owned(), shown);
        let metered = evidence
            .attempts
            .get(attempt)
            .map_or_else(|| "nothing".to_owned(), |metered| shown(&metered.facts));
        if raw != metered {
            found.push(format!(
                "attempt {attempt}: the raw inputs say {raw}, the meter has {metered}"
            ));
        }
    }
    found
}

fn scheduler_differences(
    facts: &BTreeMap<AttemptId, Facts>,
    scheduler: &BTreeMap<AttemptId, Input>,
) -> Vec<String> {
    let mut found = Vec::new();
    for (attempt, input) in scheduler {
        match facts.get(attempt) {
            None if input.billable_from.is_some() => {
                let (from, until) = (instant(input.billable_from), instant(input.billable_until));
                found.push(format!("attempt {attempt}: the scheduler has it billable from {from} until {until}, billing does not know it"));
            }
            None => {}
            Some(known) if agrees(known, input) => {}
            Some(known) => {
                let (from, until) = (instant(input.billable_from), instant(input.billable_until));
                let (team, machine_type, ours) = (input.team, &input.machine_type, shown(known));
                found.push(format!("attempt {attempt}: the scheduler has {team} on {machine_type} from {from} until {until}, billing has {ours}"));
            }
        }
    }
    for (attempt, known) in facts {
        if !scheduler.contains_key(attempt) {
            found.push(format!(
                "attempt {attempt}: billing has {}, the scheduler does not know it",
                shown(known)
            ));
        }
    }
    found
}

/// An end that came after the scheduler was asked is no difference.
fn agrees(known: &Facts, input: &Input) -> bool {
    let ended_since = input.billable_until.is_none() && known.revision > input.revision;
    input.billable_from == Some(known.billable_from)
        && (input.billable_until == known.billable_until || ended_since)
        && input.team == known.team
        && input.machine_type == known.machine_type
}

/// What should be posted, computed from the raw facts.
struct Owed {
    charges: BTreeMap<Key, Micros>,
    used: BTreeMap<TeamId, Vec<(String, Vec<Slice>)>>,
    teams: BTreeMap<AttemptId, TeamId>,
}

impl Owed {
    fn compute(
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

fn charge_differences(evidence: &Evidence, owed: &Owed) -> Vec<String> {
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

fn rounding_differences(evidence: &Evidence, owed: &Owed) -> Result<Vec<String>, OutOfRange> {
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

fn balance_differences(evidence: &Evidence, owed: &Owed) -> Result<Vec<String>, OutOfRange> {
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

#[cfg(test)]
mod tests {
    use kernel::NanosPerHour;
    use kernel::time::from_micros;

    use super::super::price::PriceVersion;
    use super::super::usage::tests::input;
    use super::*;

    const HOUR: i64 = 3_600_000_000;

    /// One team whose attempt ran for an hour at 0.0045, with books that are right.
    fn clean() -> (Evidence, AttemptId, TeamId) {
        let (attempt, team) = (AttemptId::generate(), TeamId::generate());
        let version = PriceVersion {
            version: 1,
            rate: NanosPerHour(4_500_000),
            valid_from: from_micros(0),
        };
        let mut evidence = Evidence {
            prices: [("M".to_owned(), version)].into_iter().collect(),
            ..Evidence::default()
        };
        add_input(&mut evidence, input(attempt, team, 1, Some(HOUR), None));
        add_input(
            &mut evidence,
            input(attempt, team, 2, Some(HOUR), Some(2 * HOUR)),
        );
        let facts = replay(&evidence.inputs).0.remove(&attempt).unwrap();
        evidence
            .scheduler
            .insert(attempt, evidence.inputs[1].input.clone());
        evidence.attempts.insert(
            attempt,
            Metered {
                facts,
                confirmed_until: from_micros(0),
                unreachable_since: None,
            },
        );
        evidence.totals.insert((attempt, 1), Micros(4_500));
        evidence.ledger.charged.insert((attempt, 1), Micros(4_500));
        let month = Month::containing(from_micros(0));
        evidence.roundings.insert(
            (team, month),
            Rounding {
                posted: Micros(4_500),
                closed: true,
            },
        );
        let balances = [
            (Account::Team(team), 0),
            (Account::Revenue, -4_500),
            (Account::Rounding, 4_500),
        ];
        evidence.ledger.balances = balances
            .map(|(account, micros)| (account.to_string(), Micros(micros)))
            .into();
        (evidence, attempt, team)
    }

    fn add_input(evidence: &mut Evidence, input: Input) {
        let (count, previous) = &evidence.head;
        let (sequence, received_at) = (count + 1, from_micros(5));
        let hash = chain::hash(previous, sequence, &input, received_at);
        evidence.head = (sequence, hash.clone());
        evidence.inputs.push(Link {
            sequence,
            input,
            received_at,
            hash,
        });
    }

    fn found(evidence: &Evidence) -> String {
        differences(evidence).unwrap().join("\n")
    }

    #[test]
    fn right_books_are_clean() {
        assert_eq!(found(&clean().0), "");
    }

    #[test]
    fn a_changed_raw_input_is_found() {
        let (mut evidence, attempt, _) = clean();
        evidence.inputs[1].input.billable_until = Some(from_micros(3 * HOUR));
        let found = found(&evidence);
        assert!(
            found.contains(&format!("attempt {attempt}: raw input 2 hashes to")),
            "{found}"
        );
        assert!(
            found.contains(&format!(
                "attempt {attempt}: at price version 1 it owes 0.009000, the ledger has 0.004500"
            )),
            "{found}"
        );
        assert!(found.contains("the scheduler has"), "{found}");
    }

    #[test]
    fn raw_inputs_cannot_be_taken_out_or_put_in() {
        let (mut evidence, attempt, _) = clean();
        evidence.inputs.remove(0);
        assert!(found(&evidence).contains(&format!(
            "attempt {attempt}: its raw input has number 2, expected was 1"
        )));

        let (mut evidence, _, _) = clean();
        evidence.inputs.pop();
        assert!(found(&evidence).contains("the chain of raw inputs ends with number 1"));

        let (mut evidence, _, team) = clean();
        let stranger = AttemptId::generate();
        add_input(&mut evidence, input(stranger, team, 1, Some(0), Some(HOUR)));
        let found = found(&evidence);
        assert!(
            found.contains(&format!("attempt {stranger}: the raw inputs say {team}")),
            "{found}"
        );
        assert!(found.contains("the scheduler does not know it"), "{found}");
    }

    #[test]
    fn contradictions_and_gaps_to_the_scheduler_are_named() {
        let (mut evidence, attempt, team) = clean();
        add_input(
            &mut evidence,
            input(attempt, team, 3, Some(HOUR), Some(9 * HOUR)),
        );
        evidence
            .scheduler
            .insert(attempt, input(attempt, team, 3, Some(HOUR), Some(9 * HOUR)));
        let unknown = AttemptId::generate();
        evidence
            .scheduler
            .insert(unknown, input(unknown, team, 1, Some(1), None));
        evidence
            .scheduler
            .insert(AttemptId::generate(), input(attempt, team, 1, None, None));
        let found = differences(&evidence).unwrap();
        assert_eq!(found.len(), 3, "{found:?}");
        assert!(
            found[0].contains("fixed is 1970-01-01T02:00:00.000000Z; it was not applied"),
            "{found:?}"
        );
        assert!(found.iter().any(|text| {
            text.starts_with(&format!("attempt {unknown}: the scheduler has it billable"))
        }));
    }

    #[test]
    fn an_end_that_came_after_the_question_is_no_difference() {
        let (mut evidence, attempt, team) = clean();
        evidence
            .scheduler
            .insert(attempt, input(attempt, team, 1, Some(HOUR), None));
        assert_eq!(found(&evidence), "");
    }

    #[test]
    fn every_changed_number_of_the_ledger_is_found() {
        let (mut evidence, attempt, _) = clean();
        evidence.totals.insert((attempt, 1), Micros(4_501));
        assert_eq!(
            found(&evidence),
            format!(
                "attempt {attempt}: at price version 1 it owes 0.004500, its running total is 0.004501"
            )
        );

        let (mut evidence, attempt, team) = clean();
        evidence.ledger.charged.insert((attempt, 2), Micros(7));
        evidence
            .ledger
            .balances
            .insert(Account::Team(team).to_string(), Micros(7));
        evidence
            .ledger
            .unbalanced
            .push((format!("transaction tx-1 of attempt {attempt}"), Micros(7)));
        let found_all = found(&evidence);
        assert!(
            found_all.contains("at price version 2 it owes 0.000000, the ledger has 0.000007"),
            "{found_all}"
        );
        assert!(
            found_all.contains("its entries sum to 0.000007, not to 0.000000"),
            "{found_all}"
        );
        assert!(
            found_all.contains(&format!(
                "account team:{team}: the keys sum to 0.000000, its balance is 0.000007"
            )),
            "{found_all}"
        );

        let (mut evidence, _, team) = clean();
        evidence
            .roundings
            .values_mut()
            .for_each(|rounding| rounding.posted = Micros(0));
        let found = found(&evidence);
        assert!(
            found.contains(&format!(
                "team {team}: the invoice of 1970-01 rounds by 0.004500, posted is 0.000000"
            )),
            "{found}"
        );
        assert!(
            found.contains("account rounding: the keys sum to 0.000000, its balance is 0.004500"),
            "{found}"
        );
    }
}
