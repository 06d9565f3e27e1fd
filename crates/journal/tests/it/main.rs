//! Journal as its callers see it: on each engine, with a real bus that holds everybody to their permissions.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that finds something else fails"
)]

mod house;
mod letters;
mod list;
mod retention;
mod tail;
