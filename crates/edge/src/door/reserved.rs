//! The door's own pages on each notebook's origin: `/.quire/health`, `/.quire/logs`, `/.quire/files`, those that lead inside
//! ([`super::inside`]), and what belongs to idle notebooks ([`super::idle`]).

use std::sync::Arc;

use bus::Route;
use http::{Method, Request, Response};
use hyper::body::Incoming;
use serde_json::json;

use super::{Door, idle};
use crate::answer::{json_answer, own_headers};
use crate::body::{Body, Passing};
use crate::domain::credential::Access;
use crate::domain::grant::Key;
use crate::domain::query::{Query, encode};
use crate::refusal::Refusal;
use crate::upstream::{LogsQuery, UpstreamError};

const PREFIX: &str = "/.quire";
/// Most lines that `tail` may ask for.
const LONGEST_TAIL: u32 = 1_000_000;

/// Whether the path is one of the door's own.
pub(super) fn is_reserved(path: &str) -> bool {
    path.strip_prefix(PREFIX)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

impl Door {
    /// Answers one of the door's own pages.
    pub(super) async fn reserved(
        &self,
        request: Request<Incoming>,
        route: &Arc<Route>,
        query: &Query,
        access: Access,
        key: Key,
    ) -> Result<Response<Body>, Refusal> {
        let path = request.uri().path().to_owned();
        let page = path.strip_prefix(PREFIX);
        if page == Some("/files") {
            return self.files(request, route, query).await;
        }
        if let Some("/exec" | "/ssh") = page
            && *request.method() == Method::POST
        {
            // No page needs it, and no cookie shall do for it.
            if access != Access::Header {
                return Err(Refusal::NoToken);
            }
            return match page {
                Some("/ssh") => self.ssh(request, route, key).await,
                _ => self.exec(request, route, key).await,
            };
        }
        if page == Some("/extend") && *request.method() == Method::POST {
            return self.extend(request, route).await;
        }
        if !matches!(*request.method(), Method::GET | Method::HEAD) {
            return Err(Refusal::Malformed(format!(
                "{} is not understood here; use GET",
                request.method()
            )));
        }
        match page {
            Some("/health") => Ok(json_answer(
                &json!({ "running": route.running, "state": route.state, "reason": route.reason }),
            )),
            Some("/logs") => self.logs(route, logs_query(query)?).await,
            Some("/status") => Ok(idle::status(route)),
            Some("/signs") => self.measured(route, "signs").await,
            Some("/usage") => self.measured(route, "usage").await,
            Some("/notice.js") => Ok(idle::notice()),
            _ => Err(Refusal::NoPage),
        }
    }

    /// The notebook's files, whether it runs or not: GET lists, POST packs, PUT unpacks, DELETE removes.
    async fn files(
        &self,
        request: Request<Incoming>,
        route: &Route,
        query: &Query,
    ) -> Result<Response<Body>, Refusal> {
        let method = request.method().clone();
        let kind = match method {
            Method::GET => "application/octet-stream",
            Method::POST => "application/x-tar",
            Method::PUT | Method::DELETE => "application/json",
            _ => {
                return Err(Refusal::Malformed(format!(
                    "{method} is not understood here; use GET, POST, PUT or DELETE"
                )));
            }
        };
        let target = route.target.as_ref().ok_or(Refusal::NothingThere(
            "the notebook has not run yet: its files are nowhere",
        ))?;
        let path = query.value("path").unwrap_or_default();
        let grows = query.value("grows").map(|bytes| {
            bytes.parse::<u64>().map_err(|_| {
                Refusal::Malformed(format!("grows: {bytes:?} is not a number of bytes"))
            })
        });
        let place = match grows.transpose()? {
            Some(bytes) => format!("path={}&grows={bytes}", encode(&path)),
            None => format!("path={}", encode(&path)),
        };
        let body = Passing::unseen(request.into_body());
        match self.upstream.files(target, method, &place, body).await {
            Ok((answer, lease)) => {
                let body = Passing::outwards(answer.into_body(), None, lease);
                let mut response = Response::new(body);
                own_headers(response.headers_mut(), kind);
                Ok(response)
            }
            Err(UpstreamError::NotThere(_)) => {
                Err(Refusal::NothingThere("there is no such file on its node"))
            }
            Err(UpstreamError::Refused(reason)) => Err(Refusal::Malformed(reason)),
            Err(UpstreamError::Busy(reason)) => Err(Refusal::Busy(reason)),
            Err(error) => {
                self.failed(&error);
                Err(Refusal::Unreachable)
            }
        }
    }

    async fn logs(&self, route: &Route, query: LogsQuery) -> Result<Response<Body>, Refusal> {
        let target = route.target.as_ref().ok_or(Refusal::NothingThere(
            "the notebook has not run yet: there are no logs",
        ))?;
        match self.upstream.logs(target, query).await {
            Ok((answer, lease)) => {
                let body = Passing::outwards(answer.into_body(), None, lease);
                let mut response = Response::new(body);
                own_headers(response.headers_mut(), "text/plain; charset=utf-8");
                Ok(response)
            }
            Err(UpstreamError::NotThere(reason)) => {
                tracing::debug!(reason, "no logs");
                Err(Refusal::NothingThere(
                    "the notebook's node does not have these logs any more",
                ))
            }
            Err(error) => {
                self.failed(&error);
                Err(Refusal::Unreachable)
            }
        }
    }
}

fn logs_query(query: &Query) -> Result<LogsQuery, Refusal> {
    let follow = match query.value("follow").as_deref() {
        None | Some("" | "false" | "0") => false,
        Some("true" | "1") => true,
        Some(_) => {
            return Err(Refusal::Malformed(
                "follow: expected true or false".to_owned(),
            ));
        }
    };
    let tail = match query.value("tail").as_deref() {
        None | Some("") => None,
        Some(lines) => Some(
            lines
                .parse()
                .ok()
                .filter(|lines| *lines <= LONGEST_TAIL)
                .ok_or_else(|| {
                    Refusal::Malformed(format!(
                        "tail: expected a number of lines up to {LONGEST_TAIL}"
                    ))
                })?,
        ),
    };
    Ok(LogsQuery { follow, tail })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn own_pages_are_told_from_the_notebooks() {
        assert!(is_reserved("/.quire") && is_reserved("/.quire/logs"));
        assert!(
            !is_reserved("/.quirex")
                && !is_reserved("/lab/.quire/logs")
                && !is_reserved("//.quire/logs")
        );
    }

    #[test]
    fn log_queries_are_checked() {
        let read = |query: &str| {
            logs_query(&Query::read(query))
                .map(|query| (query.follow, query.tail))
                .ok()
        };
        assert_eq!(read(""), Some((false, None)));
        assert_eq!(read("follow=true&tail=20"), Some((true, Some(20))));
        assert_eq!(read("follow=maybe"), None);
        assert_eq!(read("tail=-1"), None);
        assert_eq!(read("tail=1000001"), None);
    }
}
