//! Billing as others see it: a real server on both engines, real events, and small stand-ins for identity and the scheduler.

mod access;
mod audit;
mod identity;
mod metering;
mod money;
mod replicas;
mod scheduler;
mod world;

/// Runs each test of a module once on SQLite and once on PostgreSQL.
macro_rules! on_both_engines {
    ($($name:ident),* $(,)?) => {
        mod sqlite {
            $(#[tokio::test] async fn $name() {
                Box::pin(super::$name(crate::world::World::start(crate::world::Engine::Sqlite).await)).await;
            })*
        }
        mod postgres {
            $(#[tokio::test] async fn $name() {
                Box::pin(super::$name(crate::world::World::start(crate::world::Engine::Postgres).await)).await;
            })*
        }
    };
}
pub(crate) use on_both_engines;
