//! Dead letters: events that a service could not handle.

use bus::DeadLetter;
use chassis::{Error, Result};
use contracts::common::v1::PageInfo;

use super::App;

impl App {
    /// Letters behind the one with the number `after`, oldest first.
    pub(crate) async fn letters(
        &self,
        after: u64,
        limit: u64,
    ) -> Result<(Vec<DeadLetter>, PageInfo)> {
        let asked = usize::try_from(limit).unwrap_or(usize::MAX);
        let letters = bus::list_dead(&self.bus, after, asked.saturating_add(1)).await?;
        let place = |letter: &DeadLetter| letter.sequence.to_string();
        Ok(chassis::page::cut(letters, limit, place))
    }

    /// Sends one again to who could not handle it.
    pub(crate) async fn resend(&self, id: u64) -> Result<DeadLetter> {
        let sent = bus::send_again(&self.bus, id).await?;
        sent.ok_or_else(|| Error::not_found("dead letter", &id.to_string()))
    }

    /// How many there are.
    pub(crate) async fn count_letters(&self) -> Result<u64> {
        Ok(bus::count_dead(&self.bus).await?)
    }
}
