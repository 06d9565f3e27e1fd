//! What a team used, what runs now included.

use chassis::auth::User;
use chassis::{Error, Result};
use kernel::{Micros, Timestamp};

use super::{App, out_of_range};
use crate::domain::period::{Month, Window};
use crate::domain::price::{Part, Slice};
use crate::domain::usage::Metered;
use crate::store::{attempt, price};

/// Most attempts that one answer shows.
const MOST_ATTEMPTS: u64 = 10_000;

/// What a team used in a window.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Usage {
    /// In the order of their start.
    pub(crate) lines: Vec<UsageLine>,
    /// Sum of the lines.
    pub(crate) total: Micros,
}

/// What one attempt used at one version of a price.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct UsageLine {
    /// The attempt.
    pub(crate) metered: Metered,
    /// The price that it used.
    pub(crate) slice: Slice,
    /// What of it lies in the window.
    pub(crate) part: Part,
    /// The numbers of this line grow.
    pub(crate) running: bool,
}

impl App {
    /// What the caller's team used from `from` (or the start of this month) until `to` (or now), in the projects that they see.
    ///
    /// # Errors
    /// [`Error::Invalid`] when `from` is not before `to`, [`Error::Exhausted`] when it is too much to show.
    pub(crate) async fn usage(
        &self,
        user: &User,
        from: Option<Timestamp>,
        to: Option<Timestamp>,
    ) -> Result<Usage> {
        let now = self.clock.now();
        let window = checked_window(from, to, now)?;
        let attempts =
            attempt::first_in(self.database.reader(), user.team, window, MOST_ATTEMPTS + 1).await?;
        if attempts.len() as u64 > MOST_ATTEMPTS {
            let text = format!(
                "more than {MOST_ATTEMPTS} attempts ran in the time asked about; ask for a shorter time"
            );
            return Err(Error::Exhausted(text));
        }
        let prices = price::book(self.database.reader()).await?;
        let mut usage = Usage {
            lines: Vec::new(),
            total: Micros(0),
        };
        let seen = |metered: &Metered| user.sees(&metered.facts.project);
        for metered in attempts.into_iter().filter(seen) {
            let until = metered.shown_until(now);
            let slices = prices.slices(
                &metered.facts.machine_type,
                metered.facts.billable_from,
                until,
            );
            for slice in slices {
                let Some(part) = slice.part(window).map_err(out_of_range)? else {
                    continue;
                };
                let running = metered.facts.billable_until.is_none() && part.until == until;
                usage.total = usage.total.plus(part.amount).map_err(out_of_range)?;
                usage.lines.push(UsageLine {
                    metered: metered.clone(),
                    slice,
                    part,
                    running,
                });
            }
        }
        Ok(usage)
    }
}

fn checked_window(
    from: Option<Timestamp>,
    to: Option<Timestamp>,
    now: Timestamp,
) -> Result<Window> {
    let window = Window {
        from: from.unwrap_or_else(|| Month::containing(now).start()),
        to: to.unwrap_or(now),
    };
    // In the first instant of a month the default window is empty, which is nobody's mistake.
    let asked = from.is_some() || to.is_some();
    if asked && window.from >= window.to {
        let problem = format!(
            "is {}, which is not before `to`, {}",
            window.from.to_rfc3339(),
            window.to.to_rfc3339()
        );
        return Err(Error::invalid("from", problem));
    }
    Ok(window)
}

#[cfg(test)]
mod tests {
    use kernel::time::from_micros;

    use super::*;

    #[test]
    fn windows_default_to_this_month_and_are_checked() {
        let now = from_micros(1_700_000_000_000_000);
        let window = checked_window(None, None, now).unwrap();
        assert_eq!(
            (window.from.to_rfc3339().as_str(), window.to),
            ("2023-11-01T00:00:00+00:00", now)
        );
        assert!(checked_window(None, None, window.from).is_ok());
        for (from, to) in [
            (Some(now), Some(now)),
            (Some(now), None),
            (None, Some(from_micros(5))),
        ] {
            let error = checked_window(from, to, now).unwrap_err().to_string();
            assert!(
                error.starts_with("from: is ") && error.contains("not before `to`"),
                "{error}"
            );
        }
    }
}
