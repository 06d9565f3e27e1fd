//! Consumers: one durable pull consumer per subscriber and stream, each event handled until it succeeds or is parked.

use std::sync::Arc;
use std::time::Duration;

use async_nats::jetstream::{self, AckKind, consumer};
use futures::StreamExt as _;
use opentelemetry::metrics::{Counter, Gauge};
use opentelemetry::{KeyValue, global};
use tokio_util::sync::CancellationToken;
use tracing::Instrument as _;

use crate::retry::{Refused, pause_after};
use crate::{Bus, BusError, Delivery, dead, subject};

/// Time that a handler has before the event is given out again.
const ACK_WAIT: Duration = Duration::from_secs(30);
/// Events that are asked for at once: what waits here for its turn must get it well within [`ACK_WAIT`].
const AT_ONCE: usize = 16;
/// How often it is measured how many events wait.
const MEASURE: Duration = Duration::from_secs(5);
/// Pause before a broken consumer is set up again.
const REPAIR: Duration = Duration::from_millis(500);

/// What a subscriber does with events.
#[async_trait::async_trait]
pub trait Handler: Send + Sync + 'static {
    /// Handles one event, once or more often. `Ok(false)` = the type is unknown here.
    ///
    /// # Errors
    /// The event is tried again. One with which something is wrong is parked after some tries; an outage of the database or of
    /// another service parks nothing, however long it lasts.
    async fn handle(&self, delivery: &Delivery) -> chassis::Result<bool>;
}

/// One subscriber of one area's stream.
pub struct Consumer {
    bus: Bus,
    name: String,
    area: &'static str,
    handler: Arc<dyn Handler>,
    handled: Counter<u64>,
    waiting: Gauge<u64>,
}

impl std::fmt::Debug for Consumer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Consumer")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

impl Consumer {
    /// The consumer of `area`'s events for `subscriber`.
    pub fn new(bus: Bus, subscriber: &str, area: &'static str, handler: Arc<dyn Handler>) -> Self {
        let meter = global::meter("quire");
        let handled = meter
            .u64_counter("quire_events")
            .with_description("events taken from the bus, by what became of them")
            .build();
        let waiting = meter
            .u64_gauge("quire_events_waiting")
            .with_description("events that a consumer has not been given yet")
            .build();
        Self {
            bus,
            name: subject::consumer_name(subscriber, area),
            area,
            handler,
            handled,
            waiting,
        }
    }

    /// Handles events until `cancel`. A broken connection or a wiped server is mended and work goes on.
    ///
    /// # Errors
    /// Never by itself.
    pub async fn run(self, cancel: CancellationToken) -> chassis::Result<()> {
        while !cancel.is_cancelled() {
            if let Err(error) = self.consume(&cancel).await {
                tracing::warn!(consumer = self.name, %error, "consuming events; trying again");
                self.bus.ensure_streams().await.ok();
            }
            tokio::select! {
                () = cancel.cancelled() => {}
                () = tokio::time::sleep(REPAIR) => {}
            }
        }
        Ok(())
    }

    async fn consume(&self, cancel: &CancellationToken) -> Result<(), BusError> {
        let asked = consumer::pull::Config {
            durable_name: Some(self.name.clone()),
            filter_subject: subject::stream_subjects(self.area),
            ack_policy: consumer::AckPolicy::Explicit,
            ack_wait: ACK_WAIT,
            ..consumer::pull::Config::default()
        };
        let mut consumer = self
            .bus
            .jetstream()
            .create_consumer_on_stream(asked.clone(), subject::stream_name(self.area))
            .await
            .map_err(|error| BusError::failed("making a consumer", error))?;
        if let Some(difference) = difference(&asked, &consumer.cached_info().config) {
            return Err(BusError::NotAsAsked {
                what: format!("consumer {}", self.name),
                difference,
            });
        }
        let mut messages = consumer
            .stream()
            .max_messages_per_batch(AT_ONCE)
            .messages()
            .await
            .map_err(|error| BusError::failed("reading events", error))?;
        let mut refused = Refused::default();
        let mut measure = tokio::time::interval(MEASURE);
        loop {
            let message = tokio::select! {
                () = cancel.cancelled() => return Ok(()),
                message = messages.next() => message,
                _ = measure.tick() => {
                    self.measure(&mut consumer).await?;
                    continue;
                }
            };
            let Some(message) = message else {
                return Ok(());
            };
            let message = message.map_err(|error| BusError::failed("reading events", error))?;
            self.take(&message, &mut refused).await?;
        }
    }

    async fn measure(
        &self,
        consumer: &mut consumer::Consumer<consumer::pull::Config>,
    ) -> Result<(), BusError> {
        let info = consumer
            .info()
            .await
            .map_err(|error| BusError::failed("measuring a consumer", error))?;
        let labels = [KeyValue::new("consumer", self.name.clone())];
        self.waiting.record(info.num_pending, &labels);
        Ok(())
    }

