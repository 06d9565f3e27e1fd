//! The line to one agent.

use std::pin::Pin;

use chassis::auth::caller;
use chassis::lease::Held;
use chassis::{Error, Result};
use contracts::agent::v1::link_service_server::LinkService;
use contracts::agent::v1::open_link_request::Message as FromAgent;
use contracts::agent::v1::open_link_response::Message as ToAgent;
use contracts::agent::v1::{Ack, Hello, OpenLinkRequest, OpenLinkResponse, Report};
use futures::Stream;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status, Streaming};

use crate::app::{App, Link};

/// Messages that may wait for a slow agent; what does not fit is said again later.
const QUEUED: usize = 256;

/// Serves `LinkService`.
#[derive(Clone, Debug)]
pub(crate) struct LinkApi {
    pub(crate) app: App,
    /// Ends the lines when the service stops.
    pub(crate) cancel: CancellationToken,
}

type Answers = Pin<Box<dyn Stream<Item = std::result::Result<OpenLinkResponse, Status>> + Send>>;

#[tonic::async_trait]
impl LinkService for LinkApi {
    type OpenLinkStream = Answers;

    async fn open_link(
        &self,
        request: Request<Streaming<OpenLinkRequest>>,
    ) -> std::result::Result<Response<Answers>, Status> {
        let principal = caller(&request)?;
        let held = self.app.leadership.held()?;
        let mut incoming = request.into_inner();
        let first = incoming
            .message()
            .await?
            .and_then(|message| message.message);
        let Some(FromAgent::Hello(hello)) = first else {
            return Err(Error::invalid("message", "the first one on a line must be hello").into());
        };
        principal.require_node(&hello.node_id)?;
        let (sender, receiver) = mpsc::channel(QUEUED);
        let line = Line {
            app: self.app.clone(),
            held,
            node_id: hello.node_id.clone(),
        };
        let cancel = self.cancel.clone();
        tokio::spawn(async move {
            let link = line.app.links.link(sender.clone());
            let unavailable = |why: &str| Err(Error::Unavailable(why.to_owned()));
            let ended = tokio::select! {
                () = cancel.cancelled() => unavailable("the scheduler is stopping"),
                // An agent with nothing to report would else never learn that another leads.
                () = line.app.leadership.until_lost(&line.held) => unavailable("this replica of the scheduler no longer leads"),
                ended = line.serve(&hello, &mut incoming, &link) => ended,
            };
            line.app.links.close(&line.node_id, &link);
            if let Err(error) = ended {
                tracing::info!(node = line.node_id, %error, "line to an agent ended");
                sender.send(Err(error.into())).await.ok();
            }
        });
        Ok(Response::new(Box::pin(ReceiverStream::new(receiver))))
    }
}

struct Line {
    app: App,
    held: Held,
    node_id: String,
}

impl Line {
    async fn serve(
        &self,
        hello: &Hello,
        incoming: &mut Streaming<OpenLinkRequest>,
        link: &Link,
    ) -> Result<()> {
        tracing::info!(
            node = self.node_id,
            held = hello.held.len(),
            "agent connected"
        );
        self.app.on_hello(&self.held, hello).await?;
        let held: Vec<_> = hello
            .held
            .iter()
            .map(|report| (report.attempt_id.clone(), report.generation))
            .collect();
        let wanted = self.app.wanted(&self.node_id, &held).await?;
        self.say(link, ToAgent::Wanted(wanted))?;
        // What was placed before the whole was read must not be told after it: it may have been stopped since.
        drop(self.app.links.telling().await);
        // Changes come after the whole, and what changed meanwhile is said now.
        self.app.links.open(&self.node_id, link);
        self.app.dispatchable.notify_one();
        for report in &hello.held {
            self.acknowledge(link, report)?;
        }
        while let Some(message) = incoming.message().await? {
            match message.message {
                Some(FromAgent::Report(report)) => {
                    self.app
                        .on_report(&self.held, &self.node_id, &report)
                        .await?;
                    self.acknowledge(link, &report)?;
                }
                Some(FromAgent::Hello(_)) | None => {
                    return Err(Error::invalid(
                        "message",
                        "after hello only reports are expected",
                    ));
                }
            }
        }
        Ok(())
    }

    fn acknowledge(&self, link: &Link, report: &Report) -> Result<()> {
        let ack = Ack {
            attempt_id: report.attempt_id.clone(),
            generation: report.generation,
            sequence: report.sequence,
        };
        self.say(link, ToAgent::Ack(ack))
    }

    fn say(&self, link: &Link, message: ToAgent) -> Result<()> {
        if link.send(OpenLinkResponse {
            epoch: self.held.epoch,
            message: Some(message),
        }) {
            return Ok(());
        }
        Err(Error::Unavailable(format!(
            "the agent of {} is too slow or gone",
            self.node_id
        )))
    }
}
