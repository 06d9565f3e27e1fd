//! The door for traffic: HTTP/1.1, HTTP/2 and WebSocket to notebooks, each on a web origin of its own. Access is checked before a
//! byte reaches a notebook, and what once has been reached is served on when the rest of the house is down.

mod activity;
mod answer;
mod body;
mod config;
mod directory;
mod domain;
mod door;
mod metrics;
mod page;
mod refusal;
mod upkeep;
mod upstream;
mod watched;

use std::sync::Arc;

use chassis::grpc::Listener;
use chassis::{Address, Error, Result, Tasks};
use kernel::Clock;
use tokio_util::sync::CancellationToken;

pub use activity::{EdgeActivity, NotebookActivity};
pub use config::{EdgeConfig, Limits};

use crate::directory::Directory;
use crate::door::Door;

/// Serves until `cancel`; calls `ready` once the routes are known and requests are taken.
///
/// # Errors
/// A configuration that cannot work, an address that is taken, or the failure of a part.
pub async fn run(
    config: EdgeConfig,
    clock: Arc<dyn Clock>,
    cancel: CancellationToken,
    ready: impl FnOnce(&Address),
) -> Result<()> {
    config.check()?;
    let listener = Listener::bind(&config.listen, &config.tls).await?;
    let directory = Directory::open(&config.bus, clock.clone(), &cancel).await?;
    let door = Arc::new(Door::new(config, clock, directory));

    let mut tasks = Tasks::new(cancel.clone());
    let (follower, stop) = (door.clone(), cancel.clone());
    tasks.start(
        "routes",
        async move { follower.directory.follow(&stop).await },
    );
    let (teller, stop) = (door.clone(), cancel.clone());
    tasks.start("activity", async move {
        upkeep::tell_activity(&teller, &stop).await
    });
    let (tidier, stop) = (door.clone(), cancel.clone());
    tasks.start("tidying", async move { upkeep::tidy(&tidier, &stop).await });
    tracing::info!(address = %listener.address(), "the door is open");
    ready(listener.address());
    tasks.start("door", door::serve(door, listener, cancel));
    tasks
        .run()
        .await
        .map_err(|failure| Error::internal("running the door", failure))
}
