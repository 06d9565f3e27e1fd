//! `quire notebook logs`.

use std::sync::Arc;

use anyhow::{Context, Result, bail};
use chassis::tls::{HTTP1, Trust};
use futures::StreamExt as _;
use serde::Serialize;
use tokio::io::AsyncWriteExt as _;

use super::find::get;
use crate::api::Api;
use crate::cli::Output;

/// One line, for programs.
#[derive(Debug, Serialize)]
struct LogLine<'a> {
    line: std::borrow::Cow<'a, str>,
}

/// Writes what comes, as it comes, or each line as an object on a line of its own.
pub(super) async fn logs(
    api: &Api,
    output: Output,
    id: &str,
    follow: bool,
    tail: Option<u32>,
) -> Result<()> {
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
    let mut unfinished = Vec::new();
    while let Some(chunk) = chunks.next().await {
        let chunk = chunk
            .map_err(reqwest::Error::without_url)
            .context("reading the logs")?;
        match output {
            Output::Table => write(&chunk).await?,
            Output::Json => {
                unfinished.extend_from_slice(&chunk);
                write(&finished_lines(&mut unfinished)?).await?;
            }
        }
    }
    if !unfinished.is_empty() {
        unfinished.push(b'\n');
    }
    write(&finished_lines(&mut unfinished)?).await
}

async fn write(bytes: &[u8]) -> Result<()> {
    let mut out = tokio::io::stdout();
    out.write_all(bytes).await?;
    Ok(out.flush().await?)
}

/// Takes the lines that have ended out of `text`, each as JSON on a line of its own.
fn finished_lines(text: &mut Vec<u8>) -> Result<Vec<u8>> {
    let end = text.iter().rposition(|byte| *byte == b'\n');
    let rest = text.split_off(end.map_or(0, |end| end + 1));
    let ended = std::mem::replace(text, rest);
    let mut json = Vec::new();
    for line in ended.split_inclusive(|byte| *byte == b'\n') {
        let line = line.strip_suffix(b"\n").unwrap_or(line);
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let line = LogLine {
            line: String::from_utf8_lossy(line),
        };
        serde_json::to_writer(&mut json, &line)?;
        json.push(b'\n');
    }
    Ok(json)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_objects_however_they_arrive() {
        let mut text = Vec::new();
        let mut said = Vec::new();
        for part in ["one\ntw", "o \"2\"\r", "\n\nthr", "ee"] {
            text.extend_from_slice(part.as_bytes());
            said.extend(finished_lines(&mut text).unwrap());
        }
        let expected = "{\"line\":\"one\"}\n{\"line\":\"two \\\"2\\\"\"}\n{\"line\":\"\"}\n";
        assert_eq!(String::from_utf8(said).unwrap(), expected);
        assert_eq!(text, b"three");
    }
}
