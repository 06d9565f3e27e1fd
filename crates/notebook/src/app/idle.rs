//! Idle notebooks: looked at, warned, stopped.

use chassis::Result;
use contracts::notebook::v1::{NotebookIdleWarned, NotebookState};
use futures::StreamExt as _;
use kernel::time::from_micros;
use kernel::{NanosPerHour, Timestamp};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter};

use super::policy::subject;
use super::wish::wish_stopped;
use super::{App, view};
use crate::domain::idle::{self, Known, Policy, Seen, Sign, Verdict};
use crate::domain::policy;
use crate::domain::state::Wanted;
use crate::store::entity::{Column, Entity, Model};

/// Stops that are nearer to each other are one: what is measured as a length of time ends a little later each time that it is asked.
const SAME_STOP_MICROS: i64 = 5_000_000;
/// Notebooks that are looked at at once.
const AT_ONCE: usize = 32;

impl App {
    /// Looks at every running notebook: warns those that rest, and stops those that were warned and still do.
    pub(crate) async fn look_for_idle(&self) -> Result<()> {
        let rows = Entity::find()
            .filter(Column::State.eq(i32::from(NotebookState::Running)))
            .filter(Column::Wanted.eq(view::wanted_number(Wanted::Running)))
            .filter(Column::Restart.eq(false))
            .filter(Column::DeletedAt.is_null())
            .all(self.database.reader())
            .await?;
        self.forget_uses(&rows);
        let policies = self.policies().await?;
        futures::stream::iter(rows)
            .for_each_concurrent(AT_ONCE, |row| {
                let policy = policy::effective(&policies, subject(&row));
                self.look_for_use(row, policy)
            })
            .await;
        Ok(())
    }

    /// Looks at one; what goes wrong with it holds up no other.
    async fn look_for_use(&self, row: Model, policy: Policy) {
        if let Err(error) = self.look_at_one(&row, policy).await {
            let error = chassis::error::chain(&error);
            tracing::warn!(notebook = row.id, error, "looking whether it is idle");
        }
    }

    async fn look_at_one(&self, row: &Model, policy: Policy) -> Result<()> {
        let known = known(row);
        // No need to ask while the start, the last visit or the keep-alive says enough.
        let visitors = [self.visitors(&row.id)];
        let now = self.clock.now();
        let mut verdict = idle::judge(&visitors, known, policy, now);
        if let Verdict::StopsAt { .. } = verdict {
            let signs = self.signs(row).await;
            verdict = idle::judge(&signs, known, policy, self.clock.now());
        }
        self.metrics.judged(&verdict);
        self.take_over(row, policy, &verdict).await
    }

    /// Takes a verdict over into the notebook that it is about: the start that was looked at, as it was looked at.
    async fn take_over(&self, seen: &Model, policy: Policy, verdict: &Verdict) -> Result<()> {
        let now = self.clock.now();
        let mut after = seen.clone();
        // Most looks change nothing: those take no lock.
        if !settle(&mut after, policy, verdict, now) {
            return Ok(());
        }
        if seen.stops_at.is_none() && after.stops_at.is_some() {
            after.stops_costs = self.costs(&seen.machine_type).await;
        }
        let change = |row: &mut Model| {
            if !is_as_seen(row, seen) || !settle(row, policy, verdict, now) {
                return Ok(false);
            }
            row.stops_costs.clone_from(&after.stops_costs);
            Ok(true)
        };
        self.update_saying(&seen.id, change, |before, notebook| {
            let warned = before.stops_at.is_none() && notebook.stops_at.is_some();
            warned.then_some(NotebookIdleWarned {
                notebook: Some(notebook),
            })
        })
        .await?;
        Ok(())
    }

    /// What an hour on this machine type costs, in words; empty while billing does not answer, which holds no warning up.
    async fn costs(&self, machine_type: &str) -> String {
        let prices = self.prices().await.unwrap_or_else(|error| {
            tracing::warn!(%error, "warning of a stop without saying what it costs until then");
            Vec::new()
        });
        let price = prices
            .into_iter()
            .find(|price| price.machine_type == machine_type);
        price.map_or_else(String::new, |price| {
            format!("{} {}", NanosPerHour(price.nanos_per_hour), price.currency)
        })
    }

    /// People and programs that come by the door, as edges tell of them. Nobody knows what was before this program listened: it
    /// counts as a visit.
    pub(super) fn visitors(&self, id: &str) -> Sign {
        let heard = self.uses.lock().ok().and_then(|uses| uses.get(id).copied());
        let last = heard.map_or(self.watching_since, |at| at.max(self.watching_since));
        Sign {
            name: "visitors".to_owned(),
            seen: Seen::Idle(last),
            detail: match heard {
                Some(at) => format!("last at {}", at.format("%H:%M:%S UTC")),
                None => format!("none since {}", last.format("%H:%M:%S UTC")),
            },
        }
    }

    /// Keeps the visits of what runs only, so that they do not grow for ever.
    fn forget_uses(&self, running: &[Model]) {
        if let Ok(mut uses) = self.uses.lock() {
            uses.retain(|id, _| running.iter().any(|row| row.id == *id));
        }
    }

    /// Notes when edges saw somebody use it.
    pub(crate) fn note_use(&self, id: &str, at: Timestamp) {
        if let Ok(mut uses) = self.uses.lock() {
            let latest = uses.entry(id.to_owned()).or_insert(at);
            *latest = (*latest).max(at);
        }
    }
}

/// Nothing has changed that the verdict relies on.
fn is_as_seen(row: &Model, seen: &Model) -> bool {
    let relied_on = |row: &Model| {
        (
            (row.start_number, row.wanted, row.restart, row.state),
            (row.idle_own, row.idle_timeout_seconds),
            (row.kept_until, row.stops_at),
        )
    };
    relied_on(row) == relied_on(seen)
}

/// Writes down what follows from a verdict; `false` when that is there already.
fn settle(row: &mut Model, policy: Policy, verdict: &Verdict, now: Timestamp) -> bool {
    let follows = follow(row, policy);
    let (at, because) = match verdict {
        Verdict::Active { .. } | Verdict::Rests => (None, ""),
        Verdict::StopsAt { at, .. } if *at <= now => {
            return wish_stopped(row, &idle::reason(policy.timeout_seconds));
        }
        Verdict::StopsAt { at, because } => (Some(at.timestamp_micros()), because.as_str()),
    };
    let told_so = match (row.stops_at, at) {
        (Some(told), Some(at)) => (at - told).abs() < SAME_STOP_MICROS,
        (told, at) => told == at,
    };
    if told_so {
        return follows;
    }
    match at {
        None => forget_warning(row),
        Some(at) => {
            row.stops_at = Some(at);
            because.clone_into(&mut row.stops_because);
        }
    }
    true
}

/// It will not be stopped for being idle, whatever its users were told.
pub(super) fn forget_warning(row: &mut Model) {
    row.stops_at = None;
    row.stops_because.clear();
    row.stops_costs.clear();
}

/// Takes over what the policies say by now; `false` when that is what the row says.
pub(super) fn follow(row: &mut Model, policy: Policy) -> bool {
    let new = (
        i64::from(policy.timeout_seconds),
        i64::from(policy.warn_seconds),
    );
    let same = new == (row.idle_timeout_seconds, row.idle_warn_seconds);
    (row.idle_timeout_seconds, row.idle_warn_seconds) = new;
    !same
}

fn known(row: &Model) -> Known {
    Known {
        started_at: from_micros(row.started_at.unwrap_or(row.modified_at)),
        kept_until: row.kept_until.map(from_micros),
        told: row.stops_at.map(from_micros),
    }
}
