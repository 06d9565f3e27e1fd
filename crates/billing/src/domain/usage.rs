//! The meter's rule: what the scheduler says about an attempt, in any order and as often as it likes, becomes facts that are fixed
//! once. What contradicts them is never applied.

use std::fmt;

use chrono::SecondsFormat;
use kernel::Timestamp;
use kernel::id::{AttemptId, TeamId};

/// What the scheduler says about the billable facts of an attempt at one revision.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Input {
    /// The attempt.
    pub(crate) attempt: AttemptId,
    /// Grows with each change of the attempt.
    pub(crate) revision: u64,
    /// Who pays.
    pub(crate) team: TeamId,
    /// Project inside the team.
    pub(crate) project: String,
    /// What it belongs to, such as a notebook.
    pub(crate) owner: String,
    /// What the price is looked up by.
    pub(crate) machine_type: String,
    /// From when it costs; `None` = it never ran.
    pub(crate) billable_from: Option<Timestamp>,
    /// Until when it cost; `None` while it runs.
    pub(crate) billable_until: Option<Timestamp>,
}

/// An [`Input`], and what of the attempt changes without being a fact yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Sighting {
    /// The billable facts.
    pub(crate) input: Input,
    /// Until when it is known to have run.
    pub(crate) confirmed_until: Option<Timestamp>,
    /// Since when its node is silent.
    pub(crate) unreachable_since: Option<Timestamp>,
}

/// What is billed about an attempt. The start is fixed from the beginning, the end once it is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Facts {
    /// The attempt.
    pub(crate) attempt: AttemptId,
    /// Highest revision seen.
    pub(crate) revision: u64,
    /// Who pays.
    pub(crate) team: TeamId,
    /// Project inside the team.
    pub(crate) project: String,
    /// What it belongs to.
    pub(crate) owner: String,
    /// What the price is looked up by.
    pub(crate) machine_type: String,
    /// From when it costs.
    pub(crate) billable_from: Timestamp,
    /// Until when it cost; `None` while it runs.
    pub(crate) billable_until: Option<Timestamp>,
}

/// What an input means for the facts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// Old, seen before, or about an attempt that never ran.
    Ignored,
    /// A newer revision with the same facts.
    Same(Facts),
    /// The attempt began or ended.
    Extends(Facts),
    /// It says otherwise than what is fixed. The facts stay as they were, but for the revision.
    Contradicts {
        /// The facts that stay.
        facts: Facts,
        /// What it says and what is fixed, as part of a sentence.
        what: String,
    },
}

/// Holds `input` against what is known of its attempt.
pub(crate) fn fold(known: Option<&Facts>, input: &Input) -> Outcome {
    let Some(known) = known else {
        return input.billable_from.map_or(Outcome::Ignored, |from| {
            Outcome::Extends(begin(input, from))
        });
    };
    if input.revision <= known.revision {
        return Outcome::Ignored;
    }
    let facts = Facts {
        revision: input.revision,
        ..known.clone()
    };
    if let Some(what) = contradiction(known, input) {
        return Outcome::Contradicts { facts, what };
    }
    if known.billable_until == input.billable_until {
        return Outcome::Same(facts);
    }
    Outcome::Extends(Facts {
        billable_until: input.billable_until,
        ..facts
    })
}

fn begin(input: &Input, billable_from: Timestamp) -> Facts {
    Facts {
        attempt: input.attempt,
        revision: input.revision,
        team: input.team,
        project: input.project.clone(),
        owner: input.owner.clone(),
        machine_type: input.machine_type.clone(),
        billable_from,
        billable_until: input.billable_until,
    }
}

fn contradiction(known: &Facts, input: &Input) -> Option<String> {
    let says = |what: &str, new: &dyn fmt::Display, fixed: &dyn fmt::Display| {
        Some(format!(
            "revision {} says {what} {new}, fixed is {fixed}",
            input.revision
        ))
    };
    if input.billable_from != Some(known.billable_from) {
        return says(
            "billable from",
            &instant(input.billable_from),
            &instant(Some(known.billable_from)),
        );
    }
    if known.billable_until.is_some() && input.billable_until != known.billable_until {
        return says(
            "billable until",
            &instant(input.billable_until),
            &instant(known.billable_until),
        );
    }
    if input.team != known.team {
        return says("team", &input.team, &known.team);
    }
    if input.machine_type != known.machine_type {
        return says("machine type", &input.machine_type, &known.machine_type);
    }
    if input.project != known.project {
        return says("project", &input.project, &known.project);
    }
    (input.owner != known.owner)
        .then(|| says("owner", &input.owner, &known.owner))
        .flatten()
}

/// An instant as sentences show it, to the microsecond.
pub(crate) fn instant(time: Option<Timestamp>) -> String {
    time.map_or_else(
        || "never".to_owned(),
        |time| time.to_rfc3339_opts(SecondsFormat::Micros, true),
    )
}

/// An attempt as the meter sees it now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Metered {
    /// What is fixed.
    pub(crate) facts: Facts,
    /// Until when it is known to have run.
    pub(crate) confirmed_until: Timestamp,
    /// Since when its node is silent; `None` = it answers.
    pub(crate) unreachable_since: Option<Timestamp>,
}

