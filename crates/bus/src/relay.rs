//! The relay: publishes the outbox, one relay a service by lease.

use std::time::Duration;

use async_nats::jetstream::context::{PublishAckFuture, PublishErrorKind};
use chassis::lease::{self, Held};
use chassis::{Database, Result};
use chrono::TimeDelta;
use kernel::Timestamp;
use opentelemetry::metrics::Gauge;
use opentelemetry::{KeyValue, global};
use sea_orm::sea_query::Expr;
use sea_orm::{ColumnTrait, EntityTrait, PaginatorTrait, QueryFilter, QueryOrder, QuerySelect};
use tokio_util::sync::CancellationToken;

use crate::outbox::{Outbox, entity, unbase64};
use crate::{Bus, BusError, Envelope};

/// Rows published in one go.
const BATCH: u64 = 256;
/// The relay looks at least this often; commits wake it before.
const NET: Duration = Duration::from_secs(1);
/// Sent rows stay this long, to be sent again when the server lost them.
const KEPT: TimeDelta = TimeDelta::days(30);
/// Longest time that the publications of one go may take to be confirmed.
const CONFIRM: Duration = Duration::from_secs(5);

/// Publishes what is unsent until `cancel`. One relay per service works at a time, by lease; others stand by.
///
/// # Errors
/// Never by itself: what fails is logged and tried again.
pub async fn run_relay(
    database: Database,
    bus: Bus,
    outbox: Outbox,
    cancel: CancellationToken,
) -> Result<()> {
    let mut relay = Relay {
        holder: kernel::id::EventId::generate().to_string(),
        unsent: global::meter("quire")
            .u64_gauge("quire_outbox_unsent")
            .with_description("events that are committed and not published yet")
            .build(),
        refused: global::meter("quire")
            .u64_gauge("quire_outbox_refused")
            .with_description("events that can never be published as they are, and are set aside")
            .build(),
        compared: None,
        offered: None,
        database,
        bus,
        outbox,
    };
    let mut held = None;
    while !cancel.is_cancelled() {
        held = relay.renew().await;
        if held.is_some() && relay.round().await {
            continue;
        }
        tokio::select! {
            () = cancel.cancelled() => {}
            () = relay.outbox.committed() => {}
            () = tokio::time::sleep(NET) => {}
        }
    }
    if let Some(held) = held {
        relay.publish_unsent().await.ok();
        lease::release(&relay.database, &held).await.ok();
    }
    Ok(())
}

struct Relay {
    database: Database,
    bus: Bus,
    outbox: Outbox,
    holder: String,
    unsent: Gauge<u64>,
    refused: Gauge<u64>,
    /// The connection on which the streams were last compared with what was sent.
    compared: Option<u64>,
    /// The connection to which what had been set aside was offered again.
    offered: Option<u64>,
}

/// What became of the rows of one go.
#[derive(Default)]
struct Outcome {
    /// Identifiers of those that the server has stored.
    sent: Vec<String>,
    /// Identifiers of those that can never be published as they are, each with the reason.
    refused: Vec<(String, String)>,
    /// Why others were not stored now; they are tried again.
    failed: Option<BusError>,
}

/// Why a row was not given to the server.
enum Unsent {
    /// It can never be published as it is.
    Refused(String),
    /// Not now.
    Failed(BusError),
}

impl Relay {
    async fn renew(&self) -> Option<Held> {
        let taken = lease::acquire(
            &self.database,
            "outbox",
            &self.holder,
            self.outbox.clock.now(),
        );
        taken.await.unwrap_or_else(|error| {
            tracing::warn!(%error, "taking the outbox lease");
            None
        })
    }

    /// One round; `true` when there is probably more to publish at once.
    async fn round(&mut self) -> bool {
        match self.try_round().await {
            Ok(sent) => sent == BATCH,
            Err(error) => {
                let error = chassis::error::chain(&error);
                tracing::warn!(error, "publishing events; they stay in the outbox");
                self.compared = None;
                false
            }
        }
    }

    async fn try_round(&mut self) -> Result<u64> {
        let connection = self.bus.connection();
        if self.compared != Some(connection) {
            self.bus.ensure_streams().await?;
            self.take_back_lost().await?;
            self.compared = Some(connection);
        }
        if self.offered != Some(connection) {
            self.offer_again().await?;
            self.offered = Some(connection);
        }
        let sent = self.publish_unsent().await?;
        self.measure().await?;
        Ok(sent)
    }

    /// What was sent before the stream was made is lost: somebody wiped the server. It is sent again, as far as a stream keeps it.
    async fn take_back_lost(&self) -> Result<()> {
        let Some(since) = self.bus.own_stream_since().await? else {
            return Ok(());
        };
        let oldest = self.outbox.clock.now() - crate::connection::KEPT;
        let lost = entity::Entity::update_many()
            .col_expr(entity::Column::SentAt, Expr::value(Option::<i64>::None))
            .filter(entity::Column::SentAt.lt(since.timestamp_micros()))
            .filter(entity::Column::CreatedAt.gt(oldest.timestamp_micros()))
            .exec(self.database.reader())
            .await?;
        if lost.rows_affected > 0 {
            tracing::warn!(
                events = lost.rows_affected,
                "the server has lost events; sending them again"
            );
        }
        Ok(())
    }

