//! The price book.

use chassis::{Error, Result};
use chrono::DateTime;
use contracts::billing::v1::PriceChanged;
use kernel::NanosPerHour;

use super::App;
use crate::domain::price::{MAX_RATE, PriceVersion, successor};
use crate::store::{attempt, books, price};

/// Most characters of a machine type's name.
const LONGEST_NAME: usize = 64;
/// What a fresh installation starts with.
const FIRST_PRICES: &str = include_str!("../../data/prices.csv");

/// A machine type and its price.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PricedType {
    /// Machine type.
    pub(crate) machine_type: String,
    /// The newest version of its price.
    pub(crate) price: PriceVersion,
}

impl App {
    /// Opens the books: on the first start with the prices that come with the program, in force from the beginning of time, so that
    /// nothing that ran before billing did goes unpriced. Books that are there stay as they are.
    ///
    /// # Errors
    /// [`Error::Invalid`] when the books are kept in another currency.
    pub(crate) async fn open_books(&self) -> Result<()> {
        let transaction = self.database.begin().await?;
        books::create(&transaction, &self.currency).await?;
        let pen = books::take_pen(&transaction).await?;
        if pen.currency != self.currency {
            let problem = format!(
                "is {:?}, but the books are kept in {}",
                self.currency, pen.currency
            );
            return Err(Error::invalid("currency", problem));
        }
        if price::book(&transaction).await?.newest().next().is_none() {
            price::add(&transaction, first_prices()?).await?;
        }
        transaction.commit().await?;
        Ok(())
    }

    /// The prices in force, by machine type.
    pub(crate) async fn list_prices(&self) -> Result<Vec<PricedType>> {
        let book = price::book(self.database.reader()).await?;
        Ok(book
            .newest()
            .map(|(machine_type, price)| PricedType {
                machine_type: machine_type.to_owned(),
                price: *price,
            })
            .collect())
    }

    /// A new version of the price of `machine_type`, in force from now on. The rate that is in force already makes none. What has a
    /// price is meant however its letters are written: "c3" beside "C3" would be the price of nothing.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a name or a rate that is not allowed.
    pub(crate) async fn set_price(
        &self,
        machine_type: &str,
        nanos_per_hour: i64,
    ) -> Result<PricedType> {
        let machine_type = kernel::text::name("machine_type", machine_type, LONGEST_NAME)?;
        let rate = checked_rate(nanos_per_hour)?;
        let (transaction, _pen) = self.write().await?;
        let book = price::book(&transaction).await?;
        let machine_type = book
            .spelling(&machine_type)
            .map_or(machine_type.clone(), str::to_owned);
        let last = book.newest_of(&machine_type);
        let Some(next) = successor(last, rate, self.clock.now()) else {
            let price = last
                .copied()
                .ok_or_else(|| Error::internal("setting a price", "no version is in force"))?;
            return Ok(PricedType {
                machine_type,
                price,
            });
        };
        let priced = PricedType {
            machine_type,
            price: next,
        };
        price::add(&transaction, [(priced.machine_type.clone(), next)]).await?;
        // Clocks differ: time behind this instant may be posted at the old price already.
        attempt::post_again(&transaction, &priced.machine_type, next.valid_from).await?;
        let event = PriceChanged {
            price: Some(crate::grpc::wire_price(&priced, &self.currency)),
        };
        self.outbox
            .append(&transaction, &event, &priced.machine_type, None)
            .await?;
        transaction.commit().await?;
        self.outbox.nudge();
        Ok(priced)
    }
}

fn checked_rate(nanos_per_hour: i64) -> Result<NanosPerHour> {
    let rate = NanosPerHour(nanos_per_hour);
    if (NanosPerHour(0)..=MAX_RATE).contains(&rate) {
        return Ok(rate);
    }
    let problem = format!(
        "is {nanos_per_hour} ({rate} an hour); 0 to {} ({MAX_RATE} an hour) are allowed",
        MAX_RATE.0
    );
    Err(Error::invalid("nanos_per_hour", problem))
}

fn first_prices() -> Result<Vec<(String, PriceVersion)>> {
    let failed = |line: &str| {
        Error::internal(
            "reading the first prices",
            format!("{line:?} is not a machine type and a price"),
        )
    };
    let lines = FIRST_PRICES
        .lines()
        .filter(|line| !line.starts_with('#'))
        .skip(1);
    lines
        .map(|line| {
            let (machine_type, rate) = line.split_once(',').ok_or_else(|| failed(line))?;
            let rate = rate.parse().map_err(|_| failed(line))?;
            Ok((
                machine_type.to_owned(),
                PriceVersion {
                    version: 1,
                    rate,
                    valid_from: DateTime::UNIX_EPOCH,
                },
            ))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn several_gpus_cost_that_many_times_the_one_and_free_types_nothing() {
        let listed = first_prices().unwrap();
        let prices: BTreeMap<&str, i64> = listed
            .iter()
            .map(|(name, price)| (name.as_str(), price.rate.0))
            .collect();
        assert_eq!(prices.len(), listed.len(), "a machine type is listed twice");
        assert_eq!(
            (prices["C1"], prices["C2"], prices["C10"]),
            (4_500_000, 9_000_000, 1_600_000_000)
        );
        let mut multiples = 0;
        for (name, price) in &prices {
            assert_eq!(name.starts_with("Free-"), *price == 0, "{name}");
            if let Some((single, count)) = name
                .rsplit_once('x')
                .filter(|(single, _)| prices.contains_key(single))
            {
                assert_eq!(
                    *price,
                    prices[single] * count.parse::<i64>().unwrap(),
                    "{name}"
                );
                multiples += 1;
            }
        }
        assert_eq!(multiples, 24);
    }

    #[test]
    fn refused_rates_are_named_with_what_is_allowed() {
        for wrong in [-1, i64::MIN, MAX_RATE.0 + 1] {
            let error = checked_rate(wrong).unwrap_err().to_string();
            assert!(
                error.starts_with(&format!("nanos_per_hour: is {wrong} "))
                    && error.contains("1000000.00 an hour"),
                "{error}"
            );
        }
        assert_eq!(checked_rate(MAX_RATE.0).unwrap(), MAX_RATE);
    }
}
