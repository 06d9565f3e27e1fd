//! One finished sandbox that waits: how it is made, told its message, and ended.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, IoSlice};
use std::mem::MaybeUninit;
use std::os::fd::AsFd as _;
use std::os::unix::fs::{MetadataExt as _, chown};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use contracts::agent::v1::Assignment;
use contracts::common::v1::Resources;
use contracts::scheduler::v1::WorkloadSpec;
use kernel::id::SandboxId;
use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, sendmsg};
use serde::Deserialize;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio_util::sync::CancellationToken;

use super::script::PROGRAM;
use super::{MEMORY_MIB, STARTER};
use crate::attempt::Folder;
use crate::environment::Environment;
use crate::files;
use crate::runtime::process::cgroup::Limits;
use crate::runtime::process::furnish::failed;
use crate::runtime::process::sandbox::RUN;
use crate::runtime::process::{ProcessRuntime, log_tail, shims};
use crate::runtime::{Job, Status};

/// Name of the socket that the sandbox is told on, in the folder of its own sockets.
const SOCKET: &str = "warm.sock";
/// A sandbox that is not ready by then is none.
const READY_WITHIN: Duration = Duration::from_secs(120);
/// Longest word that it may say.
const MAX_WORD: u64 = 256 << 10;

/// A finished sandbox. Taking it over takes the value: none is used twice.
#[derive(Debug)]
pub(super) struct Waiting {
    pub(super) job: Job,
    /// Digest of its environment.
    pub(super) digest: String,
    /// Top-level modules that it has imported.
    pub(super) modules: BTreeSet<String>,
    /// The only way to tell it anything. When it closes, the sandbox ends.
    connection: UnixStream,
}

/// What it says once it is ready.
#[derive(Debug, Deserialize)]
struct Ready {
    modules: BTreeSet<String>,
}

impl Waiting {
    pub(super) fn is_alive(&self) -> bool {
        matches!(shims::status(&self.job.folder), Status::Alive { .. })
    }

    /// Tells it whose it is from now on: its server's arguments, and the file with its variables, which it empties.
    ///
    /// # Errors
    /// That it is not there any more, or those of the file.
    pub(super) fn tell(self, variables: &Path, arguments: &[String]) -> io::Result<()> {
        let file = File::options().read(true).write(true).open(variables)?;
        let mut message = serde_json::to_vec(arguments)?;
        message.push(b'\n');
        let files = [file.as_fd()];
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut control = SendAncillaryBuffer::new(&mut space);
        control.push(SendAncillaryMessage::ScmRights(&files));
        let words = [IoSlice::new(&message)];
        let sent = sendmsg(&self.connection, &words, &mut control, SendFlags::NOSIGNAL)?;
        if sent == message.len() {
            return Ok(());
        }
        Err(io::Error::other("it did not take the whole message"))
    }
}

impl ProcessRuntime {
    /// Makes a sandbox, and comes back when it waits, or at `cancel`.
    ///
    /// # Errors
    /// Why it cannot be made, in words; nothing is left of it then.
    pub(super) async fn make_waiting(
        self: &Arc<Self>,
        digest: &str,
        environment: &Environment,
        cancel: &CancellationToken,
    ) -> Result<Waiting, String> {
        let job = self.waiting_job(environment);
        match self.bring_up(&job, environment, cancel).await {
            Ok((connection, ready)) => Ok(Waiting {
                job,
                digest: digest.to_owned(),
                modules: ready.modules,
                connection,
            }),
            Err(problem) => {
                self.end_waiting(&job.folder).await;
                Err(problem)
            }
        }
    }

    /// What runs in it: it is an attempt of nobody's workload.
    fn waiting_job(&self, environment: &Environment) -> Job {
        let (config, id) = (&self.config, SandboxId::generate().to_string());
        let python = environment.folder.join("bin/python").display().to_string();
        let (starter, socket) = (STARTER.to_owned(), format!("{RUN}/{SOCKET}"));
        let spec = WorkloadSpec {
            command: vec![python, "-c".to_owned(), starter, socket, PROGRAM.to_owned()],
            resources: Some(Resources {
                milli_cores: 1_000,
                memory_mib: MEMORY_MIB,
                ..Resources::default()
            }),
            ..WorkloadSpec::default()
        };
        Job {
            folder: Folder::of_waiting(&config.data_dir, &config.run_dir, &id),
            assignment: Arc::new(Assignment {
                attempt_id: id,
                spec: Some(spec),
                ..Assignment::default()
            }),
        }
    }

    async fn bring_up(
        self: &Arc<Self>,
        job: &Job,
        environment: &Environment,
        cancel: &CancellationToken,
    ) -> Result<(UnixStream, Ready), String> {
        let (runtime, furnished, environment) = (self.clone(), job.clone(), environment.clone());
        let plan = tokio::task::spawn_blocking(move || {
            files::private_folder(furnished.folder.root()).map_err(failed)?;
            furnished.folder.keep_sandbox_name().map_err(failed)?;
            let plan = runtime.furnish(&furnished, Some(&environment))?;
            let limits = Limits {
                milli_cores: 1_000,
                memory_mib: MEMORY_MIB,
                yields: true,
            };
            runtime.isolation.limit(furnished.id(), limits)?;
            Ok::<_, String>(plan)
        });
        let plan = plan.await.map_err(failed)??;
        let (folder, socket) = (&job.folder, job.folder.run().join(SOCKET));
        let user = fs::symlink_metadata(folder.home()).map_err(failed)?.uid();
        let listener = UnixListener::bind(&socket).map_err(failed)?;
        chown(&socket, Some(user), Some(user)).map_err(failed)?;
        shims::start(folder, &self.program, plan.into_args()).await?;
        let ready = tokio::select! {
            () = cancel.cancelled() => return Err("the agent is stopping".to_owned()),
            ready = hear_ready(listener, user) => ready.map_err(failed)?,
            _ = shims::ended(folder) => return Err(format!("it ended: {}", log_tail(folder))),
            () = tokio::time::sleep(READY_WITHIN) => {
                return Err(format!("it was not ready within {READY_WITHIN:?}"));
            }
        };
        // Nobody else can connect, now or after somebody's files are there.
        fs::remove_file(&socket).map_err(failed)?;
        Ok(ready)
    }

    /// Ends a waiting sandbox, and removes all that was made for it.
    pub(super) async fn end_waiting(self: &Arc<Self>, folder: &Folder) {
        self.end(folder).await;
        self.clear(folder).await;
        let root = folder.root().to_owned();
        let removed = tokio::task::spawn_blocking(move || files::remove_folder(&root)).await;
        if !matches!(removed, Ok(Ok(()))) {
            tracing::warn!(?removed, "removing the folder of a waiting sandbox");
        }
    }
}

async fn hear_ready(listener: UnixListener, user: u32) -> io::Result<(UnixStream, Ready)> {
    let (connection, _) = listener.accept().await?;
    if connection.peer_cred()?.uid() != user {
        return Err(io::Error::other("somebody else has connected"));
    }
    let mut reader = BufReader::new(connection);
    let mut word = String::new();
    (&mut reader).take(MAX_WORD).read_line(&mut word).await?;
    let ready = serde_json::from_str(&word)?;
    Ok((reader.into_inner(), ready))
}
