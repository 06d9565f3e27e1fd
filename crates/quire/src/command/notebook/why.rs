//! `quire why`.

use anyhow::{Context, Result};
use contracts::notebook::v1::ExplainNotebookRequest;
use contracts::to_wire_time;
use kernel::Clock as _;
use kernel::time::SystemClock;

use super::bill::Bills;
use super::stop::Stop;
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
    let stop = Stop::next(&notebook);
    if output == Output::Json {
        return print::json(&serde_json::json!({
            "id": notebook.id,
            "name": notebook.name,
            "state": state,
            "summary": answer.summary,
            "details": answer.details,
            "stopsAt": stop.as_ref().map(|stop| print::time(Some(to_wire_time(stop.at)))),
            "stopsBecause": stop.map(|stop| stop.because),
            "keptUntil": notebook.kept_until.map(|at| print::time(Some(at))),
        }));
    }
    let bill = Bills::of(api, std::slice::from_ref(&notebook)).await;
    let per_hour = bill.bill(&notebook).per_hour();
    let words = stop.and_then(|stop| stop.words(per_hour.as_deref(), SystemClock.now()));
    let mut details = answer.details;
    let summary = match words {
        Some(words) => {
            // What is said of the present, such as that it makes room for others, is not hidden by a later stop.
            if !notebook.reason.is_empty() && !details.contains(&notebook.reason) {
                details.insert(0, notebook.reason.clone());
            }
            words
        }
        None if answer.summary.is_empty() => "as wished".to_owned(),
        None => answer.summary,
    };
    out!("{} is {}: {summary}", notebook.name, state);
    for detail in details {
        out!("  {detail}");
    }
    Ok(())
}
