//! Tests of the house as a whole.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests"
)]

mod access;
mod apart;
mod choice;
mod collector;
mod console;
mod crash;
mod deploy;
mod doctor;
mod domain;
mod events;
mod files;
mod fork;
mod host;
mod idle;
mod installation;
mod invariants;
mod jupyter;
mod life;
mod memory;
mod notebook;
mod output;
mod packages;
mod people;
mod policy;
mod ports;
mod queue;
mod reach;
mod remote_kernel;
mod replicas;
mod repository;
mod rest;
mod room;
mod sandbox;
mod share;
mod silence;
mod snapshots;
mod split;
mod ssh;
mod storm;
mod structure;
mod template;
mod trust;
mod warm;
mod wiring;
mod wrong;
