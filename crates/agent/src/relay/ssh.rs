//! Visits by ssh: `sshd` of this host runs inside the sandbox for one connection, as the workload's own user, like any other command
//! of its people. It listens nowhere; the door has checked the visitor's token, and tells whose keys may come in.

use std::collections::BTreeMap;

use axum::body::Body;
use axum::extract::{Path as Segments, Query, State};
use axum::response::Response;
use bytes::{Bytes, BytesMut};
use chassis::{Error, Result};
use futures::{StreamExt as _, TryStreamExt as _};
use serde::Deserialize;

use super::{Relay, exec, not_here, refusal};
use crate::exec::{Begin, Frame};
use crate::ssh::{is_there, server};

/// Most bytes of keys that are told: a thousand of the longest usual ones.
const MOST_KEYS: usize = 768 << 10;

#[derive(Debug, Deserialize)]
pub(super) struct SshQuery {
    /// So many bytes of the body are keys, one a line; records follow.
    keys: usize,
}

/// Lets a visitor by ssh into a workload that runs here. The first line of the errors is the public key by which the workload is
/// known.
pub(super) async fn ssh(
    State(relay): State<Relay>,
    Segments((workload, generation)): Segments<(String, u64)>,
    Query(query): Query<SshQuery>,
    body: Body,
) -> Response {
    let Some(entry) = relay.board.find(&workload, generation) else {
        return not_here(&workload, generation);
    };
    let begun = async {
        is_there()?;
        let (keys, records) = split(body, query.keys).await?;
        let first = |variables: &BTreeMap<String, String>| {
            Frame::Begin(Begin {
                command: server(variables, keys.lines()),
                terminal: None,
            })
            .encode()
        };
        exec::begin(&relay, &entry.job, "ssh", first, records).await
    };
    match begun.await {
        Ok(running) => exec::answer(running),
        Err(error) => refusal(&error),
    }
}

/// The first bytes of a body as text, and the rest.
async fn split(body: Body, length: usize) -> Result<(String, Body)> {
    if length > MOST_KEYS {
        let problem = format!("has {length} bytes; {MOST_KEYS} are allowed");
        return Err(Error::invalid("keys", problem));
    }
    let mut chunks = body.into_data_stream();
    let mut first = BytesMut::new();
    while first.len() < length {
        match chunks.try_next().await {
            Ok(Some(chunk)) => first.extend_from_slice(&chunk),
            _ => return Err(Error::invalid("keys", "end before they are whole")),
        }
    }
    let rest = first.split_off(length).freeze();
    let text = String::from_utf8(first.into())
        .map_err(|_| Error::invalid("keys", "are no text; expected one key a line"))?;
    let rest = futures::stream::once(async { Ok::<Bytes, axum::Error>(rest) });
    Ok((text, Body::from_stream(rest.chain(chunks))))
}
