//! The relay for edges on this host: a socket that only this user may open; whoever may, is trusted.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use chassis::{Error, Result};
use tokio::net::{UnixListener, UnixStream};
use tokio_util::sync::CancellationToken;

use super::Relay;
use crate::files;

/// Listens at `path`, in place of an agent that is gone.
///
/// # Errors
/// When another agent answers there, or the file system refuses.
pub(crate) async fn bind(path: &Path) -> Result<UnixListener> {
    let failed = |error: std::io::Error| {
        Error::Unavailable(format!("cannot listen on {}: {error}", path.display()))
    };
    if UnixStream::connect(path).await.is_ok() {
        return Err(Error::Unavailable(format!(
            "cannot listen on {}: another agent answers there",
            path.display()
        )));
    }
    files::private_folder(path.parent().unwrap_or(Path::new("/"))).map_err(failed)?;
    // Bound under another name first, so that nobody but this user can ever connect under the known one.
    let fresh = path.with_extension("new");
    fs::remove_file(&fresh).ok();
    let listener = UnixListener::bind(&fresh).map_err(failed)?;
    fs::set_permissions(&fresh, fs::Permissions::from_mode(0o600)).map_err(failed)?;
    fs::rename(&fresh, path).map_err(failed)?;
    Ok(listener)
}

impl Relay {
    /// Answers edges of this host until `cancel`.
    ///
    /// # Errors
    /// When the listener breaks.
    pub(crate) async fn run(self, listener: UnixListener, cancel: CancellationToken) -> Result<()> {
        // Not the graceful way: who follows a log would hold up the stop.
        tokio::select! {
            () = cancel.cancelled() => Ok(()),
            ended = axum::serve(listener, self.questions()) => {
                ended.map_err(|error| Error::internal("serving the relay", error))
            }
        }
    }
}
