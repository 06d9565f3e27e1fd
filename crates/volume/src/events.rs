//! Events of others: an attempt that has ended gives its volume back.

use bus::{Delivery, Handler};
use chassis::{Error, Result};
use contracts::scheduler::v1::AttemptEnded;

use crate::app::App;
use crate::wire;

#[tonic::async_trait]
impl Handler for App {
    async fn handle(&self, delivery: &Delivery) -> Result<bool> {
        let Some(event) = delivery.decode::<AttemptEnded>()? else {
            return Ok(false);
        };
        let attempt = event
            .attempt
            .ok_or_else(|| Error::invalid("attempt", "is missing from the event"))?;
        if let Some(ended) = wire::read_ended(&attempt)? {
            self.release_at_event(delivery, ended).await?;
        }
        Ok(true)
    }
}
