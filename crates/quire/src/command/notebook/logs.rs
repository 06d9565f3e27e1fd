//! `quire notebook logs`.

use anyhow::{Context, Result};
use futures::StreamExt as _;
use reqwest::Method;
use serde::Serialize;
use tokio::io::AsyncWriteExt as _;

use super::door::Door;
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
    let what = format!("no logs of {}", notebook.name);
    let follow = follow.to_string();
    let tail = tail.map(|lines| lines.to_string());
    let mut query = vec![("follow", follow.as_str())];
    query.extend(tail.iter().map(|lines| ("tail", lines.as_str())));
    let door = Door::of(api, notebook)?;
    let asked = door.ask(Method::GET, "logs", &query);
    let response = door.send(&what, asked).await?;
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
