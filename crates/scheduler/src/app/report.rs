//! What agents observed, and what it changes.

use std::collections::HashMap;

use chassis::lease::{self, Held};
use chassis::{Error, Result};
use contracts::agent::v1::{Hello, Report};
use contracts::scheduler::v1::AttemptState;
use kernel::Timestamp;
use kernel::time::from_micros;
use sea_orm::{ColumnTrait, DatabaseTransaction, EntityTrait, QueryFilter};

use super::{App, unsigned, view};
use crate::domain::billable::RunTime;
use crate::domain::lifecycle::{self, State, Step};
use crate::store::entity;

/// Longest reason that is kept.
const MAX_REASON: usize = 2_000;

/// A report, the node that it is of, and the lease of whoever took it.
#[derive(Clone, Debug)]
pub(crate) struct Reported {
    held: Held,
    node_id: String,
    report: Report,
}

/// An attempt and its workload, both locked.
#[derive(Debug)]
struct Reporting {
    workload: entity::workload::Model,
    attempt: entity::attempt::Model,
}

/// What the reports of one transaction have come to.
#[derive(Debug, Default)]
struct Outcome {
    changed: bool,
    ended: bool,
}

impl App {
    /// Stores one report of a node, with those of other nodes that come at the same time. When this returns the agent may forget
    /// the report.
    pub(crate) async fn on_report(
        &self,
        held: &Held,
        node_id: &str,
        report: &Report,
    ) -> Result<()> {
        let reported = Reported {
            held: held.clone(),
            node_id: node_id.to_owned(),
            report: report.clone(),
        };
        let app = self.clone();
        let store = move |reports| {
            let app = app.clone();
            async move { app.store_reports(reports).await }
        };
        self.reports.ask(reported, store).await
    }

    async fn store_reports(&self, reports: Vec<Reported>) -> Result<Vec<()>> {
        let Some(first) = reports.first() else {
            return Ok(Vec::new());
        };
        let transaction = self.database.begin().await?;
        lease::fence(&transaction, &first.held).await?;
        // A line of an earlier leadership may still be on its way to its end.
        for other in reports.iter().filter(|other| other.held != first.held) {
            lease::fence(&transaction, &other.held).await?;
        }
        let mut known = self.lock_reported(&transaction, &reports).await?;
        let mut outcome = Outcome::default();
        for reported in &reports {
            let of_attempt = known.remove(&reported.report.attempt_id);
            if let Some(locked) = of_attempt {
                let locked = self
                    .store_report(&transaction, reported, locked, &mut outcome)
                    .await?;
                known.insert(reported.report.attempt_id.clone(), locked);
            }
        }
        if outcome.changed {
            transaction.commit().await?;
        }
        if outcome.ended {
            self.nudge_all();
        } else if outcome.changed {
            // Nothing became free, and nobody is to be told anything.
            self.outbox.nudge();
        }
        Ok(vec![(); reports.len()])
    }

    /// The workloads of the attempts that are spoken of, locked, where the attempt is their newest; by attempt.
    async fn lock_reported(
        &self,
        transaction: &DatabaseTransaction,
        reports: &[Reported],
    ) -> Result<HashMap<String, Reporting>> {
        let ids = reports.iter().map(|reported| &reported.report.attempt_id);
        let seen = entity::attempt::Entity::find()
            .filter(entity::attempt::Column::Id.is_in(ids))
            .all(transaction)
            .await?;
        let workloads = seen.iter().map(|attempt| attempt.workload_id.as_str());
        let locked = self.lock_workloads(transaction, workloads).await?;
        let newest = self.newest_attempts(transaction, &locked).await?;
        let reporting = newest.into_iter().filter_map(|(workload_id, attempt)| {
            let workload = locked.get(&workload_id)?.clone();
            Some((attempt.id.clone(), Reporting { workload, attempt }))
        });
        Ok(reporting.collect())
    }

