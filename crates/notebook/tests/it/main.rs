//! Notebooks as people see them, on each engine, with a real bus; identity, inventory, volume, scheduler and edge are played.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that finds something else fails"
)]

mod change;
mod choice;
mod create;
mod delete_project;
mod edge;
mod fill;
mod fork;
mod house;
mod idle;
mod keep;
mod life;
mod lost;
mod neighbours;
mod projects;
mod refusals;
mod restart;
mod room;
mod routes;
mod scheduler;
mod shares;
mod templates;
mod token;
