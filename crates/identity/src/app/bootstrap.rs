//! The first start: a team, its owner who is also the operator, a project and a key; and at each start the services' keys.

use std::collections::BTreeMap;
use std::sync::Arc;

use bus::Outbox;
use chassis::{Database, Result, lease};
use kernel::id::KeyId;
use kernel::{Clock, Timestamp};
use sea_orm::{ActiveValue::Set, ColumnTrait, EntityTrait, PaginatorTrait, QueryFilter};
use secrecy::{ExposeSecret, SecretString};

use super::key::NewKey;
use super::team::NewTeam;
use super::user::find_or_create;
use crate::domain::key::{self, Kind};
use crate::store::entity;

const FIRST_EMAIL: &str = "admin@quire.local";
const FIRST_TEAM: &str = "main";

/// Puts the services' keys in force, and makes the first team when there is none. Gives the first user's key, once: the one
/// that is given, or one that is made up.
pub(crate) async fn bootstrap(
    database: &Database,
    service_keys: &BTreeMap<String, SecretString>,
    given_key: Option<&SecretString>,
    clock: Arc<dyn Clock>,
) -> Result<Option<SecretString>> {
    let now = clock.now();
    let outbox = Outbox::new(clock);
    let transaction = database.begin().await?;
    lease::take_turn(&transaction, "bootstrap").await?;
    replace_service_keys(&transaction, service_keys, now).await?;
    let mut first_key = None;
    if entity::team::Entity::find().count(&transaction).await? == 0 {
        let user = find_or_create(&transaction, FIRST_EMAIL, "Administrator", true, now)
            .await?
            .user;
        let team = NewTeam {
            name: FIRST_TEAM.to_owned(),
            namespace: FIRST_TEAM.to_owned(),
        };
        let (team, change) = team.insert(&outbox, &transaction, &user, now).await?;
        let secret = match given_key {
            Some(secret) => secret.clone(),
            None => key::generate(Kind::User)?,
        };
        NewKey::first(vec!["*".to_owned()])
            .insert_given(&change, &user.id, &secret, now)
            .await?;
        first_key = Some(secret);
        tracing::info!(team = team.namespace, "made the first team");
    }
    transaction.commit().await?;
    Ok(first_key)
}

async fn replace_service_keys(
    transaction: &sea_orm::DatabaseTransaction,
    service_keys: &BTreeMap<String, SecretString>,
    now: Timestamp,
) -> Result<()> {
    entity::key::Entity::delete_many()
        .filter(entity::key::Column::Kind.eq(Kind::Service.prefix()))
        .exec(transaction)
        .await?;
    for (service, secret) in service_keys {
        let row = entity::key::ActiveModel {
            id: Set(KeyId::generate().into()),
            kind: Set(Kind::Service.prefix().to_owned()),
            hash: Set(key::hash(secret.expose_secret())),
            subject: Set(service.clone()),
            team_id: Set(None),
            name: Set(format!("service {service}")),
            scopes: Set(String::new()),
            created_at: Set(now.timestamp_micros()),
            expires_at: Set(None),
            revoked_at: Set(None),
        };
        entity::key::Entity::insert(row)
            .exec_without_returning(transaction)
            .await?;
    }
    Ok(())
}
