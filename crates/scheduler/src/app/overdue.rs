//! Attempts that outstay: at their end of time they are stopped, in a passing state they are reported.

use std::collections::BTreeMap;

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
                let state = label(state);
                tracing::warn!(
                    attempt = attempt.id,
                    state,
                    seconds,
                    reason = attempt.reason,
                    "stuck"
                );
                self.metrics
                    .overdue
                    .add(1, &[KeyValue::new("state", state)]);
            }
        }
        self.metrics.open_attempts.set(by_state);
        Ok(())
    }
}

fn label(state: State) -> String {
    format!("{state:?}").to_lowercase()
}
