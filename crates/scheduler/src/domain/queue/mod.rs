//! Queues: who comes first, who may have how much, who makes room. Pure and deterministic.
//!
//! `order` and `history` rank jobs. `tree`, `share` and `lately` say what each queue is due, `limit` and `firm` what it may not have, `gang`
//! places members together, `room` and `victims` choose who makes room, `promise` and `reserve` keep nodes for somebody (`aside`), and
//! `queues` decides with all of them. `book` is what operators wrote down and whose work goes where by it, `plan` what each queue is due
//! then, and who gains and loses by a change. `line` is the yardstick: one line, with backfill or without.

mod amount;
mod aside;
mod book;
mod firm;
mod gang;
mod history;
mod job;
mod lately;
mod limit;
mod line;
mod order;
mod plan;
mod promise;
mod queues;
mod reserve;
mod room;
mod share;
mod tree;
mod victims;
mod waiting;

pub(crate) use amount::Amount;
pub(crate) use book::{Book, Grown, Owner, Serves, Written};
pub(crate) use gang::Gang;
pub(crate) use history::History;
pub(crate) use job::{Job, Rules, Verdict};
pub(crate) use lately::{Lately, Span};
pub(crate) use line::Line;
pub(crate) use order::{Blind, Declared, Order, Seen};
pub(crate) use plan::{Change, Demand, Standing, compare, stand};
pub(crate) use queues::Queues;
pub(crate) use share::Usage;
pub(crate) use tree::{QueueSpec, Tree};