impl Metered {
    /// Until when it is certain to cost: what may be posted.
    pub(crate) fn certain_until(&self) -> Timestamp {
        self.facts.billable_until.unwrap_or(self.confirmed_until)
    }

    /// Until when it is shown to cost: while it runs and answers, until `now`.
    pub(crate) fn shown_until(&self, now: Timestamp) -> Timestamp {
        match (self.facts.billable_until, self.unreachable_since) {
            (Some(until), _) => until,
            (None, Some(_)) => self.confirmed_until,
            (None, None) => now,
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use kernel::time::from_micros;
    use proptest::prelude::*;

    use super::*;

    /// An input about an attempt on machine type "M".
    pub(crate) fn input(
        attempt: AttemptId,
        team: TeamId,
        revision: u64,
        from: Option<i64>,
        until: Option<i64>,
    ) -> Input {
        Input {
            attempt,
            revision,
            team,
            project: "pr".to_owned(),
            owner: "nb".to_owned(),
            machine_type: "M".to_owned(),
            billable_from: from.map(from_micros),
            billable_until: until.map(from_micros),
        }
    }

    fn fold_all(inputs: &[Input]) -> Option<Facts> {
        inputs
            .iter()
            .fold(None, |known, input| match fold(known.as_ref(), input) {
                Outcome::Ignored => known,
                Outcome::Same(facts) | Outcome::Extends(facts) => Some(facts),
                Outcome::Contradicts { what, .. } => panic!("{what}"),
            })
    }

    #[test]
    fn contradictions_name_both_and_change_nothing() {
        let (attempt, team) = (AttemptId::generate(), TeamId::generate());
        let ended = fold_all(&[input(attempt, team, 3, Some(1_000_000), Some(2_000_000))]).unwrap();
        let cases = [
            (
                input(attempt, team, 4, Some(1_500_000), Some(2_000_000)),
                "billable from 1970-01-01T00:00:01.500000Z, fixed is 1970-01-01T00:00:01.000000Z",
            ),
            (
                input(attempt, team, 4, None, Some(2_000_000)),
                "billable from never",
            ),
            (
                input(attempt, team, 4, Some(1_000_000), Some(9_000_000)),
                "billable until 1970-01-01T00:00:09.000000Z, fixed is 1970-01-01T00:00:02.000000Z",
            ),
            (
                input(attempt, team, 4, Some(1_000_000), None),
                "billable until never",
            ),
            (
                input(
                    attempt,
                    TeamId::generate(),
                    4,
                    Some(1_000_000),
                    Some(2_000_000),
                ),
                "team te-",
            ),
            (
                Input {
                    machine_type: "H100".to_owned(),
                    ..input(attempt, team, 4, Some(1_000_000), Some(2_000_000))
                },
                "machine type H100, fixed is M",
            ),
            (
                Input {
                    owner: "nb-2".to_owned(),
                    ..input(attempt, team, 4, Some(1_000_000), Some(2_000_000))
                },
                "owner nb-2",
            ),
        ];
        for (wrong, expected) in cases {
            let Outcome::Contradicts { facts, what } = fold(Some(&ended), &wrong) else {
                panic!("{wrong:?}")
            };
            assert!(what.contains(expected), "{what}");
            assert_eq!(
                facts,
                Facts {
                    revision: 4,
                    ..ended.clone()
                }
            );
        }
        let old = input(attempt, team, 3, Some(7), None);
        assert_eq!(fold(Some(&ended), &old), Outcome::Ignored);
    }

    #[test]
    fn running_attempts_are_shown_until_now_and_silent_ones_until_they_were_last_heard_of() {
        let at = from_micros;
        let facts = fold_all(&[input(
            AttemptId::generate(),
            TeamId::generate(),
            1,
            Some(10),
            None,
        )])
        .unwrap();
        let running = Metered {
            facts,
            confirmed_until: at(50),
            unreachable_since: None,
        };
        assert_eq!(
            (running.certain_until(), running.shown_until(at(90))),
            (at(50), at(90))
        );
        let silent = Metered {
            unreachable_since: Some(at(60)),
            ..running
        };
        assert_eq!(silent.shown_until(at(90)), at(50));
        let ended = Metered {
            facts: Facts {
                billable_until: Some(at(70)),
                ..silent.facts.clone()
            },
            ..silent
        };
        assert_eq!(
            (ended.certain_until(), ended.shown_until(at(90))),
            (at(70), at(70))
        );
    }

    proptest! {
        #[test]
        fn order_and_duplicates_change_nothing(
            shuffled in Just((1..=8_u64).collect::<Vec<_>>()).prop_shuffle(),
            repeated in prop::collection::vec(1..=8_u64, 0..8),
            began in 1..=8_u64,
            ended in 1..=9_u64,
        ) {
            let (attempt, team) = (AttemptId::generate(), TeamId::generate());
            let at = |revision: u64| input(
                attempt, team, revision,
                (revision >= began).then_some(1_000),
                (revision >= ended.max(began)).then_some(5_000),
            );
            let in_order: Vec<Input> = (1..=8).map(at).collect();
            let any_order: Vec<Input> = shuffled.iter().chain(&repeated).map(|revision| at(*revision)).collect();
            prop_assert_eq!(fold_all(&any_order), fold_all(&in_order));
        }
    }
}
