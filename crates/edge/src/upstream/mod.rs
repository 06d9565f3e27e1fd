//! The way to a notebook. Today the node is this host: its agent says on which socket the workload listens and with which token
//! it is asked, and from then on the workload is asked directly, whether its agent lives or not.

mod pool;
mod relay;

use std::collections::{HashMap, HashSet};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bus::Target;
use http::{HeaderValue, Response};
use hyper::body::Incoming;

use pool::Pool;
pub(crate) use pool::{Lease, SendError};
pub(crate) use relay::LogsQuery;
use relay::{Place, Relay};

/// A notebook cannot be reached.
#[derive(Debug, thiserror::Error)]
pub(crate) enum UpstreamError {
    /// Nobody answers on a socket.
    #[error("connecting to {socket}")]
    Connect {
        /// The socket.
        socket: String,
        /// Why.
        #[source]
        cause: std::io::Error,
    },
    /// A connection broke, or what came is no HTTP.
    #[error("talking to {socket}")]
    Broken {
        /// The socket.
        socket: String,
        /// Why.
        #[source]
        cause: hyper::Error,
    },
    /// The agent does not run this attempt.
    #[error("the agent does not run it: {0}")]
    NotThere(String),
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
            Self::NotThere(_) => "not_there",
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
    /// What the notebook wants in `Authorization`.
    pub(crate) authorization: HeaderValue,
}

/// One attempt of a workload.
type Attempt = (String, u64);

/// The way to all notebooks.
#[derive(Debug)]
pub(crate) struct Upstream {
    relay: Relay,
    pool: Arc<Pool>,
    places: Mutex<HashMap<Attempt, Arc<Place>>>,
}

impl Upstream {
    /// By way of the agents whose relays are in `relay_dir`.
    pub(crate) fn new(relay_dir: PathBuf) -> Self {
        let pool = Arc::new(Pool::default());
        Self {
            relay: Relay::new(relay_dir, pool.clone()),
            pool,
            places: Mutex::default(),
        }
    }

    /// A connection to the workload. What is known of its place is tried first, and kept while the agent is silent.
    ///
    /// # Errors
    /// [`UpstreamError`] when there is none.
    pub(crate) async fn open(&self, target: &Target) -> Result<Opened, UpstreamError> {
        let attempt = attempt_of(target);
        let known = self.places().get(&attempt).cloned();
        if let Some(place) = known {
            match self.connect(&place).await {
                Ok(opened) => return Ok(opened),
                Err(error) => tracing::debug!(
                    error = chassis::error::chain(&error),
                    "asking for the place again"
                ),
            }
        }
        match self.relay.find(target).await {
            Ok(place) => {
                let place = Arc::new(place);
                self.places().insert(attempt, place.clone());
                self.connect(&place).await
            }
            Err(error) => {
                if let UpstreamError::NotThere(_) = error {
                    self.places().remove(&attempt);
                }
                Err(error)
            }
        }
    }

    async fn connect(&self, place: &Place) -> Result<Opened, UpstreamError> {
        let lease = self.pool.connect(&place.socket).await?;
        Ok(Opened {
            lease,
            authorization: place.authorization.clone(),
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
    ) -> Result<(Response<Incoming>, Lease), UpstreamError> {
        self.relay.logs(target, query).await
    }

    /// Forgets the places of all but `targets`, and connections that were not used for a while.
    pub(crate) fn keep_only<'a>(&self, targets: impl Iterator<Item = &'a Target>) {
        let wanted: HashSet<Attempt> = targets.map(attempt_of).collect();
        self.places().retain(|attempt, _| wanted.contains(attempt));
        self.pool.close_unused();
    }

    fn places(&self) -> MutexGuard<'_, HashMap<Attempt, Arc<Place>>> {
        self.places.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn attempt_of(target: &Target) -> Attempt {
    (target.workload_id.clone(), target.generation)
}
