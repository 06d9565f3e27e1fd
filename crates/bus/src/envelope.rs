//! The envelope: `CloudEvents` 1.0, binary content mode, in NATS headers.

use async_nats::HeaderMap;
use chassis::Error;
use contracts::Event;
use kernel::Timestamp;
use kernel::id::EventId;

use crate::{dead, subject};

pub(crate) const CONTENT_TYPE: &str = "application/protobuf";

/// An event on its way out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Envelope {
    /// `ce-id`, and the key that makes sending twice harmless.
    pub id: String,
    /// Where it is published.
    pub subject: String,
    /// `ce-type`: full name of the message.
    pub ce_type: String,
    /// `ce-subject`: what it is about.
    pub ce_subject: String,
    /// `ce-time`.
    pub time: Timestamp,
    /// Trace that it belongs to.
    pub traceparent: Option<String>,
    /// The encoded message.
    pub payload: Vec<u8>,
}

impl Envelope {
    /// An envelope for `event` about the aggregate `about` of `team`.
    pub fn new<E: Event>(event: &E, about: &str, team: Option<&str>, time: Timestamp) -> Self {
        Self {
            id: EventId::generate().into(),
            subject: crate::event_subject(E::AREA, E::NAME, team),
            ce_type: E::ce_type(),
            ce_subject: about.to_owned(),
            time,
            traceparent: chassis::telemetry::traceparent(),
            payload: event.encode_to_vec(),
        }
    }

    /// The headers that carry all of it but the payload.
    pub fn headers(&self) -> HeaderMap {
        let area = self.subject.split('.').nth(1).unwrap_or("_");
        let mut headers = HeaderMap::new();
        headers.insert("Nats-Msg-Id", self.id.as_str());
        headers.insert("ce-specversion", "1.0");
        headers.insert("ce-id", self.id.as_str());
        headers.insert("ce-type", self.ce_type.as_str());
        headers.insert("ce-source", format!("/quire/{area}"));
        headers.insert("ce-subject", self.ce_subject.as_str());
        headers.insert(
            "ce-time",
            self.time
                .to_rfc3339_opts(chrono::SecondsFormat::Micros, true),
        );
        headers.insert("content-type", CONTENT_TYPE);
        if let Some(traceparent) = &self.traceparent {
            headers.insert("traceparent", traceparent.as_str());
        }
        headers
    }
}

/// An event that came in.
#[derive(Clone, Debug)]
pub struct Delivery {
    /// `ce-id`.
    pub id: String,
    /// Where it was published first.
    pub subject: String,
    /// `ce-type`.
    pub ce_type: String,
    /// `ce-subject`.
    pub about: String,
    /// `ce-time` as it was sent.
    pub time: String,
    /// Trace that it belongs to.
    pub traceparent: Option<String>,
    /// The encoded message.
    pub payload: bytes::Bytes,
}

impl Delivery {
    /// Reads a message; `None` when it is no event of ours.
    pub fn read(subject: &str, headers: Option<&HeaderMap>, payload: bytes::Bytes) -> Option<Self> {
        let headers = headers?;
        let get = |name: &str| headers.get(name).map(|value| value.as_str().to_owned());
        let first = subject::again_for(subject).and_then(|_| get(dead::ORIGIN));
        Some(Self {
            id: get("ce-id")?,
            subject: first.unwrap_or_else(|| subject.to_owned()),
            ce_type: get("ce-type")?,
            about: get("ce-subject").unwrap_or_default(),
            time: get("ce-time").unwrap_or_default(),
            traceparent: get("traceparent"),
            payload,
        })
    }

    /// Area that published it.
    pub fn area(&self) -> &str {
        subject::area_of(&self.subject).unwrap_or_default()
    }

    /// Team that it is of; `None` where there is none.
    pub fn team(&self) -> Option<&str> {
        subject::team_of(&self.subject)
    }

    /// The message, when it is an `E`; `None` when it is of another type.
    ///
    /// # Errors
    /// The type is right and the bytes are not: the event is then parked.
    pub fn decode<E: Event>(&self) -> chassis::Result<Option<E>> {
        if self.ce_type != E::ce_type() {
            return Ok(None);
        }
        E::decode(self.payload.clone())
            .map(Some)
            .map_err(|error| Error::invalid("event", format!("decoding {}: {error}", self.ce_type)))
    }
}

#[cfg(test)]
mod tests {
    use contracts::identity::v1::ApiKeyRevoked;
    use contracts::inventory::v1::NodeChanged;
    use kernel::time::from_micros;

    use super::*;

    #[test]
    fn envelopes_are_cloud_events_and_read_back() {
        let event = ApiKeyRevoked {
            api_key_id: "ak-1".to_owned(),
            revision: 2,
        };
        let envelope = Envelope::new(&event, "ak-1", None, from_micros(1));
        assert_eq!(envelope.subject, "quire.identity.v1.ApiKeyRevoked._");
        let headers = envelope.headers();
        assert_eq!(headers.get("Nats-Msg-Id"), headers.get("ce-id"));
        let delivery =
            Delivery::read(&envelope.subject, Some(&headers), envelope.payload.into()).unwrap();
        assert_eq!((delivery.area(), delivery.team()), ("identity", None));
        assert_eq!(delivery.decode::<ApiKeyRevoked>().unwrap(), Some(event));
        assert_eq!(delivery.decode::<NodeChanged>().unwrap(), None);
        let broken = Delivery {
            payload: bytes::Bytes::from_static(&[0xff]),
            ..delivery
        };
        assert!(broken.decode::<ApiKeyRevoked>().is_err());
        assert!(Delivery::read("", None, bytes::Bytes::new()).is_none());
    }
}
