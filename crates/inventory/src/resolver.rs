//! Resolves what a team asks for into a lock, by `uv` in a process and a folder of its own. Only wheels are taken, and they are not
//! even fetched whole: nothing that a package brings is run here.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use chassis::{Error, Result};
use tokio::io::AsyncReadExt as _;
use tokio::process::Command;

use crate::domain::environment::Environment;
use crate::domain::lock;
use crate::domain::requirements::Wanted;

/// Python of those who ask for none: the oldest that nodes have, as in `scripts/lock-environments`.
const OLDEST_PYTHON: &str = "3.11";
/// What nodes are.
const PLATFORM: &str = "x86_64-manylinux_2_28";
/// How much of what it writes is read, in bytes.
const MOST_OUTPUT: u64 = 64 << 10;
/// Variables that would lead it astray.
const UNWANTED: [&str; 4] = ["CONDA_PREFIX", "PYTHONHOME", "UV_PYTHON", "VIRTUAL_ENV"];

/// What came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Resolved {
    /// Exact versions and the hashes of their files.
    Lock(String),
    /// They cannot be had together; in the resolver's words.
    Unresolvable(String),
}

/// The program that resolves.
#[derive(Clone, Debug)]
pub(crate) struct Resolver {
    pub(crate) uv: String,
    /// Longest time that it may take.
    pub(crate) limit: Duration,
}

impl Resolver {
    /// Resolves `wanted` on top of `base`, whose versions stay as far as they can.
    ///
    /// # Errors
    /// When the program cannot be run, or its files cannot be written.
    pub(crate) async fn resolve(&self, base: &Environment, wanted: &Wanted) -> Result<Resolved> {
        let folder = tempfile::tempdir().map_err(failed)?;
        let requirements = format!(
            "{}\n{}\n",
            base.requirements,
            wanted.requirements.join("\n")
        );
        let file = folder.path().join("lock.txt");
        // Versions that the output has already are preferred: most packages are then on the nodes.
        tokio::fs::write(&file, base.lock).await.map_err(failed)?;
        let input = folder.path().join("requirements.in");
        tokio::fs::write(&input, requirements)
            .await
            .map_err(failed)?;
        let python = match wanted.python_version.as_str() {
            "" => OLDEST_PYTHON,
            version => version,
        };
        match self.run(folder.path(), python).await? {
            Ok(()) => {
                let text = tokio::fs::read_to_string(&file).await.map_err(failed)?;
                Ok(Resolved::Lock(lock::with_python(
                    &text,
                    &wanted.python_version,
                )))
            }
            Err(output) => Ok(Resolved::Unresolvable(lock::reason(&output))),
        }
    }

    /// Runs it to its end; what it wrote where it refused.
    async fn run(&self, folder: &Path, python: &str) -> Result<Result<(), String>> {
        let mut command = Command::new(&self.uv);
        command
            .args(["pip", "compile", "--quiet", "--no-progress"])
            .args(["--no-python-downloads", "--python-version", python])
            .args(["--python-platform", PLATFORM])
            .args(["--only-binary", ":all:", "--generate-hashes"])
            .args(["--no-header", "--no-annotate"])
            .args(["--no-emit-index-url", "--no-emit-find-links"])
            .args(["--output-file", "lock.txt", "requirements.in"])
            .current_dir(folder)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        let ours = |name: &str| name.starts_with("QUIRE_") || UNWANTED.contains(&name);
        for (name, _) in std::env::vars_os() {
            if name.to_str().is_some_and(ours) {
                command.env_remove(name);
            }
        }
        let mut child = match command.spawn() {
            Ok(child) => child,
            Err(cause) => {
                let problem = format!("error: {} cannot be run by inventory: {cause}", self.uv);
                return Ok(Err(problem));
            }
        };
        let stderr = child.stderr.take();
        let finished = tokio::time::timeout(self.limit, async {
            let mut output = Vec::new();
            if let Some(mut stderr) = stderr {
                (&mut stderr)
                    .take(MOST_OUTPUT)
                    .read_to_end(&mut output)
                    .await?;
                // A program whose output nobody reads would never end.
                tokio::io::copy(&mut stderr, &mut tokio::io::sink()).await?;
            }
            Ok::<_, std::io::Error>((child.wait().await?, output))
        });
        let Ok(finished) = finished.await else {
            return Ok(Err(format!("error: took longer than {:?}", self.limit)));
        };
        let (status, output) = finished.map_err(failed)?;
        if status.success() {
            return Ok(Ok(()));
        }
        Ok(Err(String::from_utf8_lossy(&output).into_owned()))
    }
}

fn failed(cause: std::io::Error) -> Error {
    Error::internal("resolving packages", cause)
}
