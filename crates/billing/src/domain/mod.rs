//! The rules of money: what is billed, at which price, in which entries. No I/O, no clock, no table or wire types.

pub(crate) mod audit;
pub(crate) mod chain;
pub(crate) mod invoice;
pub(crate) mod ledger;
pub(crate) mod period;
pub(crate) mod price;
pub(crate) mod rating;
pub(crate) mod usage;
