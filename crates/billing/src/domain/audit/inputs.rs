//! The raw inputs against their hashes, the meter and the scheduler.

use std::collections::{BTreeMap, BTreeSet};

use kernel::id::AttemptId;

use super::Evidence;
use crate::domain::chain::{self, Link};
use crate::domain::usage::{Facts, Input, Outcome, Sighting, fold, instant};

/// Inputs that do not fit their hash or number, and an end that is not where the books say.
pub(super) fn chain_differences(evidence: &Evidence) -> Vec<String> {
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

/// The facts that the raw inputs make, and sentences about those that contradict them.
pub(super) fn replay(inputs: &[Link]) -> (BTreeMap<AttemptId, Facts>, Vec<String>) {
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

/// Where the meter has other facts than the raw inputs make.
pub(super) fn meter_differences(
    evidence: &Evidence,
    facts: &BTreeMap<AttemptId, Facts>,
) -> Vec<String> {
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

/// Where the scheduler says otherwise than the raw inputs.
pub(super) fn scheduler_differences(
    facts: &BTreeMap<AttemptId, Facts>,
    scheduler: &BTreeMap<AttemptId, Sighting>,
) -> Vec<String> {
    let mut found = Vec::new();
    for (attempt, Sighting { input, .. }) in scheduler {
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

/// Running attempts that the meter takes to have run for longer than the scheduler says at the same revision.
pub(super) fn confirmation_differences(evidence: &Evidence) -> Vec<String> {
    let mut found = Vec::new();
    for (attempt, metered) in &evidence.attempts {
        let Some(sighting) = evidence.scheduler.get(attempt) else {
            continue;
        };
        let same = metered.facts.revision == sighting.input.revision;
        let said = sighting
            .confirmed_until
            .unwrap_or(metered.facts.billable_from);
        if same && metered.facts.billable_until.is_none() && metered.confirmed_until > said {
            let (ours, theirs) = (instant(Some(metered.confirmed_until)), instant(Some(said)));
            found.push(format!("attempt {attempt}: the scheduler knows that it ran until {theirs}, the meter has {ours}"));
        }
    }
    found
}
