//! Passing a request on to the notebook and its answer back.

use std::sync::Arc;

use bus::Route;
use http::header::AUTHORIZATION;
use http::uri::{PathAndQuery, Uri};
use http::{Request, Response, StatusCode, Version};
use hyper::body::Incoming;
use hyper::upgrade::{OnUpgrade, on as upgrade_of};
use tokio::time::Instant;

use super::{Admitted, Answered, Door, Sender, tunnel};
use crate::activity::Visit;
use crate::body::{Body, Passing};
use crate::domain::grant::{Grant, Key};
use crate::domain::headers::{self, Visitor};
use crate::domain::{query, usage};
use crate::refusal::Refusal;
use crate::upstream::{Lease, Opened, SendError, UpstreamError};

/// How often a notebook is tried, as long as not a byte was sent.
const TRIES: usize = 3;

/// A notebook, and what opened it.
struct Entrance {
    id: String,
    key: Key,
}

impl Door {
    /// Passes a request on.
    pub(super) async fn forward(&self, admitted: Admitted<'_>) -> Result<Answered, Refusal> {
        let Admitted {
            mut request,
            route,
            port,
            host,
            websocket,
            sender,
            key,
        } = admitted;
        let most = self.config.limits.connections_per_notebook;
        let path = request.uri().path();
        let used = match (port, websocket) {
            // Who only looks keeps nothing alive that others pay for.
            _ if key.grant == Grant::View => false,
            (Some(_), true) => true,
            (Some(_), false) => usage::is_use_of_program(request.method(), request.headers()),
            (None, true) => usage::is_used_socket(path),
            (None, false) => usage::is_use(request.method(), path),
        };
        let visit = self.activity.enter(&route.id, most, used).ok_or_else(|| {
            self.metrics.limit("connections_per_notebook");
            Refusal::NotebookFull
        })?;
        let client = websocket.then(|| upgrade_of(&mut request));
        let visitor = Visitor {
            peer: sender.peer,
            host: &host,
            secure: self.config.is_secure(),
        };
        let request = to_notebook(request, &visitor, client.is_some(), &visit)?;
        let opened = Entrance {
            id: route.id.clone(),
            key,
        };
        let (response, lease) = self.ask(route, port, request, &visit).await?;
        if response.status() == StatusCode::SWITCHING_PROTOCOLS {
            visit.becomes_websocket();
        }
        visit.answered();
        match (response.status(), client) {
            (StatusCode::SWITCHING_PROTOCOLS, Some(client)) => {
                let socket = self.join(response, client, visit, opened, sender);
                Ok(("websocket", socket))
            }
            (StatusCode::SWITCHING_PROTOCOLS, None) => Err(Refusal::Unreachable),
            _ => Ok(("passed_on", to_visitor(response, visit, lease))),
        }
    }

    /// Sends the request and waits for the head of the answer. While nothing was sent, another connection, or another attempt
    /// of the workload, may have it.
    async fn ask(
        &self,
        mut route: Arc<Route>,
        port: Option<u16>,
        mut request: Request<Body>,
        visit: &Visit,
    ) -> Result<(Response<Incoming>, Lease), Refusal> {
        let began = Instant::now();
        for _ in 0..TRIES {
            let Some(target) = route.target.as_ref().filter(|_| route.running) else {
                return Err(Refusal::NotRunning(route));
            };
            let opened = match port {
                Some(port) => self.upstream.open_port(target, port).await,
                None => self.upstream.open(target).await,
            };
            let error = match (opened, port) {
                (
                    Ok(Opened {
                        mut lease,
                        authorization,
                    }),
                    _,
                ) => {
                    if let Some(authorization) = authorization {
                        request.headers_mut().insert(AUTHORIZATION, authorization);
                    }
                    self.metrics.handed_on(began.elapsed());
                    match self.send(&mut lease, request, visit).await? {
                        Ok(response) => return Ok((response, lease)),
                        Err((unsent, error)) => {
                            request = unsent;
                            error
                        }
                    }
                }
                (Err(UpstreamError::Silent(_)), Some(port)) => {
                    return Err(Refusal::PortClosed(port));
                }
                (Err(UpstreamError::Refused(reason)), Some(_)) => {
                    return Err(Refusal::Malformed(reason));
                }
                (Err(error), _) => error,
            };
            self.failed(&error);
            let newest = self.directory.look_up(&route.id).await;
            route = newest.ok_or(Refusal::UnknownHost)?;
        }
        Err(Refusal::Unreachable)
    }

