//! The one key of a node, and its end for ever.

use chassis::{Error, Result, lease};
use kernel::id::{KeyId, NodeId};
use sea_orm::sea_query::Expr;
use sea_orm::{
    ActiveValue::Set, ColumnTrait, ConnectionTrait, DatabaseTransaction, EntityTrait, QueryFilter,
};
use secrecy::{ExposeSecret, SecretString};

use super::App;
use crate::domain::key::{self, Kind};
use crate::store::entity;

impl App {
    /// A new key for a node; its older ones end.
    pub(crate) async fn create_node_key(&self, node: NodeId) -> Result<SecretString> {
        let secret = key::generate(Kind::Node)?;
        let now = self.clock.now().timestamp_micros();
        let transaction = self.database.begin().await?;
        lease::take_turn(&transaction, &format!("key of {node}")).await?;
        self.check_may_join(&transaction, &node.to_string()).await?;
        end_node_keys(&transaction, node, now).await?;
        let row = entity::key::ActiveModel {
            id: Set(KeyId::generate().into()),
            kind: Set(Kind::Node.prefix().to_owned()),
            hash: Set(key::hash(secret.expose_secret())),
            subject: Set(node.into()),
            team_id: Set(None),
            name: Set(format!("node {node}")),
            scopes: Set(String::new()),
            created_at: Set(now),
            expires_at: Set(None),
            revoked_at: Set(None),
        };
        entity::key::Entity::insert(row)
            .exec_without_returning(&transaction)
            .await?;
        transaction.commit().await?;
        Ok(secret)
    }

    /// Ends the keys of a node for ever.
    pub(crate) async fn revoke_node_key(&self, node: NodeId) -> Result<()> {
        let now = self.clock.now().timestamp_micros();
        let transaction = self.database.begin().await?;
        lease::take_turn(&transaction, &format!("key of {node}")).await?;
        end_node_keys(&transaction, node, now).await?;
        let row = entity::revoked_node::ActiveModel {
            id: Set(node.into()),
            revoked_at: Set(now),
        };
        entity::revoked_node::Entity::insert(row)
            .on_conflict_do_nothing_on([entity::revoked_node::Column::Id])
            .exec_without_returning(&transaction)
            .await?;
        transaction.commit().await?;
        Ok(())
    }

    /// Checks that a node was not given up and is on inventory's list.
    pub(super) async fn check_may_join(
        &self,
        connection: &impl ConnectionTrait,
        node: &str,
    ) -> Result<()> {
        let revoked = entity::revoked_node::Entity::find_by_id(node)
            .one(connection)
            .await?;
        if revoked.is_some() {
            return Err(Error::GivenUp {
                node: node.to_owned(),
            });
        }
        Ok(())
    }
}

async fn end_node_keys(transaction: &DatabaseTransaction, node: NodeId, now: i64) -> Result<()> {
    entity::key::Entity::update_many()
        .col_expr(entity::key::Column::RevokedAt, Expr::value(now))
        .filter(entity::key::Column::Kind.eq(Kind::Node.prefix()))
        .filter(entity::key::Column::Subject.eq(node.to_string()))
        .filter(entity::key::Column::RevokedAt.is_null())
        .exec(transaction)
        .await?;
    Ok(())
}
