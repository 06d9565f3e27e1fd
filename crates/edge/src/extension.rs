//! Keeping a notebook alive for somebody who has opened it: the notebook service is asked, as this edge.

use std::sync::Arc;
use std::time::Duration;

use chassis::grpc::{Caller, TokenSource, connect};
use chassis::tls::Trust;
use chassis::{Error, Result};
use contracts::notebook::v1::notebook_service_client::NotebookServiceClient;
use contracts::notebook::v1::{ExtendVisitedNotebookRequest, ExtendVisitedNotebookResponse};
use kernel::Clock;

use crate::config::EdgeConfig;

/// Time that the notebook service has to answer.
const ANSWER: Duration = Duration::from_secs(5);

/// Asks the notebook service.
#[derive(Clone, Debug)]
pub(crate) struct Extension(NotebookServiceClient<Caller>);

impl Extension {
    /// Connects when it is first needed.
    ///
    /// # Errors
    /// Addresses or certificates that cannot be used.
    pub(crate) fn of(config: &EdgeConfig, clock: Arc<dyn Clock>) -> Result<Self> {
        let trust = Trust::from_config(config.relay_tls())?;
        let identity = connect(&config.identity, &trust)?;
        let tokens = TokenSource::new(identity, config.key.clone(), clock);
        let caller = Caller::new(connect(&config.notebook, &trust)?, tokens);
        Ok(Self(NotebookServiceClient::new(caller)))
    }

    /// Keeps the notebook for so long from now.
    ///
    /// # Errors
    /// What the service refuses, or that it does not answer now.
    pub(crate) async fn extend(
        &self,
        notebook_id: &str,
        seconds: u32,
    ) -> Result<ExtendVisitedNotebookResponse> {
        let request = ExtendVisitedNotebookRequest {
            notebook_id: notebook_id.to_owned(),
            seconds,
        };
        let mut service = self.0.clone();
        let asked = service.extend_visited_notebook(request);
        match tokio::time::timeout(ANSWER, asked).await {
            Ok(answer) => Ok(answer?.into_inner()),
            Err(_) => Err(Error::Unavailable(
                "the notebook service does not answer now; the notebook goes on as it was, try again soon"
                    .to_owned(),
            )),
        }
    }
}
