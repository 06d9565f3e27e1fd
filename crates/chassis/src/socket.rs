//! Sockets in the file system.

use std::io;
use std::path::Path;
use std::time::Duration;

use tokio::net::UnixStream;
use tokio::time::Instant;

/// How long a server whose queue is full is tried.
const CONNECT: Duration = Duration::from_secs(5);
/// Pause between these tries.
const RETRY: Duration = Duration::from_millis(5);

/// Connects to a server. Where TCP would wait, a unix socket refuses at once when its server's queue is full: that is tried
/// again for a while.
///
/// # Errors
/// Those of the system.
pub async fn connect(path: &Path) -> io::Result<UnixStream> {
    let began = Instant::now();
    loop {
        match UnixStream::connect(path).await {
            Err(full) if full.kind() == io::ErrorKind::WouldBlock && began.elapsed() < CONNECT => {
                tokio::time::sleep(RETRY).await;
            }
            settled => return settled,
        }
    }
}