    async fn take(
        &self,
        message: &jetstream::Message,
        refused: &mut Refused,
    ) -> Result<(), BusError> {
        // A dead letter of another consumer that comes again.
        if subject::again_for(&message.subject).is_some_and(|consumer| consumer != self.name) {
            return self.answer(message, AckKind::Ack).await;
        }
        let delivery = match self.read(message) {
            Ok(delivery) => delivery,
            Err(reason) => {
                self.count("not_an_event");
                return dead::park(&self.bus, &self.name, message, reason).await;
            }
        };
        let span = tracing::info_span!("event", otel.name = %delivery.ce_type, consumer = self.name, about = delivery.about);
        if let Some(traceparent) = &delivery.traceparent {
            chassis::telemetry::continue_trace_from(&span, traceparent);
        }
        let outcome = self.handler.handle(&delivery).instrument(span).await;
        match outcome {
            Ok(known) => {
                refused.forget(&delivery.id);
                self.count(if known { "handled" } else { "unknown" });
                self.answer(message, AckKind::Ack).await
            }
            Err(error) => self.failed(message, &delivery, &error, refused).await,
        }
    }

    /// Reads an event of the area; else says what is wrong with it.
    fn read(&self, message: &jetstream::Message) -> Result<Delivery, &'static str> {
        let delivery = Delivery::read(
            &message.subject,
            message.headers.as_ref(),
            message.payload.clone(),
        )
        .ok_or("the message has no event headers")?;
        // The server holds everybody to the subjects of their own area: the type must not say otherwise.
        let named = delivery.ce_type.strip_prefix("quire.");
        if named.and_then(|name| name.split('.').next()) != Some(self.area) {
            return Err("the event's type is of another area than its subject");
        }
        Ok(delivery)
    }

    async fn failed(
        &self,
        message: &jetstream::Message,
        delivery: &Delivery,
        error: &chassis::Error,
        refused: &mut Refused,
    ) -> Result<(), BusError> {
        let last = refused.at_last(&delivery.id, error.code());
        let error = chassis::error::chain(error);
        if last {
            self.count("parked");
            tracing::error!(
                consumer = self.name,
                event = delivery.id,
                error,
                "event parked"
            );
            return dead::park(&self.bus, &self.name, message, &error).await;
        }
        self.count("failed");
        let tried = message.info().map(|info| info.delivered).unwrap_or(1);
        let pause = pause_after(tried);
        tracing::warn!(
            consumer = self.name,
            event = delivery.id,
            tried,
            ?pause,
            error,
            "event failed; it will come again"
        );
        self.answer(message, AckKind::Nak(Some(pause))).await
    }

    async fn answer(&self, message: &jetstream::Message, kind: AckKind) -> Result<(), BusError> {
        message
            .ack_with(kind)
            .await
            .map_err(|error| BusError::failed("acknowledging an event", error))
    }

    fn count(&self, outcome: &'static str) {
        let labels = [
            KeyValue::new("consumer", self.name.clone()),
            KeyValue::new("outcome", outcome),
        ];
        self.handled.add(1, &labels);
    }
}

/// The first setting that the server stored otherwise than asked.
fn difference(asked: &consumer::pull::Config, stored: &consumer::Config) -> Option<String> {
    let settings = [
        (
            "filter_subject",
            asked.filter_subject.clone(),
            stored.filter_subject.clone(),
        ),
        (
            "ack_policy",
            format!("{:?}", asked.ack_policy),
            format!("{:?}", stored.ack_policy),
        ),
        (
            "deliver_policy",
            format!("{:?}", asked.deliver_policy),
            format!("{:?}", stored.deliver_policy),
        ),
        (
            "ack_wait",
            format!("{:?}", asked.ack_wait),
            format!("{:?}", stored.ack_wait),
        ),
        // The server writes "no limit" as -1, whoever asks leaves 0.
        (
            "max_deliver",
            asked.max_deliver.max(0).to_string(),
            stored.max_deliver.max(0).to_string(),
        ),
    ];
    let differs = |(_, asked, stored): &&(&str, String, String)| asked != stored;
    settings
        .iter()
        .find(differs)
        .map(|(setting, asked, stored)| format!("{setting}: asked {asked}, stored {stored}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_server_stored_otherwise_is_named() {
        let asked = consumer::pull::Config {
            filter_subject: "quire.inventory.v1.>".to_owned(),
            ack_wait: ACK_WAIT,
            ..consumer::pull::Config::default()
        };
        let stored = consumer::Config {
            filter_subject: asked.filter_subject.clone(),
            ack_policy: asked.ack_policy,
            ack_wait: ACK_WAIT,
            max_deliver: -1,
            ..consumer::Config::default()
        };
        assert_eq!(difference(&asked, &stored), None);
        let limited = consumer::Config {
            max_deliver: 3,
            ..stored.clone()
        };
        let named = difference(&asked, &limited);
        assert_eq!(named.as_deref(), Some("max_deliver: asked 0, stored 3"));
        let careless = consumer::Config {
            ack_policy: consumer::AckPolicy::None,
            ..stored.clone()
        };
        let named = difference(&asked, &careless);
        assert_eq!(
            named.as_deref(),
            Some("ack_policy: asked Explicit, stored None")
        );
        let late = consumer::Config {
            deliver_policy: consumer::DeliverPolicy::New,
            ..stored
        };
        let named = difference(&asked, &late);
        assert_eq!(
            named.as_deref(),
            Some("deliver_policy: asked All, stored New")
        );
    }
}
