//! Keeps the node's certificate fresh: a new one at two thirds of its life, and at once where there is none.

use std::sync::Arc;
use std::time::Duration;

use chassis::grpc::Caller;
use chassis::{Result, tasks};
use contracts::inventory::v1::RenewNodeCertificateRequest;
use contracts::inventory::v1::inventory_service_client::InventoryServiceClient;
use kernel::Clock;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::credentials::Credentials;

/// How often the certificate's age is looked at, and a renewal that failed is tried again.
const LOOK: Duration = Duration::from_secs(60);

/// One node's renewals.
#[derive(Debug)]
pub(crate) struct Renewal {
    pub(crate) caller: Caller,
    pub(crate) node_id: String,
    pub(crate) credentials: Credentials,
    pub(crate) clock: Arc<dyn Clock>,
}

impl Renewal {
    /// Renews until `cancel`.
    ///
    /// # Errors
    /// Never by itself.
    pub(crate) async fn run(self, cancel: CancellationToken) -> Result<()> {
        let doing = "renewing the node's certificate";
        tasks::repeat(doing, Arc::new(Notify::new()), LOOK, cancel, || {
            self.renew_if_due()
        })
        .await
    }

    async fn renew_if_due(&self) -> Result<()> {
        let due = self.credentials.renew_at()?;
        if due.is_some_and(|due| self.clock.now() < due) {
            return Ok(());
        }
        let request = RenewNodeCertificateRequest {
            node_id: self.node_id.clone(),
            certificate_request: self.credentials.request()?,
        };
        let mut inventory = InventoryServiceClient::new(self.caller.clone());
        let answer = inventory
            .renew_node_certificate(request)
            .await?
            .into_inner();
        self.credentials
            .keep(&answer.certificate_chain, &answer.authority)?;
        tracing::info!("the node has a new certificate");
        Ok(())
    }
}