    /// Sends the request on one connection; gives it back when not a byte of it was sent.
    async fn send(
        &self,
        lease: &mut Lease,
        request: Request<Body>,
        visit: &Visit,
    ) -> Result<Sent, Refusal> {
        let sent = tokio::select! {
            sent = lease.send(request) => sent,
            () = visit.silent(self.config.limits.answer_time()) => {
                self.metrics.limit("answer_seconds");
                return Err(Refusal::TooSlow);
            }
        };
        match sent {
            Ok(response) => Ok(Ok(response)),
            Err(SendError {
                error,
                unsent: Some(request),
            }) => Ok(Err((request, error))),
            Err(SendError {
                error,
                unsent: None,
            }) => {
                self.failed(&error);
                Err(Refusal::Unreachable)
            }
        }
    }

    /// Counts and tells that a notebook could not be reached.
    pub(super) fn failed(&self, error: &UpstreamError) {
        self.metrics.upstream_error(error.kind());
        tracing::info!(error = chassis::error::chain(error), "reaching a notebook");
    }

    /// Lets bytes through between the two ends of a WebSocket.
    fn join(
        &self,
        mut response: Response<Incoming>,
        client: OnUpgrade,
        visit: Arc<Visit>,
        opened: Entrance,
        sender: &Sender,
    ) -> Response<Body> {
        let notebook = upgrade_of(&mut response);
        let (idle, metrics, part) = (
            self.config.limits.upgraded_idle_time(),
            self.metrics.clone(),
            self.part.clone(),
        );
        let (slot, directory) = (sender.slot.clone(), self.directory.clone());
        self.open.spawn(async move {
            match tokio::try_join!(client, notebook) {
                Ok((client, notebook)) => {
                    let rotated = directory.closed(&opened.id, &opened.key);
                    match tunnel::run(client, notebook, &visit, idle, rotated, &part).await {
                        tunnel::End::Closed => {}
                        tunnel::End::Silent => metrics.limit("upgraded_idle_seconds"),
                        tunnel::End::Rotated => {
                            tracing::debug!(id = opened.id, "a websocket ended with its token");
                        }
                    }
                }
                Err(error) => tracing::debug!(%error, "a websocket was not taken up"),
            }
            drop(slot);
        });
        let (mut parts, _) = response.into_parts();
        headers::to_visitor(&mut parts.headers, true);
        Response::from_parts(parts, crate::body::full(""))
    }
}

/// The answer, or the request that was not sent and why.
type Sent = Result<Response<Incoming>, (Request<Body>, UpstreamError)>;

fn to_notebook(
    request: Request<Incoming>,
    visitor: &Visitor<'_>,
    websocket: bool,
    visit: &Arc<Visit>,
) -> Result<Request<Body>, Refusal> {
    let (mut parts, body) = request.into_parts();
    let asked = parts
        .uri
        .path_and_query()
        .cloned()
        .unwrap_or_else(|| PathAndQuery::from_static("/"));
    let asked = query::forwarded(&asked)
        .ok_or_else(|| Refusal::Malformed("the URL cannot be read".to_owned()))?;
    parts.uri = Uri::from(asked);
    parts.version = Version::HTTP_11;
    headers::to_notebook(&mut parts.headers, visitor, websocket);
    let body = Passing::inwards(body, visit.clone());
    Ok(Request::from_parts(parts, body))
}

fn to_visitor(response: Response<Incoming>, visit: Arc<Visit>, lease: Lease) -> Response<Body> {
    let (mut parts, body) = response.into_parts();
    headers::to_visitor(&mut parts.headers, false);
    // Each connection speaks its own version.
    parts.version = Version::default();
    Response::from_parts(parts, Passing::outwards(body, Some(visit), Some(lease)))
}
