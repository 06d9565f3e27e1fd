//! `quire why`.

use anyhow::{Context, Result};
use contracts::notebook::v1::ExplainNotebookRequest;

use super::view::state_name;
use crate::api::Api;
use crate::cli::Output;
use crate::print;
use crate::print::out;

pub(crate) async fn why(api: &Api, output: Output, id: &str) -> Result<()> {
    let request = ExplainNotebookRequest {
        notebook: id.to_owned(),
    };
    let answer = api.ask(api.notebook().explain_notebook(request)).await?;
    let notebook = answer.notebook.context("the answer holds no notebook")?;
    let state = state_name(notebook.state());
    if output == Output::Json {
        return print::json(&serde_json::json!({
            "id": notebook.id,
            "name": notebook.name,
            "state": state,
            "summary": answer.summary,
            "details": answer.details,
        }));
    }
    let summary = if answer.summary.is_empty() {
        "as wished".to_owned()
    } else {
        answer.summary
    };
    out!("{} is {}: {summary}", notebook.name, state);
    for detail in answer.details {
        out!("  {detail}");
    }
    Ok(())
}
