//! The scheduler's events: each is a fact for the meter and a wake-up for its loop.

use bus::{Delivery, Handler};
use chassis::{Error, Result};
use contracts::scheduler::v1::{Attempt, AttemptEnded, AttemptStarted};

use crate::app::App;

/// Handles the events of the area "scheduler".
pub(crate) struct FromScheduler(pub(crate) App);

#[async_trait::async_trait]
impl Handler for FromScheduler {
    async fn handle(&self, delivery: &Delivery) -> Result<bool> {
        let Some(attempt) = attempt_of(delivery)? else {
            return Ok(false);
        };
        let attempt =
            attempt.ok_or_else(|| Error::invalid("attempt", "is missing from the event"))?;
        self.0.receive(delivery, attempt).await?;
        self.0.nudges.meter.notify_one();
        Ok(true)
    }
}

/// The attempt that an event of a known type carries.
fn attempt_of(delivery: &Delivery) -> Result<Option<Option<Attempt>>> {
    if let Some(started) = delivery.decode::<AttemptStarted>()? {
        return Ok(Some(started.attempt));
    }
    Ok(delivery
        .decode::<AttemptEnded>()?
        .map(|ended| ended.attempt))
}
