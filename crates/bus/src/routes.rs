//! Routes: which workload answers under which web origin, in a JetStream key-value bucket that edges watch. A route is derived;
//! its owner's reconciler can write all of them again at any time.

use async_nats::jetstream::{kv, stream};
use futures::StreamExt as _;
use kernel::Timestamp;
use serde::{Deserialize, Serialize};
use std::time::Duration;

use crate::connection::DUPLICATES;
use crate::subject::ROUTES;
use crate::{Bus, BusError};

/// Longest time that a whole reading of the bucket may take.
const READ: Duration = Duration::from_secs(10);

/// All that an edge needs to serve a web origin, also when nobody else answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Route {
    /// First label of the origin; the key.
    pub id: String,
    /// It answers: requests go to the target.
    pub running: bool,
    /// State to tell the visitor while it does not run: "Pending", "Provisioned", "Stopped", …
    pub state: String,
    /// Why, in words, with the next step where there is one.
    pub reason: String,
    /// What its users are to know beside that, such as that its files are nearly full; empty = nothing.
    #[serde(default)]
    pub note: String,
    /// Where its newest attempt is or was; `None` before the first.
    pub target: Option<Target>,
    /// When and why it will stop.
    #[serde(default)]
    pub idle: RouteIdle,
    /// SHA-256 of the token that opens it, hexadecimal.
    pub token_sha256: String,
    /// Others that open it, too.
    #[serde(default)]
    pub shares: Vec<RouteShare>,
    /// Grows with each change of the owner's row: a lower one never replaces a higher one.
    pub revision: u64,
}

/// A token that opens a notebook for somebody whom it is shared with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RouteShare {
    /// SHA-256 of the token, hexadecimal.
    pub token_sha256: String,
    /// It opens what can be looked at only.
    pub view_only: bool,
    /// It opens nothing from then on; `None` = until it is taken back.
    pub expires_at: Option<Timestamp>,
}

/// What visitors are told of the time that a notebook has left, also when nobody else answers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct RouteIdle {
    /// When it will stop for being idle; `None` while it will not.
    pub stops_at: Option<Timestamp>,
    /// Why, in words.
    pub because: String,
    /// What an hour until then costs, such as `0.018 USD`; empty = not known.
    pub costs: String,
    /// Until when somebody keeps it.
    pub kept_until: Option<Timestamp>,
    /// When its maximum duration is over: it stops then, used or not. `None` = it has none.
    pub run_until: Option<Timestamp>,
}

/// Where a workload runs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Target {
    /// Node.
    pub node_id: String,
    /// Workload.
    pub workload_id: String,
    /// Generation of its attempt.
    pub generation: u64,
    /// Its files; empty where nobody said.
    #[serde(default)]
    pub volume_id: String,
}

/// A change of the bucket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RouteEntry {
    /// The route is now so.
    Put(Box<Route>),
    /// The route with this id is gone.
    Gone(String),
}

/// The bucket.
#[derive(Clone, Debug)]
pub struct Routes {
    store: kv::Store,
}

impl Routes {
    /// Opens the bucket, making it when it is missing.
    ///
    /// # Errors
    /// [`BusError`] when the server refuses.
    pub async fn open(bus: &Bus) -> Result<Self, BusError> {
        // By hand: the client's own way asks for what servers before 2.10 do not answer.
        bus.ensure(stream::Config {
            name: format!("KV_{ROUTES}"),
            subjects: vec![format!("$KV.{ROUTES}.>")],
            max_messages_per_subject: 1,
            allow_rollup: true,
            deny_delete: true,
            duplicate_window: DUPLICATES,
            allow_direct: true,
            num_replicas: 1,
            ..stream::Config::default()
        })
        .await?;
        let store = bus
            .jetstream()
            .get_key_value(ROUTES)
            .await
            .map_err(|error| BusError::failed("opening the routes", error))?;
        Ok(Self { store })
    }

    /// Writes `route` unless the bucket has one of the same or a higher revision.
    ///
    /// # Errors
    /// [`BusError`] when the server refuses, or another writer was faster: try again.
    pub async fn put(&self, route: &Route) -> Result<(), BusError> {
        let failed = |error: &dyn std::fmt::Display| BusError::failed("writing a route", error);
        let value = serde_json::to_vec(route).map_err(|error| failed(&error))?;
        let entry = self
            .store
            .entry(&route.id)
            .await
            .map_err(|error| failed(&error))?;
        match entry.filter(|entry| entry.operation == kv::Operation::Put) {
            Some(entry) => {
                let stored: Option<Route> = serde_json::from_slice(&entry.value).ok();
                if stored.is_some_and(|stored| stored.revision >= route.revision) {
                    return Ok(());
                }
                self.store
                    .update(&route.id, value.into(), entry.revision)
                    .await
                    .map_err(|error| failed(&error))?;
            }
            None => {
                self.store
                    .create(&route.id, value.into())
                    .await
                    .map_err(|error| failed(&error))?;
            }
        }
        Ok(())
    }

    /// Removes a route.
    ///
    /// # Errors
    /// [`BusError`] when the server refuses.
    pub async fn remove(&self, id: &str) -> Result<(), BusError> {
        self.store
            .purge(id)
            .await
            .map_err(|error| BusError::failed("removing a route", error))
    }

    /// The route with this id; `None` when the bucket has none.
    ///
    /// # Errors
    /// [`BusError`] when the server cannot be asked.
    pub async fn get(&self, id: &str) -> Result<Option<Route>, BusError> {
        let failed = |error: &dyn std::fmt::Display| BusError::failed("reading a route", error);
        let value = self.store.get(id).await.map_err(|error| failed(&error))?;
        value
            .map(|value| serde_json::from_slice(&value))
            .transpose()
            .map_err(|error| failed(&error))
    }

    /// All routes.
    ///
    /// # Errors
    /// [`BusError`] when the server cannot be asked.
    pub async fn all(&self) -> Result<Vec<Route>, BusError> {
        let failed = |error: &dyn std::fmt::Display| BusError::failed("reading the routes", error);
        let read = async {
            let mut keys = self.store.keys().await.map_err(|error| failed(&error))?;
            let mut routes = Vec::new();
            while let Some(key) = keys.next().await {
                let key = key.map_err(|error| failed(&error))?;
                if let Some(value) = self.store.get(key).await.map_err(|error| failed(&error))? {
                    routes.push(serde_json::from_slice(&value).map_err(|error| failed(&error))?);
                }
            }
            Ok(routes)
        };
        tokio::time::timeout(READ, read)
            .await
            .map_err(|error| failed(&error))?
    }

    /// Changes from now on.
    ///
    /// # Errors
    /// [`BusError`] when the server cannot be asked.
    pub async fn watch(
        &self,
    ) -> Result<impl futures::Stream<Item = RouteEntry> + Send + Unpin, BusError> {
        let watch = self
            .store
            .watch_all()
            .await
            .map_err(|error| BusError::failed("watching the routes", error))?;
        Ok(watch
            .take_while(|entry| std::future::ready(entry.is_ok()))
            .filter_map(|entry| std::future::ready(entry.ok().and_then(|entry| change(&entry))))
            .boxed())
    }
}

fn change(entry: &kv::Entry) -> Option<RouteEntry> {
    match entry.operation {
        kv::Operation::Put => serde_json::from_slice(&entry.value)
            .ok()
            .map(|route| RouteEntry::Put(Box::new(route))),
        kv::Operation::Delete | kv::Operation::Purge => Some(RouteEntry::Gone(entry.key.clone())),
    }
}
