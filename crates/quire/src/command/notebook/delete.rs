//! `quire notebook delete`.

use std::time::Duration;

use anyhow::Result;
use contracts::notebook::v1::{DeleteNotebookRequest, GetNotebookRequest, Notebook};

use super::find::get;
use super::view::state_name;
use crate::api::Api;
use crate::cli::Output;
use crate::command::confirm::confirm;
use crate::print::{self, out};
use crate::wait::Patience;
use crate::{failure, wait};

/// A deletion has to stop what runs first.
const GONE_WITHIN: Duration = Duration::from_secs(120);

pub(super) async fn delete(
    api: &Api,
    output: Output,
    wanted: &str,
    yes: bool,
    keep_volume: bool,
) -> Result<()> {
    let notebook = get(api, wanted).await?;
    if !yes {
        confirm(&question(&notebook, keep_volume))?;
    }
    let name = &notebook.name;
    let request = DeleteNotebookRequest {
        // The one that was asked about, whatever has this name by now.
        notebook: notebook.id.clone(),
        keep_volume,
    };
    let answer = api.ask(api.notebook().delete_notebook(request)).await?;
    let patience = Patience {
        limit: GONE_WITHIN,
        goes_on: &format!("{name} goes on being deleted"),
        look: &format!("quire why {name}"),
    };
    wait::patiently(patience, until_gone(api, &answer.id)).await?;
    let volume = Some(answer.volume_id).filter(|volume| keep_volume && !volume.is_empty());
    match (output, volume) {
        (Output::Json, volume) => print::json(
            &serde_json::json!({ "id": answer.id, "deleted": true, "keptVolumeId": volume }),
        ),
        (Output::Table, Some(volume)) => {
            out!("{name} is deleted; its files stay as volume {volume}");
            print::note(&format!(
                "\"quire notebook create --volume {volume}\" makes a notebook with them, \"quire volume delete {volume}\" removes them"
            ));
            Ok(())
        }
        (Output::Table, None) => {
            out!("{name} and its files are deleted");
            Ok(())
        }
    }
}

fn question(notebook: &Notebook, keep_volume: bool) -> String {
    let (name, state) = (&notebook.name, state_name(notebook.state()));
    match (notebook.volume_id.as_str(), keep_volume) {
        ("", _) => format!("Delete notebook {name} ({state})? It has no files yet."),
        (volume, true) => {
            format!("Delete notebook {name} ({state})? Its files stay as volume {volume}.")
        }
        (volume, false) => format!(
            "Delete notebook {name} ({state}) with its files (volume {volume}, size not known)? They cannot be had back; \
             --keep-volume keeps them."
        ),
    }
}

async fn until_gone(api: &Api, id: &str) -> Result<()> {
    let gone = |status: &tonic::Status| status.code() == tonic::Code::NotFound;
    wait::until(Duration::from_millis(200), || async {
        let request = GetNotebookRequest {
            notebook: id.to_owned(),
        };
        match api.notebook().get_notebook(request).await {
            Err(status) if gone(&status) => Ok(Some(())),
            Err(status) => Err(failure(&status, api.server())),
            Ok(_) => Ok(None),
        }
    })
    .await
}
