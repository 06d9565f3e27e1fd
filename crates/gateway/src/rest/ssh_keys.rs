//! Public keys with which ssh lets people into notebooks.

use axum::Json;
use contracts::identity::v1::{
    CreateSshKeyRequest, DeleteSshKeyRequest, ListSshKeysRequest, SshKey as WireSshKey,
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Answer;
use super::caller::Caller;
use super::extract::{Id, IdempotencyKey, Params};
use super::failure::Failure;
use super::json_body::JsonBody;
use super::page::{List, Order, PageQuery, list};
use super::values::{Time, present};

/// A public key of a person.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct SshKey {
    id: String,
    name: String,
    /// Whose key it is.
    user_id: String,
    /// Kind and key as OpenSSH writes them, without a comment.
    public_key: String,
    /// SHA-256 as OpenSSH shows it.
    fingerprint: String,
    dt_created: Time,
}

impl TryFrom<WireSshKey> for SshKey {
    type Error = Failure;

    fn try_from(key: WireSshKey) -> Result<Self, Failure> {
        Ok(Self {
            id: key.id,
            name: key.name,
            user_id: key.user_id,
            public_key: key.public_key,
            fingerprint: key.fingerprint,
            dt_created: Time::required("created_at", key.created_at)?,
        })
    }
}

/// A public key to be registered.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct NewSshKey {
    /// 1 to 100 characters; the comment of the key when it is absent, else its fingerprint.
    #[serde(default)]
    name: String,
    /// One line of a file `*.pub`: Ed25519, ECDSA, or RSA of at least 2048 bits.
    public_key: String,
}

/// List public keys for ssh: the caller's own, or all of the team for an admin
#[utoipa::path(
    get, path = "/v1/ssh-keys", tag = "SSH keys",
    params(PageQuery), responses((status = 200, body = List<SshKey>))
)]
pub(super) async fn list_ssh_keys(
    caller: Caller,
    Params(page): Params<PageQuery>,
) -> Answer<List<SshKey>> {
    let page = page.read(["dtCreated"], Order::Descending)?;
    let answer = caller
        .identity()
        .list_ssh_keys(ListSshKeysRequest {
            page: Some(page.for_service()),
            oldest_first: page.order == Order::Ascending,
        })
        .await?
        .into_inner();
    let keys = answer
        .ssh_keys
        .into_iter()
        .map(SshKey::try_from)
        .collect::<Result<_, _>>()?;
    Ok(Json(list(keys, answer.page.unwrap_or_default())))
}

/// Register a public key of the caller for ssh
#[utoipa::path(
    post, path = "/v1/ssh-keys", tag = "SSH keys",
    params(("Idempotency-Key" = Option<String>, Header, description = "The same key gives the same SSH key")),
    request_body = NewSshKey, responses((status = 200, body = SshKey))
)]
pub(super) async fn create_ssh_key(
    caller: Caller,
    key: IdempotencyKey,
    JsonBody(new): JsonBody<NewSshKey>,
) -> Answer<SshKey> {
    let request = CreateSshKeyRequest {
        name: new.name,
        public_key: new.public_key,
        request_id: key.or(None)?,
    };
    let answer = caller
        .identity()
        .create_ssh_key(request)
        .await?
        .into_inner();
    Ok(Json(present("ssh_key", answer.ssh_key)?.try_into()?))
}

/// Forget a public key for ssh
#[utoipa::path(
    delete, path = "/v1/ssh-keys/{id}", tag = "SSH keys",
    params(("id" = String, Path, description = "Identifier, name or fingerprint of the key")),
    responses((status = 200, body = SshKey))
)]
pub(super) async fn delete_ssh_key(caller: Caller, Id(id): Id) -> Answer<SshKey> {
    let answer = caller
        .identity()
        .delete_ssh_key(DeleteSshKeyRequest { id })
        .await?
        .into_inner();
    Ok(Json(present("ssh_key", answer.ssh_key)?.try_into()?))
}
