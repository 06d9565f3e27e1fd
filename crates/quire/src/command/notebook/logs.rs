//! `quire notebook logs`.

use std::sync::Arc;

use anyhow::{Context, Result, bail};
use chassis::tls::{HTTP1, Trust};
use futures::StreamExt as _;

use super::find::get;
use crate::api::Api;

pub(super) async fn logs(api: &Api, id: &str, follow: bool, tail: Option<u32>) -> Result<()> {
    let notebook = get(api, id).await?;
    let mut url: reqwest::Url = notebook
        .url
        .parse()
        .context("reading the notebook's address")?;
    url.set_path("/.quire/logs");
    url.query_pairs_mut()
        .append_pair("follow", &follow.to_string());
    if let Some(lines) = tail {
        url.query_pairs_mut()
            .append_pair("tail", &lines.to_string());
    }
    let response = edge_client(&url, api.trust())?
        .get(url)
        .header("authorization", format!("token {}", notebook.token))
        .send()
        .await
        .map_err(reqwest::Error::without_url)
        .context("asking the edge for the logs")?;
    if !response.status().is_success() {
        let text = response.text().await.unwrap_or_default();
        let message = serde_json::from_str::<serde_json::Value>(&text)
            .ok()
            .and_then(|body| body.get("message")?.as_str().map(str::to_owned))
            .unwrap_or(text);
        bail!("no logs of {}: {message}", notebook.name);
    }
    let mut chunks = response.bytes_stream();
    let mut out = tokio::io::stdout();
    while let Some(chunk) = chunks.next().await {
        let chunk = chunk
            .map_err(reqwest::Error::without_url)
            .context("reading the logs")?;
        tokio::io::AsyncWriteExt::write_all(&mut out, &chunk).await?;
        tokio::io::AsyncWriteExt::flush(&mut out).await?;
    }
    Ok(())
}

/// `*.localhost` is this machine, also where the system's resolver does not know it (RFC 6761, 6.3).
fn edge_client(url: &reqwest::Url, trust: &Trust) -> Result<reqwest::Client> {
    let tls = trust.client_config(&[HTTP1])?;
    let mut client =
        reqwest::Client::builder().tls_backend_preconfigured(Arc::unwrap_or_clone(tls));
    if let Some(host) = url.host_str().filter(|host| host.ends_with(".localhost")) {
        let port = url.port_or_known_default().unwrap_or(80);
        client = client.resolve(host, std::net::SocketAddr::from(([127, 0, 0, 1], port)));
    }
    client.build().context("making an HTTP client")
}
