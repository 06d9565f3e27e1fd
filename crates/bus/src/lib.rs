//! Events between services, on NATS JetStream: a change and its event are one transaction (outbox), a consumer and its effect
//! are one transaction (inbox), and what cannot be handled is parked where people see it (dead letters).
//!
//! Events are `CloudEvents` 1.0 in binary mode. An event is a fact and a wake-up; correctness never depends on its arrival.

mod connection;
mod consumer;
mod dead;
mod envelope;
mod foundation;
mod inbox;
mod outbox;
mod permissions;
mod relay;
mod retry;
mod routes;
mod subject;

pub use connection::{Bus, BusError};
pub use consumer::{Consumer, Handler};
pub use dead::{DeadLetter, count_dead, list_dead, send_again};
pub use envelope::{Delivery, Envelope};
pub use foundation::Foundation;
pub use inbox::first_time;
pub use outbox::Outbox;
pub use permissions::{Password, Permissions, authorization, permissions, users};
pub use relay::run_relay;
pub use routes::{Route, RouteEntry, RouteIdle, RouteShare, Routes, Target};
pub use subject::{
    AREAS, consumer_name, dead_letters, edge_activity_subject, event_subject, stream_name,
    stream_subjects,
};

/// Tables of the bus, which every service's migrations hold after the chassis' own.
pub fn foundation() -> Box<dyn sea_orm_migration::MigrationTrait> {
    Box::new(chassis::database::SqlMigration {
        name: "bus_0001_outbox_inbox",
        sql: include_str!("migrations/0001_outbox_inbox.sql"),
    })
}

/// Where the outbox notes what can never be published. Every service's migrations hold it behind [`foundation`].
pub fn refusals() -> Box<dyn sea_orm_migration::MigrationTrait> {
    Box::new(chassis::database::SqlMigration {
        name: "bus_0002_refused",
        sql: include_str!("migrations/0002_refused.sql"),
    })
}
