//! `quire notebook extend`.

use anyhow::Result;
use chrono::Local;
use contracts::from_wire_time;
use contracts::notebook::v1::ExtendNotebookRequest;

use crate::api::Api;
use crate::cli::Output;
use crate::print::{self, out};

/// Keeps a notebook from being stopped for being idle, for so long from now.
pub(super) async fn extend(api: &Api, output: Output, id: String, seconds: u32) -> Result<()> {
    let request = ExtendNotebookRequest {
        notebook: id,
        seconds,
    };
    let extended = api.ask(api.notebook().extend_notebook(request)).await?;
    if output == Output::Json {
        return print::json(&serde_json::json!({
            "id": extended.id,
            "keptUntil": print::time(extended.kept_until),
            "note": extended.note,
        }));
    }
    let until = from_wire_time("kept_until", extended.kept_until.unwrap_or_default())?;
    let until = until.with_timezone(&Local).format("%Y-%m-%d %H:%M");
    out!("{} is kept until {until}", extended.id);
    if !extended.note.is_empty() {
        print::note(&extended.note);
    }
    Ok(())
}
