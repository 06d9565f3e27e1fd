//! The door for traffic: HTTP/1.1, HTTP/2 and WebSocket to notebooks, each on a web origin of its own. Access is checked before a
//! byte reaches a notebook, and what once has been reached is served on when the rest of the house is down.

mod activity;
mod answer;
mod body;
mod config;
mod directory;
mod domain;
mod door;
mod extension;
mod metrics;
mod page;
mod refusal;
mod registration;
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
use crate::extension::Extension;
use crate::registration::Registration;
use crate::upstream::RelayListener;

/// Where an edge is reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reached {
    /// The door.
    pub door: Address,
    /// What agents of other hosts are told, if they connect here.
    pub relay: Option<Address>,
}

/// Serves until `cancel`; calls `ready` once the routes are known and requests are taken.
///
/// # Errors
/// A configuration that cannot work, an address that is taken, or the failure of a part.
pub async fn run(
    config: EdgeConfig,
    clock: Arc<dyn Clock>,
    cancel: CancellationToken,
    ready: impl FnOnce(&Reached),
) -> Result<()> {
    config.check()?;
    let listener = Listener::bind(&config.listen, &config.tls).await?;
    let relay = RelayListener::bind(&config).await?;
    let registration = Registration::of(&config, relay.as_ref(), clock.clone())?;
    let directory = Directory::open(&config.bus, clock.clone(), &cancel).await?;
    let extension = Extension::of(&config, clock.clone())?;
    let door = Arc::new(Door::new(config, clock, directory, extension));

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
    let reached = Reached {
        door: listener.address().clone(),
        relay: relay.as_ref().map(|relay| relay.told().clone()),
    };
    if let Some(relay) = relay {
        let relays = door.upstream.relays.clone();
        tasks.start("relays", relay.serve(relays, cancel.clone()));
    }
    if let Some(registration) = registration {
        tasks.start("registration", registration.run(cancel.clone()));
    }
    tracing::info!(?reached, "the door is open");
    ready(&reached);
    tasks.start("door", door::serve(door, listener, cancel));
    tasks
        .run()
        .await
        .map_err(|failure| Error::internal("running the door", failure))
}
