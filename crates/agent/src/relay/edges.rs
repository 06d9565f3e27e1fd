//! Which edges there are: inventory names them with each heartbeat, and each gets a connection. When inventory is silent, the
//! list that it gave last holds, also over a restart. An edge that is missing from the list is not dialled again, but keeps the
//! connection that it has: absence never ends what works.

use std::collections::{BTreeSet, HashSet};
use std::path::PathBuf;

use chassis::{Address, Error, Result};
use contracts::inventory::v1::Edge;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tracing::Instrument as _;

use super::Relay;
use super::dial::Way;
use crate::credentials::Credentials;
use crate::files;

/// Most edges that are dialled.
const MOST_EDGES: usize = 64;

/// The edges, each as `host:port`.
pub(crate) type List = BTreeSet<String>;

/// Keeps a connection to each edge.
#[derive(Debug)]
pub(crate) struct Edges {
    relay: Relay,
    credentials: Credentials,
    file: PathBuf,
    list: watch::Receiver<List>,
}

/// Takes the newest list.
#[derive(Clone, Debug)]
pub(crate) struct Listing(watch::Sender<List>);

impl Listing {
    /// The list as it is, and as it will be.
    pub(crate) fn watch(&self) -> watch::Receiver<List> {
        self.0.subscribe()
    }

    /// Takes what inventory says.
    pub(crate) fn hear(&self, edges: &[Edge]) {
        let address = |edge: &Edge| match edge.relay_address.parse() {
            Ok(Address::Https(authority)) => Some(authority),
            Ok(Address::Http(_) | Address::Unix(_)) | Err(_) => {
                tracing::debug!(
                    edge = edge.id,
                    address = edge.relay_address,
                    "no address of an edge"
                );
                None
            }
        };
        let newest: List = edges.iter().take(MOST_EDGES).filter_map(address).collect();
        self.0.send_if_modified(|list| {
            let differs = *list != newest;
            *list = newest;
            differs
        });
    }
}

impl Edges {
    /// The edges of the last list that is kept in `file`, and what takes a newer one.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub(crate) fn load(
        relay: Relay,
        credentials: Credentials,
        file: PathBuf,
    ) -> Result<(Self, Listing)> {
        let kept = files::read_json(&file)
            .map_err(|error| Error::internal("reading which edges there are", error))?;
        let (sender, list) = watch::channel(kept.unwrap_or_default());
        let edges = Self {
            relay,
            credentials,
            file,
            list,
        };
        Ok((edges, Listing(sender)))
    }

    /// Keeps the connections until `cancel`.
    ///
    /// # Errors
    /// Never by itself.
    pub(crate) async fn run(mut self, cancel: CancellationToken) -> Result<()> {
        let (mut ways, mut dialled) = (JoinSet::new(), HashSet::new());
        loop {
            for edge in self.list.borrow().iter() {
                if dialled.insert(edge.clone()) {
                    ways.spawn(self.keep(edge.clone()));
                }
            }
            tokio::select! {
                () = cancel.cancelled() => return Ok(()),
                Ok(()) = self.list.changed() => self.remember().await,
                Some(Ok(edge)) = ways.join_next() => {
                    dialled.remove(&edge);
                }
            }
        }
    }

    /// Keeps a connection to one edge for as long as it is listed; gives its name back.
    fn keep(&self, edge: String) -> impl Future<Output = String> + Send + use<> {
        let way = Way {
            relay: self.relay.clone(),
            credentials: self.credentials.clone(),
            edge: edge.clone(),
        };
        let list = self.list.clone();
        let span = tracing::info_span!("edge", edge);
        async move {
            way.keep(|| list.borrow().contains(&edge)).await;
            edge
        }
        .instrument(span)
    }

    async fn remember(&mut self) {
        let list = self.list.borrow_and_update().clone();
        let kept = match serde_json::to_vec(&list) {
            Ok(text) => files::write_async(self.file.clone(), text).await,
            Err(error) => Err(error.into()),
        };
        if let Err(error) = kept {
            tracing::warn!(%error, "keeping which edges there are");
        }
    }
}
