//! Where things lie: the data folder and the profile, by the XDG Base Directory specification.

use std::env;
use std::path::PathBuf;

use anyhow::{Context, Result};

/// The folder that `variable` names, else `fallback` below the home folder; `quire` inside it.
#[allow(
    clippy::disallowed_methods,
    reason = "the one place that reads the XDG variables"
)]
fn xdg(variable: &str, fallback: &str) -> Result<PathBuf> {
    let base = match env::var(variable)
        .ok()
        .filter(|value| value.starts_with('/'))
    {
        Some(folder) => PathBuf::from(folder),
        None => {
            let home = env::var("HOME")
                .context("HOME is not set: name the folder with --data-dir and --profile")?;
            PathBuf::from(home).join(fallback)
        }
    };
    Ok(base.join("quire"))
}

/// The data folder.
pub(crate) fn data_dir(named: Option<PathBuf>) -> Result<PathBuf> {
    match named {
        // Workloads and sockets need it absolute.
        Some(folder) => std::path::absolute(folder).context("reading --data-dir"),
        None => xdg("XDG_DATA_HOME", ".local/share"),
    }
}

/// The profile file.
pub(crate) fn profile(named: Option<PathBuf>) -> Result<PathBuf> {
    named.map_or_else(
        || Ok(xdg("XDG_CONFIG_HOME", ".config")?.join("profile.toml")),
        Ok,
    )
}
