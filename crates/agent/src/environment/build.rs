//! Builds one environment.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::Command;
use tokio::sync::watch;

use super::{COMPLETE, Environment, find, output};
use crate::files;

/// Pause between looks at a lock that another process holds.
const LOCK_PAUSE: Duration = Duration::from_millis(100);
/// How much of the builder's output is kept.
const MAX_OUTPUT: usize = 64 << 10;
/// Variables that would lead the builder astray; the last one would leave programs without byte code.
const UNWANTED: &[&str] = &[
    "CONDA_PREFIX",
    "PIP_TARGET",
    "PYTHONHOME",
    "PYTHONPATH",
    "UV_PROJECT_ENVIRONMENT",
    "UV_PYTHON",
    "VIRTUAL_ENV",
    "PYTHONDONTWRITEBYTECODE",
];

/// One build.
#[derive(Debug)]
pub(super) struct Build {
    pub(super) folder: PathBuf,
    pub(super) cache: PathBuf,
    /// Where Pythons are kept that the node did not have.
    pub(super) pythons: PathBuf,
    pub(super) uv: String,
    pub(super) python: String,
    pub(super) lock: String,
    pub(super) said: Arc<watch::Sender<String>>,
}

impl Build {
    /// Builds, unless another process has done so when its turn comes.
    pub(super) async fn run(self) -> Result<Environment, String> {
        let turn = self.take_turn().await?;
        if let Some(environment) = find(&self.folder) {
            return Ok(environment);
        }
        let failed = |error: std::io::Error| format!("{}: {error}", self.folder.display());
        remove(self.folder.clone()).await.map_err(failed)?;
        let requirements = self.folder.with_extension("txt");
        files::write(&requirements, self.lock.as_bytes()).map_err(failed)?;
        self.say("resolving");
        self.make_folder(&turn).await?;
        self.install(&turn, &requirements).await?;
        let size = size_mib(self.folder.clone()).await;
        self.say(&format!("environment is built, {size} MiB"));
        files::write(&self.folder.join(COMPLETE), size.to_string().as_bytes()).map_err(failed)?;
        find(&self.folder)
            .ok_or_else(|| "the environment is not there after it was built".to_owned())
    }

    fn say(&self, text: &str) {
        self.said.send_replace(format!("environment: {text}"));
    }

    /// Waits until no other process builds this environment.
    async fn take_turn(&self) -> Result<File, String> {
        let path = self.folder.with_extension("lock");
        let failed = |error: std::io::Error| format!("{}: {error}", path.display());
        files::passable_folder(path.parent().unwrap_or(Path::new("/"))).map_err(failed)?;
        let lock = File::create(&path).map_err(failed)?;
        while lock.try_lock().is_err() {
            self.say("waiting for another agent to build it");
            tokio::time::sleep(LOCK_PAUSE).await;
        }
        Ok(lock)
    }

    async fn make_folder(&self, turn: &File) -> Result<(), String> {
        let python = python_of(&self.lock).unwrap_or(&self.python);
        let mut args = vec!["venv", "--quiet", "--no-project", "--python", python];
        // Notebooks install packages by pip, which an environment need not list.
        if !self.lists("pip") {
            args.push("--seed");
        }
        let folder = self.folder.display().to_string();
        args.push(&folder);
        self.uv(turn, &args).await
    }

    async fn install(&self, turn: &File, requirements: &Path) -> Result<(), String> {
        let python = self.folder.join("bin/python").display().to_string();
        let requirements = requirements.display().to_string();
        let mut args = vec![
            "pip",
            "install",
            "--no-progress",
            "--compile-bytecode",
            "--python",
            &python,
        ];
        if self.lock.contains("--hash=") {
            args.push("--require-hashes");
        }
        args.extend(["-r", &requirements]);
        self.uv(turn, &args).await
    }

    fn lists(&self, package: &str) -> bool {
        let names = self
            .lock
            .lines()
            .map(|line| line.split(['=', '<', '>', '~', '!', ' ', ';', '[']).next());
        names.flatten().any(|name| name.trim() == package)
    }

    async fn uv(&self, turn: &File, args: &[&str]) -> Result<(), String> {
        let failed = |error: std::io::Error| format!("{} cannot be run: {error}", self.uv);
        let mut command = Command::new("sh");
        // Workloads run as other users and must be able to read what is made here.
        command
            .args(["-c", "umask 022 && exec \"$@\"", "sh", &self.uv])
            .args(args);
        for name in UNWANTED {
            command.env_remove(name);
        }
        // Pythons that are fetched are for workloads, too.
        if std::env::var_os("UV_PYTHON_INSTALL_DIR").is_none() {
            command.env("UV_PYTHON_INSTALL_DIR", &self.pythons);
        }
        // Who has named a cache of his own wants that one used.
        if std::env::var_os("UV_CACHE_DIR").is_none() {
            command.env("UV_CACHE_DIR", &self.cache);
        }
        let mut child = command
            // The builder holds the lock too: should the agent die, the next one waits for it.
            .stdin(Stdio::from(turn.try_clone().map_err(failed)?))
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .map_err(failed)?;
        let mut written = String::new();
        if let Some(stderr) = child.stderr.take() {
            let mut lines = BufReader::new(stderr).lines();
            while let Ok(Some(line)) = lines.next_line().await {
                if let Some(text) = output::progress(&line) {
                    self.say(&text);
                }
                if written.len() + line.len() < MAX_OUTPUT {
                    written.push_str(&line);
                    written.push('\n');
                }
            }
        }
        let status = child.wait().await.map_err(failed)?;
        if status.success() {
            return Ok(());
        }
        Err(format!(
            "the environment cannot be built ({} {status}): {}",
            self.uv,
            output::reason(&written)
        ))
    }
}

/// The version of Python that a lock names in its first line; `None` = the node's own.
fn python_of(lock: &str) -> Option<&str> {
    let version = lock.lines().next()?.strip_prefix("# python: ")?;
    let plain = version
        .bytes()
        .all(|byte| byte.is_ascii_digit() || byte == b'.');
    (plain && !version.is_empty()).then_some(version)
}

async fn remove(folder: PathBuf) -> std::io::Result<()> {
    tokio::task::spawn_blocking(move || files::remove_folder(&folder)).await?
}

async fn size_mib(folder: PathBuf) -> u64 {
    tokio::task::spawn_blocking(move || size(&folder) >> 20)
        .await
        .unwrap_or(0)
}

/// Bytes of all files in a folder.
fn size(folder: &Path) -> u64 {
    let mut total = 0;
    let mut waiting = vec![folder.to_owned()];
    while let Some(folder) = waiting.pop() {
        for entry in fs::read_dir(&folder).into_iter().flatten().flatten() {
            match entry.metadata() {
                Ok(data) if data.is_dir() => waiting.push(entry.path()),
                Ok(data) => total += data.len(),
                Err(_) => {}
            }
        }
    }
    total
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_may_name_its_python() {
        assert_eq!(python_of("# python: 3.12\nsix==1.17.0\n"), Some("3.12"));
        for lock in [
            "six==1.17.0\n",
            "",
            "# python: \n",
            "# python: ../x\n",
            "six\n# python: 3.12\n",
        ] {
            assert_eq!(python_of(lock), None, "{lock}");
        }
    }
}
