//! `quire notebook share` and `quire notebook shared`.

use anyhow::Result;
use chrono::{TimeDelta, Utc};
use contracts::notebook::v1::{
    ListNotebookSharesRequest, ListSharedNotebooksRequest, NotebookShare,
    RevokeNotebookShareRequest, ShareAccess, ShareNotebookRequest, SharedNotebook,
};
use serde::Serialize;

use super::view::state_name;
use crate::api::{Api, request_id};
use crate::cli::{AccessArg, Output, ShareArgs};
use crate::print::{self, Row, out};

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct ShareRow {
    id: String,
    /// Absent = whoever has the link.
    email: Option<String>,
    access: &'static str,
    created_at: String,
    expires_at: Option<String>,
    /// Shown once.
    #[serde(skip_serializing_if = "Option::is_none")]
    link: Option<String>,
}

fn access_name(access: ShareAccess) -> &'static str {
    match access {
        ShareAccess::Use => "use",
        ShareAccess::View | ShareAccess::Unspecified => "view",
    }
}

impl From<NotebookShare> for ShareRow {
    fn from(share: NotebookShare) -> Self {
        Self {
            access: access_name(share.access()),
            created_at: print::time(share.created_at),
            expires_at: share.expires_at.map(|at| print::time(Some(at))),
            email: Some(share.email).filter(|email| !email.is_empty()),
            id: share.id,
            link: None,
        }
    }
}

impl Row for ShareRow {
    const COLUMNS: &'static [&'static str] = &["WITH", "ACCESS", "CREATED", "EXPIRES", "ID"];

    fn cells(&self) -> Vec<String> {
        let with = self.email.as_deref().unwrap_or("whoever has the link");
        vec![
            with.to_owned(),
            self.access.to_owned(),
            self.created_at.clone(),
            self.expires_at.clone().unwrap_or_default(),
            self.id.clone(),
        ]
    }
}

/// Shares a notebook, lists its shares, or takes one back.
pub(super) async fn share(api: &Api, output: Output, args: ShareArgs) -> Result<()> {
    if args.list {
        let request = ListNotebookSharesRequest { notebook: args.id };
        let answer = api
            .ask(api.notebook().list_notebook_shares(request))
            .await?;
        let rows: Vec<_> = answer.shares.into_iter().map(ShareRow::from).collect();
        return print::list(output, &rows, "it is shared with nobody");
    }
    if let Some(share) = args.revoke {
        let request = RevokeNotebookShareRequest {
            notebook: args.id,
            share,
        };
        let answer = api
            .ask(api.notebook().revoke_notebook_share(request))
            .await?;
        let row = ShareRow::from(answer.share.unwrap_or_default());
        print::one(output, &row)?;
        print::note("it opens nothing any more, and what was open by it is closed");
        return Ok(());
    }
    make(api, output, args).await
}

#[allow(
    clippy::disallowed_methods,
    reason = "a length of time counts from this program's own now"
)]
async fn make(api: &Api, output: Output, args: ShareArgs) -> Result<()> {
    let access = match args.access {
        AccessArg::View => ShareAccess::View,
        AccessArg::Use => ShareAccess::Use,
    };
    let expires_at = args
        .length
        .map(|seconds| contracts::to_wire_time(Utc::now() + TimeDelta::seconds(seconds.into())));
    let request = ShareNotebookRequest {
        notebook: args.id,
        access: access.into(),
        email: args.with.unwrap_or_default(),
        expires_at,
        request_id: request_id(),
    };
    let made = api.make(|| {
        let (mut notebook, request) = (api.notebook(), request.clone());
        async move { notebook.share_notebook(request).await }
    });
    let answer = made.await?;
    let mut row = ShareRow::from(answer.share.unwrap_or_default());
    row.link = Some(answer.link).filter(|link| !link.is_empty());
    print::one(output, &row)?;
    match &row.link {
        Some(link) if output == Output::Table => out!("{link}"),
        Some(_) => {}
        None if row.email.is_some() => {
            print::note("they find it by \"quire notebook shared\", with their own login");
        }
        None => print::note(
            "the link went with an answer that was lost; revoke this share and make another",
        ),
    }
    Ok(())
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct SharedRow {
    name: String,
    state: String,
    access: &'static str,
    expires_at: Option<String>,
    /// With the token that opens it.
    url: String,
    notebook_id: String,
}

impl From<SharedNotebook> for SharedRow {
    fn from(shared: SharedNotebook) -> Self {
        let share = shared.share.clone().unwrap_or_default();
        Self {
            state: state_name(shared.state()),
            access: access_name(share.access()),
            expires_at: share.expires_at.map(|at| print::time(Some(at))),
            url: format!("{}?token={}", shared.url, shared.token),
            name: shared.name,
            notebook_id: share.notebook_id,
        }
    }
}

impl Row for SharedRow {
    const COLUMNS: &'static [&'static str] = &["NAME", "STATE", "ACCESS", "EXPIRES", "URL"];

    fn cells(&self) -> Vec<String> {
        vec![
            self.name.clone(),
            self.state.clone(),
            self.access.to_owned(),
            self.expires_at.clone().unwrap_or_default(),
            self.url.clone(),
        ]
    }
}

/// Lists what others share with the caller.
pub(super) async fn shared(api: &Api, output: Output) -> Result<()> {
    let request = ListSharedNotebooksRequest {};
    let answer = api
        .ask(api.notebook().list_shared_notebooks(request))
        .await?;
    let rows: Vec<_> = answer.notebooks.into_iter().map(SharedRow::from).collect();
    print::list(output, &rows, "nobody shares a notebook with you")
}
