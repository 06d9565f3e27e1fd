//! Waiting for a notebook, with its progress in sight.

use std::time::Duration;

use anyhow::Result;
use contracts::notebook::v1::Notebook;
use indicatif::{ProgressBar, ProgressStyle};

use super::find::get;
use super::view::state_name;
use crate::api::Api;
use crate::print;
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
            progress.show(&seen);
            if done(&seen) {
                return Ok(seen);
            }
            tokio::time::sleep(Duration::from_millis(150)).await;
            seen = get(api, &seen.id).await?;
        }
    };
    wait::patiently(patience, arrived).await
}

/// Progress on one line of a terminal, or a line for each change elsewhere.
struct Progress {
    bar: ProgressBar,
    last: std::cell::RefCell<String>,
}

impl Progress {
    fn new() -> Self {
        let bar = if print::is_terminal() {
            ProgressBar::new_spinner()
        } else {
            ProgressBar::hidden()
        };
        if let Ok(style) = ProgressStyle::with_template("{spinner} {msg} ({elapsed})") {
            bar.set_style(style);
        }
        bar.enable_steady_tick(Duration::from_millis(100));
        Self {
            bar,
            last: std::cell::RefCell::default(),
        }
    }

    fn show(&self, notebook: &Notebook) {
        let state = state_name(notebook.state());
        let text = if notebook.reason.is_empty() {
            state
        } else {
            format!("{state}: {}", notebook.reason)
        };
        let new = *self.last.borrow() != text;
        if new && self.bar.is_hidden() {
            print::note(&text);
        }
        self.bar.set_message(text.clone());
        self.last.replace(text);
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}
