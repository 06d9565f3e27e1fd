//! Plays the scheduler's line to the agents.

use std::pin::Pin;

use chassis::Error;
use chassis::auth::caller;
use contracts::agent::v1::link_service_server::LinkService;
use contracts::agent::v1::open_link_request::Message as Said;
use contracts::agent::v1::open_link_response::Message as Heard;
use contracts::agent::v1::*;
use tokio_stream::{Stream, StreamExt as _};
use tonic::{Request, Response, Status, Streaming};

/// Plays the line: answers a hello with nothing wanted, a report with its acknowledgement, and ends with a status of many
/// parts at a report of attempt 0.
pub(crate) struct Link;

fn refusal() -> Status {
    let mut status = Status::from(Error::invalid("attempt_id", "is empty"));
    status
        .metadata_mut()
        .insert("x-trail", "kept".parse().unwrap());
    status
}

fn hear(epoch: u64, said: OpenLinkRequest) -> Result<OpenLinkResponse, Status> {
    let message = match said.message {
        Some(Said::Hello(_)) => Heard::Wanted(Wanted::default()),
        Some(Said::Report(report)) if report.attempt_id.is_empty() => return Err(refusal()),
        Some(Said::Report(report)) => Heard::Ack(Ack {
            attempt_id: report.attempt_id,
            generation: report.generation,
            sequence: report.sequence,
        }),
        None => return Err(refusal()),
    };
    Ok(OpenLinkResponse {
        epoch,
        message: Some(message),
    })
}

#[tonic::async_trait]
impl LinkService for Link {
    type OpenLinkStream = Pin<Box<dyn Stream<Item = Result<OpenLinkResponse, Status>> + Send>>;

    async fn open_link(
        &self,
        request: Request<Streaming<OpenLinkRequest>>,
    ) -> Result<Response<Self::OpenLinkStream>, Status> {
        let principal = caller(&request)?;
        let timeout = request.metadata().get("grpc-timeout").cloned();
        let answers = request
            .into_inner()
            .map(|said| said.and_then(|said| hear(7, said)));
        let mut response = Response::new(Box::pin(answers) as Self::OpenLinkStream);
        response
            .metadata_mut()
            .insert("x-principal", format!("{principal:?}").parse().unwrap());
        if let Some(timeout) = timeout {
            response.metadata_mut().insert("x-timeout", timeout);
        }
        Ok(response)
    }
}
