//! Queues: who comes first, who may have how much, who makes room. Pure and deterministic.

mod history;
mod order;

pub(crate) use history::History;
pub(crate) use order::{Blind, Declared, Order, Seen};
