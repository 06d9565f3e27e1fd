//! Use cases of identity, one file a resource.

mod authority;
mod bootstrap;
mod change;
mod key;
mod member;
mod node_key;
mod project;
mod project_member;
mod request;
pub(crate) mod role;
mod signing;
mod ssh_key;
mod team;
mod user;

use std::sync::Arc;

use bus::Outbox;
use chassis::auth::Signer;
use chassis::authority::Authority;
use chassis::seal::Sealer;
use chassis::{Database, Error, Result};
use kernel::id::TeamId;
use kernel::{Clock, Timestamp};
use sea_orm::{ConnectionTrait, EntityTrait};

use crate::metrics::Metrics;
use crate::store::entity;

pub(crate) use authority::load_authority;
pub(crate) use bootstrap::bootstrap;
pub(crate) use key::NewKey;
pub(crate) use project_member::Granted;
pub(crate) use request::Secret;
pub(crate) use signing::load_signer;
pub(crate) use team::NewTeam;

/// The use cases, on one database.
#[derive(Clone, Debug)]
pub(crate) struct App {
    pub(crate) database: Database,
    pub(crate) outbox: Outbox,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) signer: Arc<Signer>,
    pub(crate) sealer: Arc<Sealer>,
    pub(crate) metrics: Metrics,
    /// Signs the certificates of nodes.
    pub(crate) authority: Arc<Authority>,
}

/// A time column.
fn time(micros: i64) -> Timestamp {
    kernel::time::from_micros(micros)
}

async fn team_by_id(connection: &impl ConnectionTrait, id: TeamId) -> Result<entity::team::Model> {
    entity::team::Entity::find_by_id(id.to_string())
        .one(connection)
        .await?
        .ok_or_else(|| Error::not_found("team", &id.to_string()))
}
