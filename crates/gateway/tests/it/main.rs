//! The gateway against small real gRPC servers that play the services behind it.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that finds something else fails"
)]

mod billing;
mod client;
mod console;
mod house;
mod identity;
mod inventory;
mod journal;
mod keys;
mod limits;
mod link;
mod notebook;
mod openapi;
mod passage;
mod queues;
mod rest;
mod rest_idle;
mod rest_own;
mod rest_people;
mod rest_wrong;
mod scheduler;
mod secure;
mod stop;
mod volume;
