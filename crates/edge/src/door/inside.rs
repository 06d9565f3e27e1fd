//! The ways of people into a notebook beside its server: a command, and ssh. In both, records of the agent's go to and fro in the
//! bodies of one request and its answer. What is sent is use of the notebook. As a WebSocket, either ends with its token and with
//! this door.

use std::sync::Arc;

use bus::Route;
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;

use super::{Door, idle};
use crate::answer::own_headers;
use crate::body::{Body, Holding, Passing, Preceded, Until};
use crate::domain::grant::Key;
use crate::refusal::Refusal;
use crate::upstream::UpstreamError;

impl Door {
    /// A command beside the notebook's server.
    pub(super) async fn exec(
        &self,
        request: Request<Incoming>,
        route: &Arc<Route>,
        key: Key,
    ) -> Result<Response<Body>, Refusal> {
        self.go_inside(request, route, key, None).await
    }

    /// A visit by ssh, of somebody whose key is one of those that the notebook service tells now: the token alone does not do.
    pub(super) async fn ssh(
        &self,
        request: Request<Incoming>,
        route: &Arc<Route>,
        key: Key,
    ) -> Result<Response<Body>, Refusal> {
        if !route.running {
            return Err(Refusal::NotRunning(route.clone()));
        }
        match self.extension.ssh_keys(&route.id).await {
            Ok(keys) => {
                let lines: String = keys.iter().map(|key| format!("{key}\n")).collect();
                self.go_inside(request, route, key, Some(lines.into()))
                    .await
            }
            Err(error) => Ok(idle::refused(&error, "nobody was let in by ssh")),
        }
    }

    async fn go_inside(
        &self,
        request: Request<Incoming>,
        route: &Arc<Route>,
        key: Key,
        keys: Option<Bytes>,
    ) -> Result<Response<Body>, Refusal> {
        let target = route.target.as_ref().filter(|_| route.running);
        let target = target.ok_or_else(|| Refusal::NotRunning(route.clone()))?;
        let most = self.config.limits.connections_per_notebook;
        let visit = self.activity.enter(&route.id, most, true);
        let visit = visit.ok_or(Refusal::NotebookFull)?;
        visit.answered();
        let body = Passing::inwards(request.into_body(), visit.clone());
        let asked = match keys {
            None => self.upstream.exec(target, "exec", body).await,
            Some(keys) => {
                let what = format!("ssh?keys={}", keys.len());
                let body = Preceded::new(keys, body).boxed_unsync();
                self.upstream.exec(target, &what, body).await
            }
        };
        match asked {
            Ok((answer, lease)) => {
                let body = Passing::outwards(answer.into_body(), None, lease);
                let (directory, part) = (self.directory.clone(), self.part.clone());
                let id = route.id.clone();
                let end = async move {
                    tokio::select! {
                        () = directory.closed(&id, &key) => {}
                        () = part.cancelled() => {}
                    }
                };
                let body = Until::new(Holding::new(body, visit).boxed_unsync(), end);
                let mut response = Response::new(body.boxed_unsync());
                own_headers(response.headers_mut(), "application/octet-stream");
                Ok(response)
            }
            Err(UpstreamError::NotThere(_)) => {
                Err(Refusal::NothingThere("its node does not run it any more"))
            }
            Err(UpstreamError::Refused(reason)) => Err(Refusal::Malformed(reason)),
            Err(UpstreamError::Busy(reason)) => Err(Refusal::Busy(reason)),
            Err(error) => {
                self.failed(&error);
                Err(Refusal::Unreachable)
            }
        }
    }
}
