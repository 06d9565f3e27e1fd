//! Which notebook has which route: a table in memory, kept up from the bus and never given up because the bus is gone.

use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::Duration;

use async_nats::connection::State;
use bus::{Bus, BusError, Route, RouteEntry, Routes};
use chassis::config::BusConfig;
use chassis::{Error, Result};
use futures::StreamExt as _;
use kernel::Clock;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::domain::grant::{self, Key};
use crate::domain::table::Table;

/// The whole bucket is read this often, whatever the watch said.
const READ_AGAIN: Duration = Duration::from_secs(30);
/// How often is looked whether the connection to the bus is another one.
const LOOK: Duration = Duration::from_millis(250);
/// Pause between tries to read the routes.
const RETRY: Duration = Duration::from_millis(500);
/// A request waits so long for its route's newest state.
const READ_ONE: Duration = Duration::from_secs(1);

/// Which notebook has which route.
#[derive(Debug)]
pub(crate) struct Directory {
    bus: Bus,
    bucket: Routes,
    clock: Arc<dyn Clock>,
    table: RwLock<Table>,
    /// Counts the times that a route got other tokens.
    rotations: watch::Sender<u64>,
}

impl Directory {
    /// Reads all routes, waiting for the bus if need be.
    ///
    /// # Errors
    /// A bus that cannot be used, or a stop while waiting.
    pub(crate) async fn open(
        config: &BusConfig,
        clock: Arc<dyn Clock>,
        cancel: &CancellationToken,
    ) -> Result<Self> {
        loop {
            match first_reading(config).await {
                Ok((bus, bucket, routes)) => {
                    let mut table = Table::default();
                    table.absorb(routes, clock.now());
                    return Ok(Self {
                        bus,
                        bucket,
                        clock,
                        table: RwLock::new(table),
                        rotations: watch::Sender::default(),
                    });
                }
                Err(error @ (BusError::TooOld { .. } | BusError::NotAsAsked { .. })) => {
                    return Err(error.into());
                }
                Err(error) => tracing::warn!(%error, "waiting for the routes"),
            }
            tokio::select! {
                () = cancel.cancelled() => return Err(Error::Unavailable("stopped while waiting for the routes".to_owned())),
                () = tokio::time::sleep(RETRY) => {}
            }
        }
    }

    /// The bus.
    pub(crate) fn bus(&self) -> &Bus {
        &self.bus
    }

    /// Whether the bus can be spoken to now.
    pub(crate) fn is_connected(&self) -> bool {
        self.bus.client().connection_state() == State::Connected
    }

    /// The route with this id.
    pub(crate) fn find(&self, id: &str) -> Option<Arc<Route>> {
        self.read().get(id)
    }

    /// All routes.
    pub(crate) fn all(&self) -> Vec<Arc<Route>> {
        self.read().all().cloned().collect()
    }

    /// Waits until what opened the notebook does not any more: another token does, a share was taken back, or its time is over.
    pub(crate) async fn closed(&self, id: &str, key: &Key) {
        let over = async {
            match key.until {
                Some(until) => {
                    let left = until - self.clock.now();
                    tokio::time::sleep(left.to_std().unwrap_or_default()).await;
                }
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = over => {}
            () = self.rotated(id, key) => {}
        }
    }

    async fn rotated(&self, id: &str, key: &Key) {
        // All that wait are woken by any rotation: they are rare, and changes of routes are not.
        let mut rotations = self.rotations.subscribe();
        loop {
            let other = |route: Arc<Route>| !grant::has(&route, key);
            if self.find(id).is_some_and(other) {
                return;
            }
            if rotations.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
        }
    }

    /// The route's newest state: from the bucket when it answers soon, else what is known.
    pub(crate) async fn look_up(&self, id: &str) -> Option<Arc<Route>> {
        if self.is_connected() {
            match tokio::time::timeout(READ_ONE, self.bucket.get(id)).await {
                Ok(Ok(Some(route))) => self.put(route),
                Ok(Ok(None)) | Err(_) => {}
                Ok(Err(error)) => tracing::debug!(id, %error, "reading a route"),
            }
        }
        self.find(id)
    }

    /// Keeps the table up until `cancel`.
    ///
    /// # Errors
    /// Never by itself: what fails is logged and tried again.
    pub(crate) async fn follow(&self, cancel: &CancellationToken) -> Result<()> {
        while !cancel.is_cancelled() {
            if self.is_connected()
                && let Err(error) = self.follow_connection(cancel).await
            {
                tracing::warn!(%error, "following the routes; serving what is known");
            }
            tokio::select! {
                () = cancel.cancelled() => {}
                () = tokio::time::sleep(LOOK) => {}
            }
        }
        Ok(())
    }

    /// Follows one connection to the server. Watch and reading go through the same hands, and the watch begins first: what
    /// changes during a reading is taken in after it.
    async fn follow_connection(&self, cancel: &CancellationToken) -> Result<(), BusError> {
        let connection = self.connection();
        let bucket = Routes::open(&self.bus).await?;
        let mut changes = bucket.watch().await?;
        let mut reading = tokio::time::interval(READ_AGAIN);
        let mut look = tokio::time::interval(LOOK);
        loop {
            tokio::select! {
                () = cancel.cancelled() => return Ok(()),
                change = changes.next() => match change {
                    Some(RouteEntry::Put(route)) => self.put(*route),
                    Some(RouteEntry::Gone(id)) => self.write().remove(&id),
                    None => return Ok(()),
                },
                _ = reading.tick() => {
                    let routes = bucket.all().await?;
                    let rotated = self.write().absorb(routes, self.clock.now());
                    self.tell(rotated);
                }
                _ = look.tick() => if !self.is_connected() || self.connection() != connection {
                    return Ok(());
                },
            }
        }
    }

    fn put(&self, route: Route) {
        let rotated = self.write().put(route);
        self.tell(rotated);
    }

    fn tell(&self, rotated: bool) {
        if rotated {
            self.rotations.send_modify(|count| *count += 1);
        }
    }

    /// Number of the connection to the server.
    fn connection(&self) -> u64 {
        self.bus
            .client()
            .statistics()
            .connects
            .load(Ordering::Relaxed)
    }

    fn read(&self) -> RwLockReadGuard<'_, Table> {
        self.table.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Table> {
        self.table.write().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn first_reading(config: &BusConfig) -> Result<(Bus, Routes, Vec<Route>), BusError> {
    let bus = Bus::connect(config, "edge").await?;
    let bucket = Routes::open(&bus).await?;
    let routes = bucket.all().await?;
    Ok((bus, bucket, routes))
}
