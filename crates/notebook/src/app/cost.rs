//! What a notebook will cost: said before it is made, and with the answer that it is.

use chassis::{Error, Result};
use contracts::common::v1::Money;
use contracts::inventory::v1::MachineType;
use contracts::notebook::v1::NotebookPlan;
use kernel::NanosPerHour;

use super::launch::shorter;
use super::{App, unsigned_32};
use crate::store::entity::Model;

impl App {
    /// What a notebook like this row on this machine is and costs, at the prices that are in force.
    pub(super) async fn plan(&self, row: &Model, machine: &MachineType) -> Result<NotebookPlan> {
        let prices = self.prices().await?;
        let price = prices
            .iter()
            .find(|price| price.machine_type == machine.name);
        let rate = NanosPerHour(price.map_or(0, |price| price.nanos_per_hour));
        // All prices are in one currency, that of what has no price, too.
        let currency = prices.first().map_or("", |price| price.currency.as_str());
        let asked = unsigned_32(row.shutdown_timeout_seconds);
        let seconds = shorter(machine.max_duration_seconds, asked);
        Ok(NotebookPlan {
            name: row.name.clone(),
            project_id: row.project_id.clone(),
            machine_type: machine.name.clone(),
            resources: machine.resources.clone(),
            environment: row.environment.clone(),
            nanos_per_hour: rate.0,
            currency: currency.to_owned(),
            max_duration_seconds: seconds,
            most: most(rate, seconds)?.map(|amount| Money::new(amount, currency)),
            idle_timeout_seconds: unsigned_32(row.idle_timeout_seconds),
            unpriced: price.is_none(),
        })
    }
}

/// The most that one start can cost: nothing where there is nothing to pay, and no limit where neither time nor price has one.
fn most(rate: NanosPerHour, seconds: u32) -> Result<Option<kernel::Micros>> {
    if seconds == 0 && rate.0 > 0 {
        return Ok(None);
    }
    let milliseconds = u64::from(seconds) * 1_000;
    rate.charge(milliseconds)
        .map(Some)
        .map_err(|error| Error::internal("computing what a notebook can cost", error))
}

#[cfg(test)]
mod tests {
    use kernel::Micros;

    use super::*;

    #[test]
    fn the_most_is_the_price_for_the_whole_time() {
        let rate: NanosPerHour = "0.51".parse().unwrap();
        assert_eq!(most(rate, 2 * 3_600).unwrap(), Some(Micros(1_020_000)));
        assert_eq!(most(rate, 0).unwrap(), None, "no limit");
        assert_eq!(most(NanosPerHour(0), 0).unwrap(), Some(Micros(0)));
        assert!(most(NanosPerHour(i64::MAX), u32::MAX).is_err());
    }
}
