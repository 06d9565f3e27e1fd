//! Books that are right, and each way in which they can be wrong.

use kernel::NanosPerHour;
use kernel::time::from_micros;

use super::inputs::replay;
use super::*;
use crate::domain::chain;
use crate::domain::ledger::Account;
use crate::domain::price::PriceVersion;
use crate::domain::usage::tests::input;
use crate::domain::usage::{Facts, Input};

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
    let last = evidence.inputs[1].input.clone();
    see(&mut evidence, last);
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

/// The scheduler says `input` from now on.
fn see(evidence: &mut Evidence, input: Input) {
    let sighting = Sighting {
        input,
        confirmed_until: None,
        unreachable_since: None,
    };
    evidence.scheduler.insert(sighting.input.attempt, sighting);
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
    see(
        &mut evidence,
        input(attempt, team, 3, Some(HOUR), Some(9 * HOUR)),
    );
    let unknown = AttemptId::generate();
    see(&mut evidence, input(unknown, team, 1, Some(1), None));
    see(
        &mut evidence,
        input(AttemptId::generate(), team, 1, None, None),
    );
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
    see(&mut evidence, input(attempt, team, 1, Some(HOUR), None));
    assert_eq!(found(&evidence), "");
}

#[test]
fn time_that_nobody_confirmed_is_found() {
    let (mut evidence, attempt, team) = clean();
    evidence.inputs.pop();
    evidence.head = (1, evidence.inputs[0].hash.clone());
    see(&mut evidence, input(attempt, team, 1, Some(HOUR), None));
    let metered = evidence.attempts.get_mut(&attempt).unwrap();
    metered.facts = Facts {
        revision: 1,
        billable_until: None,
        ..metered.facts.clone()
    };
    metered.confirmed_until = from_micros(2 * HOUR);
    let sighting = evidence.scheduler.get_mut(&attempt).unwrap();
    sighting.confirmed_until = Some(from_micros(2 * HOUR));
    assert_eq!(found(&evidence), "");
    evidence
        .scheduler
        .get_mut(&attempt)
        .unwrap()
        .confirmed_until = Some(from_micros(HOUR));
    let found = found(&evidence);
    assert!(found.contains("that it ran until 1970-01-01T01:00:00.000000Z, the meter has 1970-01-01T02:00:00.000000Z"), "{found}");
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