    /// What one server refused another may take: it may allow larger messages.
    async fn offer_again(&self) -> Result<()> {
        entity::Entity::update_many()
            .col_expr(entity::Column::Refused, Expr::value(Option::<String>::None))
            .filter(entity::Column::Refused.is_not_null())
            .exec(self.database.reader())
            .await?;
        Ok(())
    }

    async fn publish_unsent(&self) -> Result<u64> {
        let rows = entity::Entity::find()
            .filter(entity::Column::SentAt.is_null())
            .filter(entity::Column::Refused.is_null())
            .order_by_asc(entity::Column::Id)
            .limit(BATCH)
            .all(self.database.reader())
            .await?;
        if rows.is_empty() {
            return Ok(0);
        }
        let count = rows.len() as u64;
        let outcome = self.publish(rows).await;
        let now = self.outbox.clock.now();
        entity::Entity::update_many()
            .col_expr(entity::Column::SentAt, Expr::value(now.timestamp_micros()))
            .filter(entity::Column::Id.is_in(outcome.sent))
            .exec(self.database.reader())
            .await?;
        for (id, reason) in outcome.refused {
            self.set_aside(id, reason).await?;
        }
        self.forget_old(now).await?;
        match outcome.failed {
            Some(error) => Err(error.into()),
            None => Ok(count),
        }
    }

    /// Takes out of the way what can never be published: the rest goes on.
    async fn set_aside(&self, id: String, reason: String) -> Result<()> {
        tracing::error!(
            event = id,
            reason,
            "an event cannot be published; it is set aside in the outbox"
        );
        entity::Entity::update_many()
            .col_expr(entity::Column::Refused, Expr::value(reason))
            .filter(entity::Column::Id.eq(id))
            .exec(self.database.reader())
            .await?;
        Ok(())
    }

    /// Publishes all of `rows`, and waits until the server has stored them.
    async fn publish(&self, rows: Vec<entity::Model>) -> Outcome {
        let mut outcome = Outcome::default();
        let mut confirmations = Vec::with_capacity(rows.len());
        for row in rows {
            let id = row.id.clone();
            match self.send(row).await {
                Ok(confirmation) => confirmations.push((id, confirmation)),
                Err(Unsent::Refused(reason)) => outcome.refused.push((id, reason)),
                Err(Unsent::Failed(error)) => {
                    outcome.failed = Some(error);
                    break;
                }
            }
        }
        let until = tokio::time::Instant::now() + CONFIRM;
        for (id, confirmation) in confirmations {
            let confirmed = tokio::time::timeout_at(until, confirmation.into_future()).await;
            let problem = match confirmed {
                Ok(Ok(_)) => {
                    outcome.sent.push(id);
                    continue;
                }
                Ok(Err(error)) => BusError::failed("confirming a publication", error),
                Err(error) => BusError::failed("confirming a publication", error),
            };
            outcome.failed = Some(problem);
        }
        outcome
    }

    /// Gives one row to the server.
    async fn send(&self, row: entity::Model) -> Result<PublishAckFuture, Unsent> {
        let payload = unbase64(&row.payload)
            .map_err(|error| Unsent::Refused(chassis::error::chain(&error)))?;
        let envelope = Envelope {
            id: row.id,
            subject: row.subject,
            ce_type: row.ce_type,
            ce_subject: row.ce_subject,
            time: kernel::time::from_micros(row.created_at),
            traceparent: row.traceparent,
            payload,
        };
        let sent = self.bus.jetstream().publish_with_headers(
            envelope.subject.clone(),
            envelope.headers(),
            envelope.payload.into(),
        );
        sent.await.map_err(|error| match error.kind() {
            PublishErrorKind::MaxPayloadExceeded => Unsent::Refused(chassis::error::chain(&error)),
            _ => Unsent::Failed(BusError::failed("publishing", error)),
        })
    }

    async fn forget_old(&self, now: Timestamp) -> Result<()> {
        entity::Entity::delete_many()
            .filter(entity::Column::SentAt.lt((now - KEPT).timestamp_micros()))
            .exec(self.database.reader())
            .await?;
        Ok(())
    }

    async fn measure(&self) -> Result<()> {
        let labels = [KeyValue::new("area", self.bus.name().to_owned())];
        let count = async |condition| {
            entity::Entity::find()
                .filter(entity::Column::SentAt.is_null())
                .filter(condition)
                .count(self.database.reader())
                .await
        };
        let unsent = count(entity::Column::Refused.is_null()).await?;
        self.unsent.record(unsent, &labels);
        let refused = count(entity::Column::Refused.is_not_null()).await?;
        self.refused.record(refused, &labels);
        Ok(())
    }
}
