//! Notebooks opened to others than the members of their project.

use axum::Json;
use axum::extract::Path;
use contracts::notebook::v1::{
    ListNotebookSharesRequest, ListSharedNotebooksRequest, NotebookShare as WireShare,
    RevokeNotebookShareRequest, ShareAccess, ShareNotebookRequest, SharedNotebook as WireShared,
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Answer;
use super::caller::Caller;
use super::extract::{Id, IdempotencyKey, Params};
use super::failure::Failure;
use super::json_body::JsonBody;
use super::page::{List, Order, PageQuery};
use super::values::{Time, non_empty, present};

/// What a share allows: `view` to read files, and notebooks as pages, while it runs; `use` everything that its own token opens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) enum ShareRight {
    View,
    Use,
}

impl From<ShareRight> for ShareAccess {
    fn from(right: ShareRight) -> Self {
        match right {
            ShareRight::View => Self::View,
            ShareRight::Use => Self::Use,
        }
    }
}

/// A notebook opened to somebody.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Share {
    id: String,
    notebook_id: String,
    access: ShareRight,
    /// The person's address; null for whoever has the link.
    #[schema(required)]
    email: Option<String>,
    /// Identifier of who shared it.
    created_by: String,
    dt_created: Time,
    /// When it ends by itself; null is never.
    #[schema(required)]
    dt_expires: Option<Time>,
}

impl TryFrom<WireShare> for Share {
    type Error = Failure;

    fn try_from(share: WireShare) -> Result<Self, Failure> {
        Ok(Self {
            access: match share.access() {
                ShareAccess::Use => ShareRight::Use,
                ShareAccess::View | ShareAccess::Unspecified => ShareRight::View,
            },
            id: share.id,
            notebook_id: share.notebook_id,
            email: non_empty(share.email),
            created_by: share.created_by,
            dt_created: Time::required("created_at", share.created_at)?,
            dt_expires: Time::optional("expires_at", share.expires_at)?,
        })
    }
}

/// A share to be made.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct NewShare {
    access: ShareRight,
    /// Address of a person of any team; whoever has the link when it is absent.
    #[serde(default)]
    email: String,
    /// ISO 8601, or a day; never when it is absent.
    #[schema(format = DateTime)]
    dt_expires: Option<String>,
}

/// A share that was made or changed.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct CreatedShare {
    share: Share,
    /// The link, shown here only; null for a person, who finds the notebook among those shared with them, and for the same request
    /// again.
    #[schema(required)]
    link: Option<String>,
}

/// A notebook that somebody shares with the caller.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct SharedNotebook {
    share: Share,
    name: String,
    /// Its address, without a token.
    url: String,
    /// What opens it there, as far as the share allows.
    token: String,
}

impl TryFrom<WireShared> for SharedNotebook {
    type Error = Failure;

    fn try_from(shared: WireShared) -> Result<Self, Failure> {
        Ok(Self {
            share: present("share", shared.share)?.try_into()?,
            name: shared.name,
            url: shared.url,
            token: shared.token,
        })
    }
}

/// Share a notebook: with a person, or by a link
#[utoipa::path(
    post, path = "/v1/notebooks/{id}/shares", tag = "Notebooks",
    params(
        ("id" = String, Path, description = "Identifier, name, or unique beginning of either"),
        ("Idempotency-Key" = Option<String>, Header, description = "The same key makes no second link")
    ),
    request_body = NewShare, responses((status = 200, body = CreatedShare))
)]
pub(super) async fn share_notebook(
    caller: Caller,
    Id(notebook): Id,
    key: IdempotencyKey,
    JsonBody(new): JsonBody<NewShare>,
) -> Answer<CreatedShare> {
    let expires_at = new
        .dt_expires
        .map(|text| Time::parse("dtExpires", &text))
        .transpose()?;
    let request = ShareNotebookRequest {
        notebook,
        access: ShareAccess::from(new.access).into(),
        email: new.email,
        expires_at,
        request_id: key.or(None)?,
    };
    let answer = caller
        .notebook()
        .share_notebook(request)
        .await?
        .into_inner();
    Ok(Json(CreatedShare {
        share: present("share", answer.share)?.try_into()?,
        link: non_empty(answer.link),
    }))
}

/// List to whom a notebook is opened
#[utoipa::path(
    get, path = "/v1/notebooks/{id}/shares", tag = "Notebooks",
    params(("id" = String, Path, description = "Identifier, name, or unique beginning of either"), PageQuery),
    responses((status = 200, body = List<Share>))
)]
pub(super) async fn list_notebook_shares(
    caller: Caller,
    Id(notebook): Id,
    Params(page): Params<PageQuery>,
) -> Answer<List<Share>> {
    let page = page.read(["dtCreated"], Order::Ascending)?;
    let request = ListNotebookSharesRequest { notebook };
    let answer = caller.notebook().list_notebook_shares(request).await?;
    let shares = answer.into_inner().shares.into_iter();
    let shares = shares.map(Share::try_from).collect::<Result<Vec<_>, _>>()?;
    Ok(Json(
        page.cut(shares, |share| share.dt_created.key(&share.id)),
    ))
}

/// Take a share of a notebook back; what it has opened is closed
#[utoipa::path(
    delete, path = "/v1/notebooks/{id}/shares/{share}", tag = "Notebooks",
    params(
        ("id" = String, Path, description = "Identifier, name, or unique beginning of either"),
        ("share" = String, Path, description = "Identifier of the share, or the person's address")
    ),
    responses((status = 200, body = Share))
)]
pub(super) async fn revoke_notebook_share(
    caller: Caller,
    Path((notebook, share)): Path<(String, String)>,
) -> Answer<Share> {
    let request = RevokeNotebookShareRequest { notebook, share };
    let answer = caller.notebook().revoke_notebook_share(request).await?;
    let share = present("share", answer.into_inner().share)?;
    Ok(Json(share.try_into()?))
}

/// List notebooks that somebody shares with the caller
#[utoipa::path(
    get, path = "/v1/shared-notebooks", tag = "Notebooks",
    params(PageQuery), responses((status = 200, body = List<SharedNotebook>))
)]
pub(super) async fn list_shared_notebooks(
    caller: Caller,
    Params(page): Params<PageQuery>,
) -> Answer<List<SharedNotebook>> {
    let page = page.read(["dtCreated"], Order::Ascending)?;
    let answer = caller
        .notebook()
        .list_shared_notebooks(ListSharedNotebooksRequest {})
        .await?
        .into_inner();
    let shared = answer
        .notebooks
        .into_iter()
        .map(SharedNotebook::try_from)
        .collect::<Result<Vec<_>, _>>()?;
    Ok(Json(page.cut(shared, |one| {
        one.share.dt_created.key(&one.share.id)
    })))
}
