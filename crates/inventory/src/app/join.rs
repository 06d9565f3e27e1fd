//! How nodes join.

use chassis::database::is_unique_violation;
use chassis::{Error, Result, grpc};
use chrono::TimeDelta;
use contracts::identity::v1::CreateNodeKeyRequest;
use kernel::id::NodeId;
use kernel::{Timestamp, text};
use sea_orm::DatabaseTransaction;
use secrecy::{ExposeSecret, SecretString};

use super::App;
use crate::domain::join::{self, Admission, Spent};
use crate::domain::node::{NewNode, Node};
use crate::store::token_requests::{self, Answered};
use crate::store::{join_tokens, nodes};

/// Longest identifiers of requests to join, and of requests for a token, in characters.
const LONGEST_REQUEST_ID: usize = 100;
const LONGEST_TOKEN_REQUEST_ID: usize = 200;
/// Tokens are forgotten so long after their end; by then nobody can ask again.
const FORGOTTEN_AFTER: TimeDelta = TimeDelta::days(1);

impl App {
    /// A new token that lets one node in, and when it ends; no token when the same request of `asker` was answered before.
    pub(crate) async fn create_join_token(
        &self,
        asker: &str,
        request_id: &str,
        ttl_seconds: u32,
    ) -> Result<(Option<SecretString>, Timestamp)> {
        if !request_id.is_empty() {
            text::name("request_id", request_id, LONGEST_TOKEN_REQUEST_ID)?;
        }
        let now = self.clock.now();
        let expires_at = now + join::lifetime(ttl_seconds)?;
        let token = join::generate()?;
        let transaction = self.database.begin().await?;
        join_tokens::forget(&transaction, now - FORGOTTEN_AFTER).await?;
        token_requests::forget(&transaction, now - FORGOTTEN_AFTER).await?;
        let asked = Answered {
            ttl_seconds: ttl_seconds.into(),
            expires_at,
        };
        if !request_id.is_empty()
            && let Some(before) =
                token_requests::insert_or_find(&transaction, asker, request_id, asked).await?
        {
            if before.ttl_seconds != asked.ttl_seconds {
                return Err(Error::Conflict(format!(
                    "request_id {request_id:?} was used before for a token of another life"
                )));
            }
            return Ok((None, before.expires_at));
        }
        join_tokens::insert(
            &transaction,
            &join::hash(token.expose_secret()),
            now,
            expires_at,
        )
        .await?;
        transaction.commit().await?;
        Ok((Some(token), expires_at))
    }

    /// Lets a node in, and gives its key. The node's row and the spent token are one transaction; the key comes after it from
    /// identity, and who does not get it asks again and gets a new one.
    pub(crate) async fn join_node(
        &self,
        token: &SecretString,
        request_id: &str,
        new: NewNode,
    ) -> Result<(NodeId, SecretString)> {
        text::name("request_id", request_id, LONGEST_REQUEST_ID)?;
        let node = self
            .admit(&join::hash(token.expose_secret()), request_id, new.check()?)
            .await?;
        let key = grpc::retry(|| {
            let mut identity = self.identity.clone();
            let request = CreateNodeKeyRequest {
                node_id: node.into(),
            };
            async move { Ok(identity.create_node_key(request).await?.into_inner().key) }
        })
        .await?;
        Ok((node, key.into()))
    }

    async fn admit(&self, token_hash: &str, request_id: &str, new: NewNode) -> Result<NodeId> {
        let now = self.clock.now();
        let transaction = self.database.begin().await?;
        let token = join_tokens::lock(&transaction, token_hash)
            .await?
            .ok_or_else(|| {
                Error::Unauthenticated("the join token is unknown; create a new one".to_owned())
            })?;
        let node = match token.admit(request_id, now)? {
            Admission::Again(id) => same_node(&transaction, id, &new).await?,
            Admission::New => {
                let node = new.join(now);
                insert(&transaction, &node).await?;
                let spent = Spent {
                    by: node.id,
                    request_id: request_id.to_owned(),
                    at: now,
                };
                join_tokens::spend(&transaction, token_hash, spent).await?;
                self.publish(&transaction, &node).await?;
                node.id
            }
        };
        transaction.commit().await?;
        self.outbox.nudge();
        Ok(node)
    }
}

/// The node that asks again must ask for the same.
async fn same_node(
    transaction: &DatabaseTransaction,
    id: NodeId,
    asked: &NewNode,
) -> Result<NodeId> {
    let node = nodes::lock(transaction, id).await?;
    if let Some(node) = &node {
        node.check_may_speak()?;
    }
    let same = node
        .is_some_and(|node| node.name == asked.name && node.cpu_overcommit == asked.cpu_overcommit);
    if same {
        return Ok(id);
    }
    Err(Error::Conflict(
        "the same request_id joined with another name or cpu_overcommit before; ask for the same, or take a new token"
            .to_owned(),
    ))
}

async fn insert(transaction: &DatabaseTransaction, node: &Node) -> Result<()> {
    nodes::insert(transaction, node).await.map_err(|error| {
        if is_unique_violation(&error) {
            let name = &node.name;
            return Error::Conflict(format!(
                "a node named {name:?} exists already; join with another name"
            ));
        }
        error.into()
    })
}
