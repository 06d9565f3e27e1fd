//! Billing as others see it: a real server on both engines, real events, and a small stand-in for the scheduler.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that finds something else fails"
)]

mod access;
mod audit;
mod metering;
mod money;
mod replicas;
mod scheduler;
mod world;
