//! What goes on beside the requests: activity is told, and what is not used any more is let go.

use std::time::Duration;

use chassis::Result;
use kernel::id::EventId;
use tokio_util::sync::CancellationToken;

use crate::activity::{EdgeActivity, NotebookActivity};
use crate::door::Door;

/// How often activity is told.
const TELL: Duration = Duration::from_secs(3);
/// Most notebooks in one message, which is well under what NATS carries.
const TOLD_AT_ONCE: usize = 1_000;
/// How often unused places and connections are let go.
const TIDY: Duration = Duration::from_secs(15);

/// Says on the bus at which notebooks something happened, until `cancel`. What cannot be said now is said later.
pub(crate) async fn tell_activity(door: &Door, cancel: &CancellationToken) -> Result<()> {
    let edge = EventId::generate().to_string();
    loop {
        let stopping = tokio::time::timeout(TELL, cancel.cancelled()).await.is_ok();
        if door.directory.is_connected() {
            for notebooks in door.activity.changes().chunks(TOLD_AT_ONCE) {
                tell(door, &edge, notebooks).await;
            }
        }
        if stopping {
            return Ok(());
        }
    }
}

async fn tell(door: &Door, edge: &str, notebooks: &[NotebookActivity]) {
    let message = EdgeActivity {
        edge: edge.to_owned(),
        at: door.clock.now(),
        notebooks: notebooks.to_vec(),
    };
    let payload = match serde_json::to_vec(&message) {
        Ok(payload) => payload,
        Err(error) => return tracing::error!(%error, "writing an activity message"),
    };
    let client = door.directory.bus().client();
    if let Err(error) = client
        .publish(bus::edge_activity_subject(), payload.into())
        .await
    {
        tracing::warn!(%error, "telling activity");
    }
}

/// Lets go what is not used any more, until `cancel`.
pub(crate) async fn tidy(door: &Door, cancel: &CancellationToken) -> Result<()> {
    while tokio::time::timeout(TIDY, cancel.cancelled())
        .await
        .is_err()
    {
        let routes = door.directory.all();
        door.upstream
            .keep_only(routes.iter().filter_map(|route| route.target.as_ref()));
    }
    Ok(())
}
