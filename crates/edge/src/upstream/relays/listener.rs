//! Where agents on other hosts connect: TLS, with a certificate on both sides. The node that a certificate names is the one whose
//! workloads its holder may serve.

use std::sync::Arc;
use std::time::Duration;

use chassis::grpc::{Connection, Listener};
use chassis::tls::Clients;
use chassis::{Address, Error, Result, authority};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tracing::Instrument as _;

use super::Relays;
use crate::config::EdgeConfig;

/// Connections of agents at once.
const CONNECTIONS: usize = 10_000;
/// Pause after the system would not give a connection, such as when all file descriptors are in use.
const ACCEPT_AGAIN: Duration = Duration::from_millis(100);

/// Where agents connect.
#[derive(Debug)]
pub(crate) struct RelayListener {
    listener: Listener,
    /// The address that agents are told.
    told: Address,
}

impl RelayListener {
    /// Listens where the configuration says; `None` = agents of other hosts do not connect here.
    ///
    /// # Errors
    /// An address that is taken, or certificates that cannot be used.
    pub(crate) async fn bind(config: &EdgeConfig) -> Result<Option<Self>> {
        let Some(address) = &config.relay_listen else {
            return Ok(None);
        };
        let tls = config.relay_tls();
        let listener = Listener::bind_for(address, tls, Clients::WithCertificate).await?;
        let told = config.relay_address.as_ref().unwrap_or(listener.address());
        Ok(Some(Self {
            told: told.clone(),
            listener,
        }))
    }

    /// The address that agents are told.
    pub(crate) fn told(&self) -> &Address {
        &self.told
    }

    /// Takes connections in until `cancel`. Those that are open last as long as the door.
    ///
    /// # Errors
    /// Never by itself.
    pub(crate) async fn serve(
        mut self,
        relays: Arc<Relays>,
        cancel: CancellationToken,
    ) -> Result<()> {
        let places = Arc::new(Semaphore::new(CONNECTIONS));
        loop {
            let accepted = tokio::select! {
                () = cancel.cancelled() => return Ok(()),
                accepted = self.listener.accept() => accepted,
            };
            let connection = match accepted {
                Ok(connection) => connection,
                Err(error) => {
                    tracing::warn!(%error, "taking an agent's connection in");
                    tokio::time::sleep(ACCEPT_AGAIN).await;
                    continue;
                }
            };
            let Ok(place) = places.clone().try_acquire_owned() else {
                relays.metrics.limit("relays");
                continue;
            };
            let span = tracing::info_span!("relay", peer = ?connection.peer(), node = tracing::field::Empty);
            match welcome(connection, &relays).instrument(span.clone()).await {
                Ok(running) => {
                    let running = async move {
                        running.await;
                        drop(place);
                    };
                    tokio::spawn(running.instrument(span));
                }
                Err(error) => span.in_scope(|| {
                    relays.metrics.relay_refused();
                    tracing::warn!(error = chassis::error::chain(&error), "an agent is refused");
                }),
            }
        }
    }
}

/// Lets an agent in whose certificate names its node; gives what runs its connection.
async fn welcome(
    connection: Connection,
    relays: &Arc<Relays>,
) -> Result<impl Future<Output = ()> + Send + use<>> {
    let node = connection
        .certificate()
        .and_then(|certificate| authority::node_of(certificate));
    let node = node.ok_or_else(|| {
        Error::Unauthenticated("the certificate that it shows names no node".to_owned())
    })?;
    tracing::Span::current().record("node", &node);
    let running = relays.take(&node, connection).await;
    let running = running.map_err(|error| Error::internal("beginning HTTP/2", error))?;
    tracing::info!("an agent is connected");
    Ok(running)
}
