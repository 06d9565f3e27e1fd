//! The way to a notebook. Its agent says with which token it is asked; on this host also on which socket it listens, and from
//! then on the workload is asked directly, whether its agent lives or not. On another host it is asked over streams of the
//! connection that the agent keeps to this edge.

mod agents;
mod pool;
mod relays;
mod way;

use std::collections::{HashMap, HashSet};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bus::Target;
use bytes::Bytes;
use http::{HeaderValue, Method, Response};
use hyper::body::Incoming;

pub(crate) use agents::LogsQuery;
use agents::{Agents, At, Place};
use pool::Pool;
pub(crate) use pool::{Lease, SendError};
pub(crate) use relays::{RelayListener, Relays};
use way::{Attempt, End, Way};

use crate::body::Body;

/// A notebook cannot be reached.
#[derive(Debug, thiserror::Error)]
pub(crate) enum UpstreamError {
    /// Nobody answers on a socket.
    #[error("connecting to {to}")]
    Connect {
        /// The socket.
        to: String,
        /// Why.
        #[source]
        cause: std::io::Error,
    },
    /// A connection broke, or what came is no HTTP.
    #[error("talking to {to}")]
    Broken {
        /// The other end.
        to: String,
        /// Why.
        #[source]
        cause: hyper::Error,
    },
    /// The node's agent is neither on this host nor connected.
    #[error("the agent of {0} is neither on this host nor connected to this edge")]
    NoAgent(String),
    /// The agent does not run this attempt.
    #[error("the agent does not run it: {0}")]
    NotThere(String),
    /// The agent refuses what was asked for.
    #[error("the agent refuses it: {0}")]
    Refused(String),
    /// The agent does as much as it may.
    #[error("the agent is busy: {0}")]
    Busy(String),
    /// The agent does not get through to the workload.
    #[error("the agent does not get through: {0}")]
    Silent(String),
    /// The agent's answer cannot be used.
    #[error("the agent's answer: {0}")]
    BadAnswer(String),
    /// The agent takes too long.
    #[error("the agent does not answer in time")]
    Slow,
}

impl UpstreamError {
    /// For the metric.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Self::Connect { .. } => "connect",
            Self::Broken { .. } => "broken",
            Self::NoAgent(_) => "no_agent",
            Self::NotThere(_) => "not_there",
            Self::Refused(_) => "refused",
            Self::Busy(_) => "busy",
            Self::Silent(_) => "silent",
            Self::BadAnswer(_) => "bad_answer",
            Self::Slow => "slow",
        }
    }
}

/// A connection to a notebook that a request may be sent on.
#[derive(Debug)]
pub(crate) struct Opened {
    /// The connection.
    pub(crate) lease: Lease,
    /// What the notebook wants in `Authorization`; other ports are told nothing there.
    pub(crate) authorization: Option<HeaderValue>,
}

/// The way to all notebooks.
#[derive(Debug)]
pub(crate) struct Upstream {
    pub(crate) relays: Arc<Relays>,
    agents: Agents,
    pool: Arc<Pool>,
    places: Mutex<HashMap<Attempt, Arc<Place>>>,
}

impl Upstream {
    /// By way of the agents whose relays are in `relay_dir`, and of those in `relays`.
    pub(crate) fn new(relay_dir: PathBuf, relays: Arc<Relays>) -> Self {
        let pool = Arc::new(Pool::default());
        Self {
            agents: Agents::new(relay_dir, relays.clone(), pool.clone()),
            relays,
            pool,
            places: Mutex::default(),
        }
    }

    /// A connection to the workload. What is known of its place is tried first, and kept while the agent is silent.
    ///
    /// # Errors
    /// [`UpstreamError`] when there is none.
    pub(crate) async fn open(&self, target: &Target) -> Result<Opened, UpstreamError> {
        let attempt = Attempt::of(target);
        let known = self.places().get(&attempt).cloned();
        if let Some(place) = known {
            match self.connect(&attempt, &place).await {
                Ok(opened) => return Ok(opened),
                Err(error) => tracing::debug!(
                    error = chassis::error::chain(&error),
                    "asking for the place again"
                ),
            }
        }
        match self.agents.find(target).await {
            Ok(place) => {
                let place = Arc::new(place);
                self.places().insert(attempt.clone(), place.clone());
                self.connect(&attempt, &place).await
            }
            Err(error) => {
                if let UpstreamError::NotThere(_) = error {
                    self.places().remove(&attempt);
                }
                Err(error)
            }
        }
    }