    /// Stores one report, unless it says nothing new; gives the rows as they are then.
    async fn store_report(
        &self,
        transaction: &DatabaseTransaction,
        reported: &Reported,
        locked: Reporting,
        outcome: &mut Outcome,
    ) -> Result<Reporting> {
        let Reported {
            node_id, report, ..
        } = reported;
        let Reporting {
            mut workload,
            mut attempt,
        } = locked;
        let now = self.clock.now();
        let current = view::state(attempt.state);
        let sequence = i64::try_from(report.sequence).unwrap_or(i64::MAX);
        let meant =
            attempt.node_id == *node_id && unsigned(attempt.generation) == report.generation;
        if !meant || sequence <= attempt.sequence || current == State::Ended {
            return Ok(Reporting { workload, attempt });
        }
        outcome.changed = true;
        attempt.sequence = sequence;
        let spec = view::decode_spec(&workload.spec)?;
        let newly_running = note_run_time(&mut attempt, report, spec.max_duration_seconds, now);
        let end = (report.state() == AttemptState::Ended)
            .then(|| view::end(report.end(), report.fault()));
        let step = lifecycle::on_report(current, view::state(report.state), end);
        let reason: String = report.reason.chars().take(MAX_REASON).collect();
        if let Step::Go(next) = step {
            attempt.state = view::state_number(next);
            attempt.state_since = now.timestamp_micros();
        }
        // Why it was told to stop says more than how far it has got.
        let told_to_stop = current == State::Stopping || attempt.leaves_at.is_some();
        if !told_to_stop {
            attempt.reason.clone_from(&reason);
        }
        let mut attempt = self.store_attempt(transaction, attempt).await?;
        if newly_running {
            self.say_started(transaction, &attempt).await?;
        }
        if let Step::End(end) = step {
            outcome.ended = true;
            (workload, attempt) = self
                .end_attempt(transaction, workload, attempt, end, &reason, now)
                .await?;
        } else if !told_to_stop && (step != Step::Done || workload.reason != reason) {
            workload.reason = reason;
            workload = self
                .store_workload(transaction, workload, Some(&attempt))
                .await?;
        }
        Ok(Reporting { workload, attempt })
    }

    /// An agent has connected and says what it holds: what it should hold and does not is over.
    pub(crate) async fn on_hello(&self, held: &Held, hello: &Hello) -> Result<()> {
        if hello.epoch > held.epoch {
            let (seen, ours) = (hello.epoch, held.epoch);
            return Err(Error::Unavailable(format!(
                "the agent has obeyed a leader of epoch {seen}; this one is of epoch {ours} and no longer leads"
            )));
        }
        self.check_may_speak(&hello.node_id).await?;
        for report in &hello.held {
            self.on_report(held, &hello.node_id, report).await?;
        }
        let open = self.open_attempts(&hello.node_id).await?;
        for attempt in open {
            let on_agent = hello.held.iter().any(|report| {
                report.attempt_id == attempt.id && report.generation == unsigned(attempt.generation)
            });
            if !on_agent {
                self.on_not_held(held, &attempt).await?;
            }
        }
        Ok(())
    }

    /// Checks that a node was not given up and is on the list.
    async fn check_may_speak(&self, node_id: &str) -> Result<()> {
        let node = entity::node::Entity::find_by_id(node_id)
            .one(self.database.reader())
            .await?;
        if node.is_some_and(|node| node.given_up || node.deleted) {
            return Err(Error::GivenUp {
                node: node_id.to_owned(),
            });
        }
        Ok(())
    }

    async fn on_not_held(&self, held: &Held, seen: &entity::attempt::Model) -> Result<()> {
        let transaction = self.database.begin().await?;
        lease::fence(&transaction, held).await?;
        let locked = self.lock(&transaction, &seen.workload_id).await?;
        let Some(attempt) = locked.attempt.filter(|attempt| attempt.id == seen.id) else {
            return Ok(());
        };
        if let Step::End(end) =
            lifecycle::on_not_held(view::state(attempt.state), view::stop_as(&attempt))
        {
            let reason = "its node no longer knows of it";
            self.end_attempt(
                &transaction,
                locked.workload,
                attempt,
                end,
                reason,
                self.clock.now(),
            )
            .await?;
            transaction.commit().await?;
            self.nudge_all();
        }
        Ok(())
    }

    /// Attempts on a node that are not over.
    pub(super) async fn open_attempts(&self, node_id: &str) -> Result<Vec<entity::attempt::Model>> {
        Ok(entity::attempt::Entity::find()
            .filter(entity::attempt::Column::NodeId.eq(node_id))
            .filter(entity::attempt::Column::State.ne(i32::from(AttemptState::Ended)))
            .all(self.database.reader())
            .await?)
    }
}

/// Takes over how long the attempt has run; gives whether it began to cost with this report.
fn note_run_time(
    attempt: &mut entity::attempt::Model,
    report: &Report,
    max_duration_seconds: u32,
    now: Timestamp,
) -> bool {
    let Some(ran_ms) = report.ran_ms else {
        return false;
    };
    // The length counts within one boot: another boot's clock says nothing about this run.
    if !attempt.boot_id.is_empty() && attempt.boot_id != report.boot_id {
        return false;
    }
    let before = view::billable(attempt);
    let run = RunTime {
        received_at: now,
        age_ms: report.age_ms,
        ran_ms,
    };
    let after = before.with_run_time(from_micros(attempt.placed_at), run);
    attempt.boot_id.clone_from(&report.boot_id);
    attempt.billable_from = after.from.map(|at| at.timestamp_micros());
    attempt.confirmed_until = after.confirmed_until.map(|at| at.timestamp_micros());
    if attempt.run_until.is_none() && max_duration_seconds > 0 {
        let length = i64::from(max_duration_seconds) * 1_000_000;
        attempt.run_until = attempt.billable_from.map(|from| from + length);
    }
    before.from.is_none()
}
