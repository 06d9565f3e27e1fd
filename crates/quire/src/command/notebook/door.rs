//! The pages that a notebook's own origin has beside Jupyter: `/.quire/…`.

use std::sync::Arc;

use anyhow::{Context, Result, bail};
use chassis::tls::{HTTP1, Trust};
use contracts::notebook::v1::Notebook;
use reqwest::{Client, Method, RequestBuilder, Response, Url};

use crate::api::Api;

/// The way to them, with the notebook's token.
#[derive(Debug)]
pub(super) struct Door {
    http: Client,
    origin: Url,
    token: String,
    /// Whose.
    pub(super) name: String,
}

impl Door {
    pub(super) fn of(api: &Api, notebook: Notebook) -> Result<Self> {
        let origin: Url = notebook
            .url
            .parse()
            .context("reading the notebook's address")?;
        Ok(Self {
            http: client(&origin, api.trust())?,
            origin,
            token: notebook.token,
            name: notebook.name,
        })
    }

    /// A request of `/.quire/PAGE` with these parameters.
    pub(super) fn ask(&self, method: Method, page: &str, query: &[(&str, &str)]) -> RequestBuilder {
        let mut url = self.origin.clone();
        url.set_path(&format!("/.quire/{page}"));
        url.query_pairs_mut().extend_pairs(query);
        self.http
            .request(method, url)
            .header("authorization", format!("token {}", self.token))
    }

    /// Sends a request; what the door refuses is told in its words after `what`.
    pub(super) async fn send(&self, what: &str, request: RequestBuilder) -> Result<Response> {
        let response = request
            .send()
            .await
            .map_err(reqwest::Error::without_url)
            .with_context(|| format!("{what}: asking the edge"))?;
        if response.status().is_success() {
            return Ok(response);
        }
        let text = response.text().await.unwrap_or_default();
        let message = serde_json::from_str::<serde_json::Value>(&text)
            .ok()
            .and_then(|body| body.get("message")?.as_str().map(str::to_owned))
            .unwrap_or(text);
        bail!("{what}: {message}")
    }
}

/// `*.localhost` is this machine, also where the system's resolver does not know it (RFC 6761, 6.3).
fn client(url: &Url, trust: &Trust) -> Result<Client> {
    let tls = trust.client_config(&[HTTP1])?;
    let mut client = Client::builder().tls_backend_preconfigured(Arc::unwrap_or_clone(tls));
    if let Some(host) = url.host_str().filter(|host| host.ends_with(".localhost")) {
        let port = url.port_or_known_default().unwrap_or(80);
        client = client.resolve(host, std::net::SocketAddr::from(([127, 0, 0, 1], port)));
    }
    client.build().context("making an HTTP client")
}