    async fn connect(&self, attempt: &Attempt, place: &Place) -> Result<Opened, UpstreamError> {
        let way = match &place.at {
            At::Socket(socket) => Way::Socket(socket.clone()),
            At::Node(node) => Way::Stream(
                self.agents.relay(node).await?,
                End {
                    attempt: attempt.clone(),
                    port: None,
                },
            ),
        };
        let lease = self.pool.connect(&way).await?;
        Ok(Opened {
            lease,
            authorization: Some(place.authorization.clone()),
        })
    }

    /// A connection to another port of the workload.
    ///
    /// # Errors
    /// [`UpstreamError::Silent`] when nothing listens there; else why there is none.
    pub(crate) async fn open_port(
        &self,
        target: &Target,
        port: u16,
    ) -> Result<Opened, UpstreamError> {
        let attempt = Attempt::of(target);
        let here = self.agents.socket(&target.node_id)?;
        let lease = match self
            .pool
            .connect(&Way::Port(here, attempt.clone(), port))
            .await
        {
            Err(UpstreamError::Connect { .. }) => {
                let relay = self.agents.relay(&target.node_id).await?;
                let port = Some(port);
                self.pool
                    .connect(&Way::Stream(relay, End { attempt, port }))
                    .await
            }
            settled => settled,
        };
        Ok(Opened {
            lease: lease?,
            authorization: None,
        })
    }

    /// What the workload has written, as the agent streams it.
    ///
    /// # Errors
    /// [`UpstreamError`] when the agent does not answer or does not know the attempt.
    pub(crate) async fn logs(
        &self,
        target: &Target,
        query: LogsQuery,
    ) -> Result<(Response<Incoming>, Option<Lease>), UpstreamError> {
        self.agents.logs(target, query).await
    }

    /// What the agent beside a workload measures, as JSON: "signs" that it works, or its "usage".
    ///
    /// # Errors
    /// [`UpstreamError`] when the agent does not answer or does not know the attempt.
    pub(crate) async fn measured(
        &self,
        target: &Target,
        what: &str,
    ) -> Result<Bytes, UpstreamError> {
        self.agents.measured(target, what).await
    }

    /// Files of a notebook, listed (GET), packed (POST), unpacked (PUT) or removed (DELETE) by its agent at `place`, which is an encoded query.
    ///
    /// # Errors
    /// [`UpstreamError`] when the agent cannot be asked, does not have them, or refuses.
    pub(crate) async fn files(
        &self,
        target: &Target,
        method: Method,
        place: &str,
        body: Body,
    ) -> Result<(Response<Incoming>, Option<Lease>), UpstreamError> {
        self.agents.files(target, method, place, body).await
    }

    /// Has a command run inside a workload (`exec`), or a visitor by ssh let in (`ssh`).
    ///
    /// # Errors
    /// [`UpstreamError`] when the agent cannot be asked, does not run it, or refuses.
    pub(crate) async fn exec(
        &self,
        target: &Target,
        what: &str,
        body: Body,
    ) -> Result<(Response<Incoming>, Option<Lease>), UpstreamError> {
        self.agents.exec(target, what, body).await
    }

    /// Forgets the places of all but `targets`, and connections that were not used for a while.
    pub(crate) fn keep_only<'a>(&self, targets: impl Iterator<Item = &'a Target>) {
        let wanted: HashSet<Attempt> = targets.map(Attempt::of).collect();
        self.places().retain(|attempt, _| wanted.contains(attempt));
        self.pool.close_unused();
    }

    fn places(&self) -> MutexGuard<'_, HashMap<Attempt, Arc<Place>>> {
        self.places.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
