//! Tells inventory that this edge lives and where agents reach it. When inventory is silent, nothing changes: agents keep the
//! connections that they have.

use std::sync::Arc;
use std::time::Duration;

use chassis::grpc::{Caller, TokenSource, connect};
use chassis::tls::Trust;
use chassis::{Address, Result};
use contracts::inventory::v1::RegisterEdgeRequest;
use contracts::inventory::v1::inventory_service_client::InventoryServiceClient;
use kernel::Clock;
use kernel::id::EventId;
use tokio_util::sync::CancellationToken;

use crate::config::EdgeConfig;
use crate::upstream::RelayListener;

/// Pause after one that failed.
const AGAIN: Duration = Duration::from_secs(1);
/// Bounds on the pause that inventory asks for.
const SHORTEST: Duration = Duration::from_millis(100);
const LONGEST: Duration = Duration::from_secs(10);

/// What one edge says again and again.
#[derive(Debug)]
pub(crate) struct Registration {
    inventory: InventoryServiceClient<Caller>,
    edge_id: String,
    relay_address: Address,
}

impl Registration {
    /// That of an edge to which agents connect; `None` = they do not.
    ///
    /// # Errors
    /// Addresses or certificates that cannot be used.
    pub(crate) fn of(
        config: &EdgeConfig,
        relay: Option<&RelayListener>,
        clock: Arc<dyn Clock>,
    ) -> Result<Option<Self>> {
        let Some(relay) = relay else { return Ok(None) };
        let trust = Trust::from_config(config.relay_tls())?;
        let identity = connect(&config.identity, &trust)?;
        let tokens = TokenSource::new(identity, config.key.clone(), clock);
        let caller = Caller::new(connect(&config.inventory, &trust)?, tokens);
        Ok(Some(Self {
            inventory: InventoryServiceClient::new(caller),
            edge_id: EventId::generate().to_string(),
            relay_address: relay.told().clone(),
        }))
    }

    /// Registers until `cancel`.
    ///
    /// # Errors
    /// Never by itself.
    pub(crate) async fn run(self, cancel: CancellationToken) -> Result<()> {
        let mut said = String::new();
        loop {
            let registered = tokio::select! {
                () = cancel.cancelled() => return Ok(()),
                registered = self.register() => registered,
            };
            let problem = registered
                .as_ref()
                .err()
                .map(|error| chassis::error::chain(error));
            let problem = problem.unwrap_or_default();
            // Said once, however often it is tried.
            if problem != said && !problem.is_empty() {
                tracing::warn!(
                    problem,
                    "inventory does not know of this edge; trying again"
                );
            }
            said = problem;
            tokio::select! {
                () = cancel.cancelled() => return Ok(()),
                () = tokio::time::sleep(registered.unwrap_or(AGAIN)) => {}
            }
        }
    }

    /// Registers once; gives the pause until the next time.
    async fn register(&self) -> Result<Duration> {
        let request = RegisterEdgeRequest {
            edge_id: self.edge_id.clone(),
            relay_address: self.relay_address.to_string(),
        };
        let answer = self.inventory.clone().register_edge(request).await?;
        let pause = Duration::from_millis(answer.into_inner().next_in_ms.into());
        Ok(pause.clamp(SHORTEST, LONGEST))
    }
}
