//! API keys: how people and programs log in.

use axum::Json;
use contracts::identity::v1::{
    ApiKey as WireApiKey, CreateApiKeyRequest, ListApiKeysRequest, RevokeApiKeyRequest,
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Answer;
use super::caller::Caller;
use super::extract::{Id, IdempotencyKey, Params};
use super::failure::Failure;
use super::json_body::JsonBody;
use super::page::{List, Order, PageQuery, list};
use super::values::{Time, non_empty, present};

/// A key's record. The key itself is stored nowhere.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct ApiKey {
    id: String,
    name: String,
    /// Whose key it is.
    user_id: String,
    /// Permissions such as `notebook:write`; `*` is all of the user's.
    scopes: Vec<String>,
    dt_created: Time,
    /// When it stops to work; null is never.
    #[schema(required)]
    dt_expires: Option<Time>,
    /// When it was revoked; null when it was not.
    #[schema(required)]
    dt_revoked: Option<Time>,
}

impl TryFrom<WireApiKey> for ApiKey {
    type Error = Failure;

    fn try_from(key: WireApiKey) -> Result<Self, Failure> {
        Ok(Self {
            id: key.id,
            name: key.name,
            user_id: key.user_id,
            scopes: key.scopes,
            dt_created: Time::required("created_at", key.created_at)?,
            dt_expires: Time::optional("expires_at", key.expires_at)?,
            dt_revoked: Time::optional("revoked_at", key.revoked_at)?,
        })
    }
}

/// A key to be made.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct NewApiKey {
    /// 1 to 100 characters.
    name: String,
    /// Permissions such as `notebook:write`; all that the user may do when it is absent.
    #[serde(default)]
    scopes: Vec<String>,
    /// ISO 8601, or a day; never when it is absent.
    #[schema(format = DateTime)]
    dt_expires: Option<String>,
}

/// A key that was made.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct CreatedApiKey {
    api_key: ApiKey,
    /// The key itself; shown here only, and for an hour to the same request again.
    key: String,
    /// Why the key is absent; null when it is there.
    #[schema(required)]
    notice: Option<String>,
}

/// List API keys: the caller's own, or all of the team for an admin
#[utoipa::path(
    get, path = "/v1/api-keys", tag = "API keys",
    params(PageQuery), responses((status = 200, body = List<ApiKey>))
)]
pub(super) async fn list_api_keys(
    caller: Caller,
    Params(page): Params<PageQuery>,
) -> Answer<List<ApiKey>> {
    let page = page.read(["dtCreated"], Order::Descending)?;
    let answer = caller
        .identity()
        .list_api_keys(ListApiKeysRequest {
            page: Some(page.for_service()),
            oldest_first: page.order == Order::Ascending,
        })
        .await?
        .into_inner();
    let keys = answer
        .api_keys
        .into_iter()
        .map(ApiKey::try_from)
        .collect::<Result<_, _>>()?;
    Ok(Json(list(keys, answer.page.unwrap_or_default())))
}

/// Make an API key for the caller
#[utoipa::path(
    post, path = "/v1/api-keys", tag = "API keys",
    params(("Idempotency-Key" = Option<String>, Header, description = "The same key gives the same API key")),
    request_body = NewApiKey, responses((status = 200, body = CreatedApiKey))
)]
pub(super) async fn create_api_key(
    caller: Caller,
    key: IdempotencyKey,
    JsonBody(new): JsonBody<NewApiKey>,
) -> Answer<CreatedApiKey> {
    let expires_at = new
        .dt_expires
        .map(|text| Time::parse("dtExpires", &text))
        .transpose()?;
    let request = CreateApiKeyRequest {
        name: new.name,
        scopes: new.scopes,
        expires_at,
        team: String::new(),
        request_id: key.or(None)?,
    };
    let answer = caller
        .identity()
        .create_api_key(request)
        .await?
        .into_inner();
    Ok(Json(CreatedApiKey {
        api_key: present("api_key", answer.api_key)?.try_into()?,
        key: answer.key,
        notice: non_empty(answer.notice),
    }))
}

/// Revoke an API key
#[utoipa::path(
    delete, path = "/v1/api-keys/{id}", tag = "API keys",
    params(("id" = String, Path, description = "Identifier of the key, not the key itself")),
    responses((status = 200, body = ApiKey))
)]
pub(super) async fn revoke_api_key(caller: Caller, Id(id): Id) -> Answer<ApiKey> {
    let answer = caller
        .identity()
        .revoke_api_key(RevokeApiKeyRequest { id })
        .await?
        .into_inner();
    Ok(Json(present("api_key", answer.api_key)?.try_into()?))
}
