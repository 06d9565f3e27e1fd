//! The edge's door of a notebook's own origin, asked with the notebook's token: so this service needs no way of its own to the nodes.

use std::time::Duration;

use chassis::{Error, Result};
use reqwest::{Body, Method, Response, StatusCode};
use secrecy::ExposeSecret as _;
use serde::Deserialize;

use super::App;
use crate::domain::origin;
use crate::store::entity::Model;

/// How the door refuses.
#[derive(Deserialize)]
struct Refusal {
    message: String,
}

impl App {
    /// Asks for `page` of the notebook's origin.
    pub(super) async fn at_door(
        &self,
        row: &Model,
        method: Method,
        page: &str,
        body: impl Into<Body> + Send,
        within: Duration,
    ) -> Result<Response> {
        let token = self.sealer.open(&row.id, &row.token_sealed)?;
        self.http
            .request(method, format!("{}/{page}", self.edge_probe))
            .header("host", origin::fqdn(&self.edge, &row.id))
            .header("authorization", format!("token {}", token.expose_secret()))
            .timeout(within)
            .body(body)
            .send()
            .await
            .map_err(failed)
    }
}

pub(super) fn failed(error: reqwest::Error) -> Error {
    Error::internal("asking a notebook", error.without_url())
}

/// The answer, or why there is none, in the door's words.
pub(super) async fn accepted(what: &str, response: Response) -> Result<Response> {
    let status = response.status();
    if status.is_success() {
        return Ok(response);
    }
    let told = response.json::<Refusal>().await;
    let why = told.map_or_else(|_| format!("the edge answers {status}"), |it| it.message);
    let text = format!("{what}: {why}");
    Err(match status {
        StatusCode::NOT_FOUND | StatusCode::BAD_REQUEST => Error::Precondition(text),
        StatusCode::TOO_MANY_REQUESTS => Error::Exhausted(text),
        _ => Error::Unavailable(text),
    })
}

/// All of an answer, of which there may be at most so much; `too_much` says what is wrong with more.
pub(super) async fn whole(
    mut response: Response,
    most: u64,
    too_much: impl Fn() -> Error,
) -> Result<Vec<u8>> {
    let mut whole = Vec::new();
    let broken =
        |_| Error::Unavailable("the notebook's node broke its answer off; try again".to_owned());
    while let Some(chunk) = response.chunk().await.map_err(broken)? {
        if (whole.len() + chunk.len()) as u64 > most {
            return Err(too_much());
        }
        whole.extend_from_slice(&chunk);
    }
    Ok(whole)
}
