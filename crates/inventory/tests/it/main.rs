//! Inventory as its callers see it: two replicas on one database, on each engine, with a real bus.

mod catalogue;
mod heartbeat;
mod house;
mod join;
mod silence;
