//! What an agent stands on: its folders, which no other agent uses, its own program, and the protections that the machine has.

use std::fs::File;
use std::path::PathBuf;

use chassis::{Error, Result};

use crate::config::AgentConfig;
use crate::isolation::{self, Isolation};
use crate::{attempt, blocking, files, runtime};

/// Longest path of a folder that sockets are made in: a socket's path has at most 107 bytes, 40 of them below this folder.
const MAX_RUN_DIR: usize = 64;

/// Makes the folders that are not there yet.
///
/// # Errors
/// [`Error::Invalid`] for a path that is too long; those of the file system.
pub(crate) fn make_folders(config: &AgentConfig) -> Result<()> {
    if config.run_dir.as_os_str().len() > MAX_RUN_DIR {
        let problem = format!(
            "{:?} is longer than {MAX_RUN_DIR} bytes, too long for the sockets below it",
            config.run_dir
        );
        return Err(Error::invalid("run_dir", problem));
    }
    let data = &config.data_dir;
    let folders = [
        data.clone(),
        config.run_dir.clone(),
        attempt::attempts(data),
        attempt::homes(data),
        attempt::waiting(data),
        runtime::process::volumes(data),
    ];
    folders
        .iter()
        .try_for_each(|folder| files::passable_folder(folder))
        .map_err(|error| Error::internal("making the agent's folders", error))
}

/// Two agents with the same folders would run everything twice.
pub(crate) fn sole_agent(config: &AgentConfig) -> Result<File> {
    let path = config.data_dir.join("lock");
    let lock = File::create(&path)
        .map_err(|error| Error::internal("locking the agent's folders", error))?;
    match lock.try_lock() {
        Ok(()) => Ok(lock),
        Err(_) => Err(Error::Precondition(format!(
            "another agent uses {}",
            config.data_dir.display()
        ))),
    }
}

/// The program with the hidden subcommands.
///
/// # Errors
/// When this process cannot find its own.
pub(crate) fn program(config: &AgentConfig) -> Result<PathBuf> {
    let found = config
        .program
        .clone()
        .map_or_else(std::env::current_exe, Ok);
    found.map_err(|error| Error::internal("finding the agent's own program", error))
}

/// What protects workloads on this machine.
///
/// # Errors
/// [`Error::Precondition`] when protections are missing that must be there.
pub(crate) async fn probe(config: &AgentConfig, program: PathBuf) -> Result<Isolation> {
    let probed = config.clone();
    let isolation = blocking(move || isolation::probe(&probed, &program)).await?;
    for lack in isolation.missing.iter().chain(&isolation.impaired) {
        tracing::warn!(
            lack,
            "this machine cannot give workloads all that they should have"
        );
    }
    if config.require_full_isolation && !isolation.missing.is_empty() {
        let missing = isolation.missing.join("; ");
        return Err(Error::Precondition(format!(
            "full isolation is required, and this machine lacks: {missing}"
        )));
    }
    Ok(isolation)
}
