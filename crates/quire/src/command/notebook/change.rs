//! `quire notebook update` and `quire notebook token`.

use anyhow::{Context, Result};
use contracts::notebook::v1::{RotateNotebookTokenRequest, UpdateNotebookRequest};

use super::find::get;
use super::shown;
use crate::api::Api;
use crate::cli::{Output, UpdateArgs};
use crate::print::{self, out};

pub(super) async fn update(api: &Api, output: Output, args: UpdateArgs) -> Result<()> {
    let request = UpdateNotebookRequest {
        notebook: args.id,
        name: args.name,
        machine_type: args.machine_type,
        idle_timeout_seconds: args.idle_timeout.map(|minutes| minutes * 60),
        preemptible: args.preemptible,
        priority: args.priority,
    };
    let answer = api.ask(api.notebook().update_notebook(request)).await?;
    if !answer.note.is_empty() {
        print::note(&answer.note);
    }
    let notebook = answer.notebook.context("the answer holds no notebook")?;
    shown(api, output, notebook).await
}

/// Prints the token that opens a notebook, after `rotate` another one.
pub(super) async fn token(api: &Api, output: Output, id: &str, rotate: bool) -> Result<()> {
    let notebook = if rotate {
        let request = RotateNotebookTokenRequest {
            notebook: id.to_owned(),
        };
        let answer = api
            .ask(api.notebook().rotate_notebook_token(request))
            .await?;
        answer.notebook.context("the answer holds no notebook")?
    } else {
        get(api, id).await?
    };
    if output == Output::Json {
        return print::json(&serde_json::json!({
            "id": notebook.id,
            "name": notebook.name,
            "token": notebook.token,
            "url": notebook.url,
            "rotated": rotate,
        }));
    }
    if rotate {
        print::note("the old token opens nothing any more, and what was open with it is closed");
    }
    out!("{}", notebook.token);
    Ok(())
}
