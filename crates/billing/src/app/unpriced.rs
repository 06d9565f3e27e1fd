//! Machine types without a price. What runs on them costs nothing, which an operator must hear of, and once is enough.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

use crate::domain::price::PriceBook;

/// The types that this process has told of.
#[derive(Clone, Debug, Default)]
pub(crate) struct Unpriced(Arc<Mutex<BTreeSet<String>>>);

impl Unpriced {
    /// Warns when `book` has no price for `machine_type`, the first time; whether it did.
    pub(super) fn note(&self, book: &PriceBook, machine_type: &str) -> bool {
        let mut told = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let news = book.newest_of(machine_type).is_none() && told.insert(machine_type.to_owned());
        if news {
            tracing::warn!(
                machine_type,
                "no price is set for this machine type: what runs on it costs nothing; set one with \"quire price set TYPE AMOUNT\""
            );
        }
        news
    }
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;
    use kernel::NanosPerHour;

    use super::*;
    use crate::domain::price::PriceVersion;

    #[test]
    fn each_type_without_a_price_is_told_of_once() {
        let free = PriceVersion {
            version: 1,
            rate: NanosPerHour(0),
            valid_from: DateTime::UNIX_EPOCH,
        };
        let book = PriceBook::from_iter([("Free-CPU".to_owned(), free)]);
        let unpriced = Unpriced::default();
        let told = ["H200", "Free-CPU", "H200", "H200x2"].map(|name| unpriced.note(&book, name));
        assert_eq!(told, [true, false, false, true]);
    }
}
