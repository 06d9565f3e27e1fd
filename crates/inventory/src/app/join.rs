//! How nodes join.

use chassis::authority::Description;
use chassis::database::is_unique_violation;
use chassis::{Error, Result, grpc};
use chrono::TimeDelta;
use contracts::identity::v1::{
    CreateNodeKeyRequest, GetAuthorityRequest, IssueNodeCertificateRequest,
    IssueNodeCertificateResponse,
};
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

/// What a node gets that is let in.
pub(crate) struct Joined {
    pub(crate) node: NodeId,
    pub(crate) key: SecretString,
    /// `None` when it did not ask for one.
    pub(crate) certificate: Option<IssueNodeCertificateResponse>,
}

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
        let authority = self.authority().await?.fingerprint;
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
        Ok((Some(join::with_fingerprint(&token, authority)), expires_at))
    }

    async fn authority(&self) -> Result<Description> {
        let answer = grpc::retry(|| {
            let mut identity = self.identity.clone();
            async move { Ok(identity.get_authority(GetAuthorityRequest {}).await?) }
        });
        Description::of_pem("authority", &answer.await?.into_inner().certificate)
    }

    /// Lets a node in, and gives its key and certificate. The node's row and the spent token are one transaction; key and
    /// certificate come after it from identity, and who does not get them asks again and gets new ones.
    pub(crate) async fn join_node(
        &self,
        token: &SecretString,
        request_id: &str,
        new: NewNode,
        certificate_request: &str,
    ) -> Result<Joined> {
        text::name("request_id", request_id, LONGEST_REQUEST_ID)?;
        let node = self
            .admit(&join::hash(token.expose_secret()), request_id, new.check()?)
            .await?;
        // A request that is refused must not have ended the key that an earlier answer gave.
        let certificate = match certificate_request {
            "" => None,
            request => Some(self.issue_certificate(node, request).await?),
        };
        let key = grpc::retry(|| {
            let mut identity = self.identity.clone();
            let request = CreateNodeKeyRequest {
                node_id: node.into(),
            };
            async move { Ok(identity.create_node_key(request).await?.into_inner().key) }
        })
        .await?;
        Ok(Joined {
            node,
            key: key.into(),
            certificate,
        })
    }

    /// A new certificate for a node that is still one of ours.
    pub(crate) async fn renew_certificate(
        &self,
        node: NodeId,
        request: &str,
    ) -> Result<IssueNodeCertificateResponse> {
        if !nodes::exists(self.database.reader(), node).await? {
            return Err(Error::not_found("node", &node.to_string()));
        }
        self.issue_certificate(node, request).await
    }

    async fn issue_certificate(
        &self,
        node: NodeId,
        request: &str,
    ) -> Result<IssueNodeCertificateResponse> {
        let issued = grpc::retry(|| {
            let mut identity = self.identity.clone();
            let request = IssueNodeCertificateRequest {
                node_id: node.into(),
                certificate_request: request.to_owned(),
            };
            async move { Ok(identity.issue_node_certificate(request).await?) }
        });
        Ok(issued.await?.into_inner())
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
