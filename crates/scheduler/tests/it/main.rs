//! The scheduler as its callers and agents see it, on each engine, with a real bus; inventory, volume and agents are played.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that finds something else fails"
)]

mod agent;
mod capacity;
mod crash;
mod departure;
mod drain;
mod faults;
mod house;
mod life;
mod link;
mod list;
mod neighbours;
mod preempt;
mod queue;
mod queues;
mod record;
mod replicas;
mod silence;
mod stop;
mod time;
mod volume;
