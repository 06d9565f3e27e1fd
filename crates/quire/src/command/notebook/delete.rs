//! `quire notebook delete`.

use std::time::Duration;

use anyhow::Result;
use contracts::notebook::v1::{DeleteNotebookRequest, GetNotebookRequest};

use crate::api::Api;
use crate::cli::Output;
use crate::print::{self, out};
use crate::{failure, wait};

pub(super) async fn delete(api: &Api, output: Output, id: &str) -> Result<()> {
    let request = DeleteNotebookRequest {
        notebook: id.to_owned(),
    };
    let answer = api.ask(api.notebook().delete_notebook(request)).await?;
    let id = answer.id;
    let gone = |status: &tonic::Status| status.code() == tonic::Code::NotFound;
    wait::until(Duration::from_millis(200), || async {
        let request = GetNotebookRequest {
            notebook: id.clone(),
        };
        match api.notebook().get_notebook(request).await {
            Err(status) if gone(&status) => Ok(Some(())),
            Err(status) => Err(failure(&status, api.server())),
            Ok(_) => Ok(None),
        }
    })
    .await?;
    match output {
        Output::Json => print::json(&serde_json::json!({ "id": id, "deleted": true })),
        Output::Table => {
            out!("{id} and its files are deleted");
            Ok(())
        }
    }
}
