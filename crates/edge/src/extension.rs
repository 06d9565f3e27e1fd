//! What the notebook service is asked, as this edge: to keep a notebook alive for somebody who has opened it, and whom ssh may let
//! into it.

use std::sync::Arc;
use std::time::Duration;

use chassis::grpc::{Caller, TokenSource, connect};
use chassis::tls::Trust;
use chassis::{Error, Result};
use contracts::notebook::v1::notebook_service_client::NotebookServiceClient;
use contracts::notebook::v1::{
    ExtendVisitedNotebookRequest, ExtendVisitedNotebookResponse, ListNotebookSshKeysRequest,
};
use kernel::Clock;
use tonic::{Response, Status};

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
        in_time(asked).await
    }

    /// Public keys with which ssh may let people into the notebook now.
    ///
    /// # Errors
    /// What the service refuses, or that it does not answer now.
    pub(crate) async fn ssh_keys(&self, notebook_id: &str) -> Result<Vec<String>> {
        let request = ListNotebookSshKeysRequest {
            notebook_id: notebook_id.to_owned(),
        };
        let mut service = self.0.clone();
        let asked = service.list_notebook_ssh_keys(request);
        Ok(in_time(asked).await?.public_keys)
    }
}

async fn in_time<T>(
    asked: impl Future<Output = std::result::Result<Response<T>, Status>>,
) -> Result<T> {
    match tokio::time::timeout(ANSWER, asked).await {
        Ok(answer) => Ok(answer?.into_inner()),
        Err(_) => Err(Error::Unavailable(
            "the notebook service does not answer now; the notebook goes on as it was, try again soon"
                .to_owned(),
        )),
    }
}
