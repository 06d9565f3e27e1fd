//! Asking before something that cannot be undone.

use std::io::{IsTerminal as _, Write as _};

use anyhow::{Result, bail};

/// Asks on the terminal whether it is meant so; refuses where nobody is there to answer.
pub(super) fn confirm(question: &str) -> Result<()> {
    if !std::io::stdin().is_terminal() {
        bail!("{question}\n  nobody is there to confirm it; pass --yes");
    }
    eprint!("{question} [y/N] ");
    std::io::stderr().flush()?;
    let mut typed = String::new();
    std::io::stdin().read_line(&mut typed)?;
    if matches!(typed.trim().to_lowercase().as_str(), "y" | "yes") {
        return Ok(());
    }
    bail!("nothing was done")
}
