//! Dead letters: events that no try could handle, kept where people see them and can send them again.

use std::time::Duration;

use async_nats::HeaderMap;
use async_nats::jetstream::{self, AckKind};
use futures::StreamExt as _;
use kernel::id::EventId;

use crate::{Bus, BusError, subject};

const ORIGIN: &str = "quire-subject";
const REASON: &str = "quire-reason";
const CONSUMER: &str = "quire-consumer";
/// Most letters listed at once.
const LISTED: usize = 1_000;

/// One parked event.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct DeadLetter {
    /// Number in the dead-letter stream.
    pub sequence: u64,
    /// Who could not handle it.
    pub consumer: String,
    /// Where it was published.
    pub subject: String,
    /// Full name of its type.
    pub ce_type: String,
    /// Why it was parked.
    pub reason: String,
}

pub(crate) async fn park(
    bus: &Bus,
    consumer: &str,
    message: &jetstream::Message,
    reason: &str,
) -> Result<(), BusError> {
    let mut headers = message.headers.clone().unwrap_or_default();
    headers.insert(ORIGIN, message.subject.as_str());
    // Header values hold one line.
    headers.insert(REASON, reason.replace(['\r', '\n'], " ").as_str());
    headers.insert(CONSUMER, consumer);
    let original = headers
        .get("ce-id")
        .map(|id| id.as_str().to_owned())
        .unwrap_or_default();
    headers.insert("Nats-Msg-Id", format!("{consumer}/{original}"));
    bus.jetstream()
        .publish_with_headers(
            subject::dead_letters(consumer),
            headers,
            message.payload.clone(),
        )
        .await
        .map_err(|error| BusError::failed("parking an event", error))?
        .await
        .map_err(|error| BusError::failed("parking an event", error))?;
    message
        .ack_with(AckKind::Term)
        .await
        .map_err(|error| BusError::failed("parking an event", error))
}

fn letter(headers: &HeaderMap, sequence: u64) -> DeadLetter {
    let get = |name: &str| {
        headers
            .get(name)
            .map(|value| value.as_str().to_owned())
            .unwrap_or_default()
    };
    DeadLetter {
        sequence,
        consumer: get(CONSUMER),
        subject: get(ORIGIN),
        ce_type: get("ce-type"),
        reason: get(REASON),
    }
}

/// What is parked, oldest first, at most 1,000.
///
/// # Errors
/// [`BusError`] when the server cannot be asked.
pub async fn list_dead(bus: &Bus) -> Result<Vec<DeadLetter>, BusError> {
    let failed = |error: &dyn std::fmt::Display| BusError::failed("listing dead letters", error);
    let consumer = bus
        .jetstream()
        .create_consumer_on_stream(
            jetstream::consumer::pull::Config {
                ack_policy: jetstream::consumer::AckPolicy::None,
                inactive_threshold: Duration::from_secs(10),
                ..jetstream::consumer::pull::Config::default()
            },
            subject::DEAD_STREAM,
        )
        .await
        .map_err(|error| failed(&error))?;
    let mut batch = consumer
        .fetch()
        .max_messages(LISTED)
        .messages()
        .await
        .map_err(|error| failed(&error))?;
    let mut letters = Vec::new();
    while let Some(message) = batch.next().await {
        let message = message.map_err(|error| failed(&error))?;
        let sequence = message.info().map(|info| info.stream_sequence).unwrap_or(0);
        letters.push(letter(
            message.headers.as_ref().unwrap_or(&HeaderMap::new()),
            sequence,
        ));
    }
    Ok(letters)
}

/// Publishes one parked event again, under a new id, and removes it from the dead letters.
///
/// # Errors
/// [`BusError`] when there is no such letter or the server cannot be asked.
pub async fn send_again(bus: &Bus, sequence: u64) -> Result<(), BusError> {
    let failed =
        |error: &dyn std::fmt::Display| BusError::failed("sending a dead letter again", error);
    let stream = bus
        .jetstream()
        .get_stream(subject::DEAD_STREAM)
        .await
        .map_err(|error| failed(&error))?;
    let message = stream
        .get_raw_message(sequence)
        .await
        .map_err(|error| failed(&error))?;
    let mut headers = message.headers.clone();
    let origin = letter(&headers, sequence).subject;
    headers.insert("Nats-Msg-Id", EventId::generate().to_string());
    bus.jetstream()
        .publish_with_headers(origin, headers, message.payload.clone())
        .await
        .map_err(|error| failed(&error))?
        .await
        .map_err(|error| failed(&error))?;
    stream
        .delete_message(sequence)
        .await
        .map_err(|error| failed(&error))?;
    Ok(())
}
