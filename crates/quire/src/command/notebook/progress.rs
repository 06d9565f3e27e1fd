//! Waiting for a notebook, with its progress in sight.

use std::time::Duration;

use anyhow::Result;
use contracts::notebook::v1::Notebook;

use super::find::get;
use super::view::state_name;
use crate::api::Api;
use crate::command::progress::Progress;
use crate::wait::{self, Patience};

/// Shows how a notebook comes along until `done`, as long as there is patience.
pub(super) async fn wait_for(
    api: &Api,
    notebook: Notebook,
    patience: Patience<'_>,
    done: impl Fn(&Notebook) -> bool,
) -> Result<Notebook> {
    let progress = Progress::new();
    let mut seen = notebook;
    let arrived = async {
        loop {
            progress.say(&standing(&seen));
            if done(&seen) {
                return Ok(seen);
            }
            tokio::time::sleep(Duration::from_millis(150)).await;
            seen = get(api, &seen.id).await?;
        }
    };
    wait::patiently(patience, arrived).await
}

/// Where it stands, and why.
fn standing(notebook: &Notebook) -> String {
    let state = state_name(notebook.state());
    if notebook.reason.is_empty() {
        state
    } else {
        format!("{state}: {}", notebook.reason)
    }
}
