//! The two ends of a WebSocket, joined.

use std::time::Duration;

use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncWriteExt as _, copy_bidirectional_with_sizes};
use tokio_util::sync::CancellationToken;

use crate::activity::Visit;
use crate::domain::usage::Frames;
use crate::metrics::Direction;
use crate::watched::Watched;

/// Bytes on their way in each direction.
const BUFFER: usize = 16 << 10;
/// How long one end stays after the other has gone.
const LINGER: Duration = Duration::from_secs(5);

/// Why a WebSocket ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// One of its ends wished so, or the door is closing.
    Closed,
    /// Nothing went through for too long.
    Silent,
    /// The notebook has another token.
    Rotated,
}

/// Lets bytes through until an end goes, nothing goes through for `idle`, the token that opened it opens no more, or the door is
/// closing.
pub(super) async fn run(
    client: Upgraded,
    notebook: Upgraded,
    visit: &Visit,
    idle: Duration,
    rotated: impl Future<Output = ()>,
    part: &CancellationToken,
) -> End {
    let one_gone = CancellationToken::new();
    let count = |direction, bytes| match bytes {
        0 => one_gone.cancel(),
        bytes => visit.moved(direction, bytes),
    };
    let mut frames = Frames::default();
    let mut client = Watched::new(TokioIo::new(client), |bytes: &[u8]| {
        count(Direction::In, bytes.len());
        if frames.read(bytes) {
            visit.message();
        }
    });
    let mut notebook = Watched::new(TokioIo::new(notebook), |bytes: &[u8]| {
        count(Direction::Out, bytes.len());
    });
    let abandoned = async {
        one_gone.cancelled().await;
        tokio::time::sleep(LINGER).await;
    };
    let end = tokio::select! {
        _ = copy_bidirectional_with_sizes(&mut client, &mut notebook, BUFFER, BUFFER) => End::Closed,
        () = abandoned => End::Closed,
        () = visit.silent(idle) => End::Silent,
        () = rotated => End::Rotated,
        () = part.cancelled() => End::Closed,
    };
    client.shutdown().await.ok();
    notebook.shutdown().await.ok();
    end
}
