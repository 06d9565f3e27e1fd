//! The relay: publishes the outbox, one relay a service by lease.

use std::time::Duration;

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
/// Longest time a publication may take to be confirmed.
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
        compared: None,
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
    /// The connection on which the streams were last compared with what was sent.
    compared: Option<u64>,
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

    async fn publish_unsent(&self) -> Result<u64> {
        let rows = entity::Entity::find()
            .filter(entity::Column::SentAt.is_null())
            .order_by_asc(entity::Column::Id)
            .limit(BATCH)
            .all(self.database.reader())
            .await?;
        if rows.is_empty() {
            return Ok(0);
        }
        let count = rows.len() as u64;
        let sent = self.publish(rows).await?;
        let now = self.outbox.clock.now();
        entity::Entity::update_many()
            .col_expr(entity::Column::SentAt, Expr::value(now.timestamp_micros()))
            .filter(entity::Column::Id.is_in(sent))
            .exec(self.database.reader())
            .await?;
        self.forget_old(now).await?;
        Ok(count)
    }

    /// Publishes all of `rows` and gives the identifiers of those that the server has stored.
    async fn publish(&self, rows: Vec<entity::Model>) -> Result<Vec<String>> {
        let mut confirmations = Vec::with_capacity(rows.len());
        for row in rows {
            let id = row.id.clone();
            let envelope = Envelope {
                id: row.id,
                subject: row.subject,
                ce_type: row.ce_type,
                ce_subject: row.ce_subject,
                time: kernel::time::from_micros(row.created_at),
                traceparent: row.traceparent,
                payload: unbase64(&row.payload)?,
            };
            let confirmation = self
                .bus
                .jetstream()
                .publish_with_headers(
                    envelope.subject.clone(),
                    envelope.headers(),
                    envelope.payload.into(),
                )
                .await
                .map_err(|error| BusError::failed("publishing", error))?;
            confirmations.push((id, confirmation));
        }
        let mut sent = Vec::with_capacity(confirmations.len());
        for (id, confirmation) in confirmations {
            tokio::time::timeout(CONFIRM, confirmation.into_future())
                .await
                .map_err(|error| BusError::failed("confirming a publication", error))?
                .map_err(|error| BusError::failed("confirming a publication", error))?;
            sent.push(id);
        }
        Ok(sent)
    }

    async fn forget_old(&self, now: Timestamp) -> Result<()> {
        entity::Entity::delete_many()
            .filter(entity::Column::SentAt.lt((now - KEPT).timestamp_micros()))
            .exec(self.database.reader())
            .await?;
        Ok(())
    }

    async fn measure(&self) -> Result<()> {
        let unsent = entity::Entity::find()
            .filter(entity::Column::SentAt.is_null())
            .count(self.database.reader())
            .await?;
        let labels = [KeyValue::new("area", self.bus.name().to_owned())];
        self.unsent.record(unsent, &labels);
        Ok(())
    }
}
