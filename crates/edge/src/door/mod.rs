//! The way of a request: whose it is, whether it may enter, and where it goes.

mod forward;
mod health;
mod idle;
mod inside;
mod listener;
mod pulse;
mod reserved;
mod show;
mod tunnel;

use std::net::IpAddr;
use std::sync::Arc;

use bus::Route;
use chassis::Result;
use http::header::AUTHORIZATION;
use http::{Method, Request, Response};
use hyper::body::Incoming;
use kernel::Clock;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::Instrument as _;

use crate::activity::Activity;
use crate::answer;
use crate::body::Body;
use crate::config::EdgeConfig;
use crate::directory::Directory;
use crate::domain::credential::{self, Access, NoAccess};
use crate::domain::grant::{self, Grant, Key};
use crate::domain::headers;
use crate::domain::origin::{self, Host};
use crate::domain::query::{self, Query};
use crate::extension::Extension;
use crate::metrics::Metrics;
use crate::refusal::Refusal;
use crate::upstream::{Relays, Upstream};
use listener::Slot;
pub(crate) use listener::serve;

/// All that requests need.
#[derive(Debug)]
pub(crate) struct Door {
    config: EdgeConfig,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) directory: Arc<Directory>,
    pub(crate) upstream: Upstream,
    pub(crate) activity: Activity,
    extension: Extension,
    metrics: Arc<Metrics>,
    /// Connections and WebSockets.
    open: TaskTracker,
    /// Asks WebSockets to end.
    part: CancellationToken,
}

/// Who sent a request.
#[derive(Clone, Debug)]
struct Sender {
    peer: IpAddr,
    /// The connection's place among all: a WebSocket keeps it.
    slot: Arc<Slot>,
}

/// A request that may enter.
struct Admitted<'a> {
    request: Request<Incoming>,
    route: Arc<Route>,
    /// Another port of the notebook than its own server's.
    port: Option<u16>,
    host: Host,
    websocket: bool,
    sender: &'a Sender,
    /// What opened the notebook.
    key: Key,
}

/// What became of a request, for the metric, and its answer.
type Answered = (&'static str, Response<Body>);

impl Door {
    /// A door that is not open yet.
    pub(crate) fn new(
        config: EdgeConfig,
        clock: Arc<dyn Clock>,
        directory: Directory,
        extension: Extension,
    ) -> Self {
        let metrics = Arc::new(Metrics::new());
        let domain = config.domain.to_ascii_lowercase();
        let relays = Relays::new(config.relay_listen.is_some(), metrics.clone());
        Self {
            upstream: Upstream::new(config.relay_dir.clone(), relays.into()),
            activity: Activity::new(clock.clone(), metrics.clone()),
            config: EdgeConfig { domain, ..config },
            clock,
            directory: Arc::new(directory),
            extension,
            metrics,
            open: TaskTracker::new(),
            part: CancellationToken::new(),
        }
    }

    /// Answers a request, whatever it is.
    async fn answer(&self, request: Request<Incoming>, sender: &Sender) -> Response<Body> {
        let html = headers::wants_html(request.headers());
        let span = tracing::debug_span!("request", method = %request.method(), route = tracing::field::Empty);
        let (outcome, response) = match self.admit(request, sender).instrument(span.clone()).await {
            Ok(answered) => answered,
            Err(refusal) => (refusal.outcome(), answer::refuse(&refusal, html)),
        };
        span.in_scope(|| tracing::debug!(outcome, status = response.status().as_u16(), "answered"));
        self.metrics.request(outcome);
        response
    }

    async fn admit(
        &self,
        mut request: Request<Incoming>,
        sender: &Sender,
    ) -> Result<Answered, Refusal> {
        let (host, route, port) = match self.route(&request) {
            Err(Refusal::UnknownHost) if health::is_asked(&request) => {
                return Ok(("health", health::serving()));
            }
            found => found?,
        };
        tracing::Span::current().record("route", &route.id);
        let query = Query::read(request.uri().query().unwrap_or_default());
        let opener = route.clone();
        let now = self.clock.now();
        let opens = |token: &[u8]| grant::key_of(&opener, token, now);
        let checked = credential::check(opens, &query, request.headers());
        let (access, key) = checked.map_err(|no| match no {
            NoAccess::Missing => Refusal::NoToken,
            NoAccess::Wrong => Refusal::WrongToken,
        })?;
        let websocket =
            headers::wants_websocket(request.method(), request.version(), request.headers());
        let foreign = || origin::is_foreign(&host, request.method(), request.headers(), websocket);
        if access == Access::Cookie && foreign() {
            return Err(Refusal::Foreign);
        }
        if access == Access::Query
            && !websocket
            && let Some(redirect) = self.keep_token(&request, opens, &query)
        {
            return Ok(("redirected", redirect));
        }
        if key.grant == Grant::View
            && let Some(page) = show::own_page(&request, port, websocket)?
        {
            return Ok(("shown", page));
        }
        if reserved::is_reserved(request.uri().path()) {
            // What listens at another port is a program of anybody's: its pages may not use the notebook's own.
            if port.is_some() {
                return Err(Refusal::NoPage);
            }
            let answer = self.reserved(request, &route, &query, access, key).await?;
            return Ok(("reserved", answer));
        }
        if credential::opens_by_header(opens, request.headers()) {
            // It was for the door; a program behind another port may have one of its own.
            request.headers_mut().remove(AUTHORIZATION);
        }
        self.forward(Admitted {
            request,
            route,
            port,
            host,
            websocket,
            sender,
            key,
        })
        .await
    }

    fn route(
        &self,
        request: &Request<Incoming>,
    ) -> Result<(Host, Arc<Route>, Option<u16>), Refusal> {
        if !headers::is_passed_on(request.method()) {
            return Err(Refusal::Malformed(format!(
                "the method {} is not passed on",
                request.method()
            )));
        }
        let host = Host::of(request.uri(), request.headers())
            .ok_or_else(|| Refusal::Malformed("expected exactly one host name".to_owned()))?;
        let place = host.place(&self.config.domain);
        let place = place.ok_or(Refusal::UnknownHost)?;
        let route = self.directory.find(&place.id);
        let route = route.ok_or(Refusal::UnknownHost)?;
        Ok((host, route, place.port))
    }

    /// A browser that opens a page with the token in its URL gets a cookie and the URL without it.
    fn keep_token(
        &self,
        request: &Request<Incoming>,
        opens: impl Fn(&[u8]) -> Option<Key>,
        query: &Query,
    ) -> Option<Response<Body>> {
        if request.method() != Method::GET || !headers::wants_html(request.headers()) {
            return None;
        }
        let token = credential::right_one(opens, query)?;
        let cookie = credential::cookie(token, self.config.is_secure())?;
        answer::redirect(&query::local_redirect(request.uri().path(), query), cookie)
    }
}
