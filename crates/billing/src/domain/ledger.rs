//! The ledger's double entry: money only moves from one account to another, so every transaction sums to zero by construction.

use std::fmt;

use kernel::Micros;
use kernel::id::TeamId;
use kernel::money::OutOfRange;

/// Where money is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Account {
    /// What a team owes.
    Team(TeamId),
    /// What compute earned, negative.
    Revenue,
    /// What rounding invoices to the minor unit gave away (positive) or took (negative).
    Rounding,
}

impl fmt::Display for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Team(team) => write!(f, "team:{team}"),
            Self::Revenue => f.write_str("revenue:compute"),
            Self::Rounding => f.write_str("rounding"),
        }
    }
}

/// One side of a transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    /// The account.
    pub(crate) account: Account,
    /// What it gains; negative = what it loses.
    pub(crate) amount: Micros,
}

/// Both sides of a transaction that moves `amount` from `giver` to `taker`.
///
/// # Errors
/// [`OutOfRange`] when the negative amount does not fit.
pub(crate) fn transfer(
    giver: Account,
    taker: Account,
    amount: Micros,
) -> Result<[Entry; 2], OutOfRange> {
    let lost = Micros(0).minus(amount)?;
    Ok([
        Entry {
            account: taker,
            amount,
        },
        Entry {
            account: giver,
            amount: lost,
        },
    ])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn transfers_sum_to_zero() {
        let team = Account::Team(TeamId::generate());
        for amount in [0, 1, -1, i64::MAX, -i64::MAX] {
            let entries = transfer(Account::Revenue, team, Micros(amount)).unwrap();
            assert_eq!(entries.iter().map(|entry| entry.amount.0).sum::<i64>(), 0);
            assert_eq!(
                (entries[0].account, entries[0].amount),
                (team, Micros(amount))
            );
        }
        assert_eq!(
            transfer(Account::Revenue, team, Micros(i64::MIN)),
            Err(OutOfRange)
        );
        assert!(team.to_string().starts_with("team:te-"));
    }
}
