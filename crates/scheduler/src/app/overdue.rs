//! Attempts that outstay: at their end of time they are stopped, in a passing state they are reported.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

use chassis::Result;
use contracts::scheduler::v1::AttemptState;
use opentelemetry::KeyValue;
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter};

use super::{App, view};
use crate::domain::lifecycle::{self, State};
use crate::store::entity;

impl App {
    /// Stops what has run as long as it may, and reports what is stuck.
    pub(crate) async fn mind_the_time(&self) -> Result<()> {
        self.leadership.held()?;
        let now = self.clock.now().timestamp_micros();
        let open = entity::attempt::Entity::find()
            .filter(entity::attempt::Column::State.ne(i32::from(AttemptState::Ended)))
            .all(self.database.reader())
            .await?;
        let mut by_state = BTreeMap::<String, u64>::new();
        let mut stuck = Vec::new();
        for attempt in open {
            let state = view::state(attempt.state);
            *by_state.entry(label(state)).or_default() += 1;
            if state < State::Stopping && attempt.run_until.is_some_and(|until| until <= now) {
                self.stop(&attempt.workload_id, "reached its maximum duration")
                    .await?;
            }
            let seconds = (now - attempt.state_since) / 1_000_000;
            let expected = lifecycle::expected_seconds(state);
            if expected.is_some_and(|expected| seconds > i64::from(expected)) {
                stuck.push((state, attempt));
            }
        }
        self.metrics.open_attempts.set(by_state);
        let seen = stuck
            .iter()
            .map(|(state, attempt)| (attempt.id.clone(), *state));
        let news = self.told.news(seen.collect());
        for (state, attempt) in stuck {
            if news.contains(&(attempt.id.clone(), state)) {
                self.report(state, &attempt, now);
            }
        }
        Ok(())
    }

    fn report(&self, state: State, attempt: &entity::attempt::Model, now: i64) {
        let state = label(state);
        tracing::warn!(
            attempt = attempt.id,
            state,
            seconds = (now - attempt.state_since) / 1_000_000,
            reason = attempt.reason,
            "stuck"
        );
        self.metrics
            .overdue
            .add(1, &[KeyValue::new("state", state)]);
    }
}

/// What was reported as stuck, and still is: each attempt is reported once in each state.
#[derive(Clone, Debug, Default)]
pub(crate) struct Told(Arc<Mutex<BTreeSet<Stuck>>>);

/// An attempt and the state in which it stays too long.
type Stuck = (String, State);

impl Told {
    /// Takes note of all that is stuck now, and gives what was not at the last time.
    fn news(&self, stuck: BTreeSet<Stuck>) -> BTreeSet<Stuck> {
        let mut told = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let news = stuck.difference(&told).cloned().collect();
        *told = stuck;
        news
    }
}

fn label(state: State) -> String {
    format!("{state:?}").to_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_is_news_once_in_each_state() {
        let told = Told::default();
        let look = |stuck: &[(&str, State)]| {
            let stuck = stuck.iter().map(|(id, state)| ((*id).to_owned(), *state));
            told.news(stuck.collect()).len()
        };
        assert_eq!(look(&[("at-1", State::Placed)]), 1);
        assert_eq!(look(&[("at-1", State::Placed)]), 0);
        assert_eq!(look(&[("at-1", State::Placed), ("at-2", State::Placed)]), 1);
        assert_eq!(look(&[("at-1", State::Starting)]), 1, "in another state");
        assert_eq!(look(&[]), 0);
        assert_eq!(look(&[("at-1", State::Starting)]), 1, "once more later");
    }
}
