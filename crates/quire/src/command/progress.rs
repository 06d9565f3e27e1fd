//! How something that is waited for comes along.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

use crate::print;

/// Progress on one line of a terminal, or a line for each change elsewhere.
pub(super) struct Progress {
    bar: ProgressBar,
    last: std::cell::RefCell<String>,
}

impl Progress {
    pub(super) fn new() -> Self {
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

    /// Says `text`, once.
    pub(super) fn say(&self, text: &str) {
        let new = *self.last.borrow() != text;
        if new && self.bar.is_hidden() {
            print::note(text);
        }
        self.bar.set_message(text.to_owned());
        self.last.replace(text.to_owned());
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}
