//! Dead letters: events that no try could handle, kept where people see them and can send them again.
//!
//! A letter comes again to the consumer that parked it, and to nobody else: under a subject of its own in the area's stream, so
//! that who tends the dead letters need not be able to publish what an area says.

use std::time::Duration;

use async_nats::HeaderMap;
use async_nats::jetstream::stream::{RawMessageErrorKind, Stream};
use async_nats::jetstream::{self, AckKind, consumer};
use futures::StreamExt as _;
use kernel::Timestamp;

use crate::{Bus, BusError, subject};

/// Where a parked event was published.
pub(crate) const ORIGIN: &str = "quire-subject";
const REASON: &str = "quire-reason";
/// Longest reason that is kept, in characters: headers are not for essays.
const REASON_LENGTH: usize = 1_000;
/// A reading of the letters that its reader forgot ends after this time.
const READING_ENDS: Duration = Duration::from_secs(10);

/// One parked event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeadLetter {
    /// Number in the dead-letter stream.
    pub sequence: u64,
    /// Who could not handle it.
    pub consumer: String,
    /// Its identifier; empty when it was no event at all.
    pub event_id: String,
    /// Where it was published.
    pub subject: String,
    /// Full name of its type.
    pub ce_type: String,
    /// What it is about.
    pub about: String,
    /// Why it was parked.
    pub reason: String,
    /// When it was parked.
    pub parked_at: Timestamp,
}

/// Puts `message` among the dead letters of `consumer`, and takes it off the stream for it.
pub(crate) async fn park(
    bus: &Bus,
    consumer: &str,
    message: &jetstream::Message,
    reason: &str,
) -> Result<(), BusError> {
    let failed = |error: &dyn std::fmt::Display| BusError::failed("parking an event", error);
    let mut headers = message.headers.clone().unwrap_or_default();
    // One that comes again keeps saying where it was published first.
    if headers.get(ORIGIN).is_none() || subject::again_for(&message.subject).is_none() {
        headers.insert(ORIGIN, message.subject.as_str());
    }
    // Header values hold one line.
    let line = reason.replace(['\r', '\n'], " ");
    let line: String = line.chars().take(REASON_LENGTH).collect();
    headers.insert(REASON, line.as_str());
    // Parked once for each time that it was on the stream: what was sent again and failed again is another letter.
    let sequence = message
        .info()
        .map_err(|error| failed(&error))?
        .stream_sequence;
    headers.insert("Nats-Msg-Id", format!("{consumer}/{sequence}"));
    bus.publish(
        "parking an event",
        subject::dead_letters(consumer),
        headers,
        message.payload.clone(),
    )
    .await?;
    message
        .ack_with(AckKind::Term)
        .await
        .map_err(|error| failed(&error))
}

/// What is parked behind the letter number `after`, oldest first, at most `limit`.
///
/// # Errors
/// [`BusError`] when the server cannot be asked.
pub async fn list_dead(bus: &Bus, after: u64, limit: usize) -> Result<Vec<DeadLetter>, BusError> {
    let failed = |error: &dyn std::fmt::Display| BusError::failed("listing dead letters", error);
    let reading = bus
        .jetstream()
        .create_consumer_on_stream(
            consumer::pull::Config {
                deliver_policy: consumer::DeliverPolicy::ByStartSequence {
                    start_sequence: after.saturating_add(1),
                },
                ack_policy: consumer::AckPolicy::None,
                inactive_threshold: READING_ENDS,
                ..consumer::pull::Config::default()
            },
            subject::DEAD_STREAM,
        )
        .await
        .map_err(|error| failed(&error))?;
    let mut batch = reading
        .fetch()
        .max_messages(limit)
        .messages()
        .await
        .map_err(|error| failed(&error))?;
    let mut letters = Vec::new();
    while let Some(message) = batch.next().await {
        let message = message.map_err(|error| failed(&error))?;
        let info = message.info().map_err(|error| failed(&error))?;
        let (sequence, parked_at) = (info.stream_sequence, info.published);
        let headers = message.headers.clone().unwrap_or_default();
        letters.push(letter(&message.subject, &headers, sequence, parked_at));
    }
    Ok(letters)
}

/// Sends one parked event again to the consumer that parked it, and removes it from the dead letters; `None` when there is no
/// such letter.
///
/// # Errors
/// [`BusError`] when the letter is of no consumer of ours, or the server cannot be asked.
pub async fn send_again(bus: &Bus, sequence: u64) -> Result<Option<DeadLetter>, BusError> {
    const DOING: &str = "sending a dead letter again";
    let stream = dead_stream(bus, DOING).await?;
    let message = match stream.get_raw_message(sequence).await {
        Ok(message) => message,
        Err(error) if error.kind() == RawMessageErrorKind::NoMessageFound => return Ok(None),
        Err(error) => return Err(BusError::failed(DOING, error)),
    };
    let sent = letter(&message.subject, &message.headers, sequence, message.time);
    // The subject is what the server let the parker write; the headers are the parker's own words.
    let area = subject::consumed_area(&sent.consumer)
        .ok_or_else(|| BusError::failed(DOING, format!("{:?} consumes nothing", sent.consumer)))?;
    let mut headers = message.headers;
    // Two who send the same letter again send it once.
    headers.insert("Nats-Msg-Id", format!("again/{sequence}"));
    bus.publish(
        DOING,
        subject::again(area, &sent.consumer),
        headers,
        message.payload,
    )
    .await?;
    stream
        .delete_message(sequence)
        .await
        .map_err(|error| BusError::failed(DOING, error))?;
    Ok(Some(sent))
}

/// Number of parked events.
///
/// # Errors
/// [`BusError`] when the server cannot be asked.
pub async fn count_dead(bus: &Bus) -> Result<u64, BusError> {
    const DOING: &str = "counting dead letters";
    let stream = dead_stream(bus, DOING).await?;
    Ok(stream.cached_info().state.messages)
}

async fn dead_stream(bus: &Bus, doing: &'static str) -> Result<Stream, BusError> {
    bus.jetstream()
        .get_stream(subject::DEAD_STREAM)
        .await
        .map_err(|error| BusError::failed(doing, error))
}

fn letter(subject: &str, headers: &HeaderMap, sequence: u64, parked_at: Timestamp) -> DeadLetter {
    let get = |name: &str| {
        let value = headers.get(name);
        value
            .map(|value| value.as_str().to_owned())
            .unwrap_or_default()
    };
    DeadLetter {
        sequence,
        consumer: subject::parked_by(subject).unwrap_or_default().to_owned(),
        event_id: get("ce-id"),
        subject: get(ORIGIN),
        ce_type: get("ce-type"),
        about: get("ce-subject"),
        reason: get(REASON),
        parked_at,
    }
}
