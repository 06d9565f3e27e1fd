//! The outbox: an event is a row of the transaction that made it true. A relay publishes rows that are not sent; it takes *unsent*
//! rows, never "those after the last id", because transactions do not commit in the order of their ids.

use std::sync::Arc;
use std::time::Duration;

use chassis::lease::{self, Held};
use chassis::{Database, Result};
use contracts::Event;
use kernel::{Clock, Timestamp};
use sea_orm::sea_query::Expr;
use sea_orm::{
    ActiveValue::Set, ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder,
    QuerySelect,
};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::{Bus, BusError, Envelope};

/// Rows published in one go.
const BATCH: u64 = 256;
/// The relay looks at least this often; commits wake it before.
const NET: Duration = Duration::from_secs(1);
/// Sent rows stay this long, to be sent again when somebody needs them.
const KEPT_DAYS: i64 = 30;
/// Longest time a publication may take to be confirmed.
const CONFIRM: Duration = Duration::from_secs(5);

pub(crate) mod entity {
    #![allow(missing_docs, unreachable_pub, reason = "sea-orm derives public items")]
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "outbox")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: String,
        pub subject: String,
        pub ce_type: String,
        pub ce_subject: String,
        /// Base 64: one column type for both engines.
        pub payload: String,
        pub traceparent: Option<String>,
        pub created_at: i64,
        pub sent_at: Option<i64>,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

/// Where a service puts its events. Clones share one relay.
#[derive(Clone, Debug)]
pub struct Outbox {
    clock: Arc<dyn Clock>,
    committed: Arc<Notify>,
}

impl Outbox {
    /// An outbox whose events carry the time of `clock`.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self {
            clock,
            committed: Arc::default(),
        }
    }

    /// Adds `event` about the aggregate `about` to the transaction.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn append<E: Event>(
        &self,
        transaction: &impl ConnectionTrait,
        event: &E,
        about: &str,
        team: Option<&str>,
    ) -> Result<()> {
        let envelope = Envelope::new(event, about, team, self.clock.now());
        let row = entity::ActiveModel {
            id: Set(envelope.id),
            subject: Set(envelope.subject),
            ce_type: Set(envelope.ce_type),
            ce_subject: Set(envelope.ce_subject),
            payload: Set(base64(&envelope.payload)),
            traceparent: Set(envelope.traceparent),
            created_at: Set(envelope.time.timestamp_micros()),
            sent_at: Set(None),
        };
        entity::Entity::insert(row)
            .exec_without_returning(transaction)
            .await?;
        Ok(())
    }

    /// Tells the relay that a transaction with events has committed.
    pub fn nudge(&self) {
        self.committed.notify_one();
    }
}

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
    let holder = kernel::id::EventId::generate().to_string();
    let mut held: Option<Held> = None;
    while !cancel.is_cancelled() {
        let now = outbox.clock.now();
        held = match lease::acquire(&database, "outbox", &holder, now).await {
            Ok(lease) => lease,
            Err(error) => {
                tracing::warn!(%error, "taking the outbox lease");
                None
            }
        };
        if held.is_some() {
            match publish_unsent(&database, &bus, now).await {
                // A full batch: there is probably more.
                Ok(sent) if sent == BATCH => continue,
                Ok(_) => {}
                Err(error) => {
                    tracing::warn!(%error, "publishing events; they stay in the outbox");
                    bus.ensure_streams().await.ok();
                }
            }
        }
        tokio::select! {
            () = cancel.cancelled() => {}
            () = outbox.committed.notified() => {}
            () = tokio::time::sleep(NET) => {}
        }
    }
    if let Some(held) = held {
        publish_unsent(&database, &bus, outbox.clock.now())
            .await
            .ok();
        lease::release(&database, &held).await.ok();
    }
    Ok(())
}

async fn publish_unsent(database: &Database, bus: &Bus, now: Timestamp) -> Result<u64> {
    let rows = entity::Entity::find()
        .filter(entity::Column::SentAt.is_null())
        .order_by_asc(entity::Column::Id)
        .limit(BATCH)
        .all(database.reader())
        .await?;
    if rows.is_empty() {
        return Ok(0);
    }
    let count = rows.len() as u64;
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
        let confirmation = bus
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
    entity::Entity::update_many()
        .col_expr(entity::Column::SentAt, Expr::value(now.timestamp_micros()))
        .filter(entity::Column::Id.is_in(sent))
        .exec(database.reader())
        .await?;
    forget_old(database, now).await?;
    Ok(count)
}

async fn forget_old(database: &Database, now: Timestamp) -> Result<()> {
    let oldest = now - chrono::TimeDelta::days(KEPT_DAYS);
    entity::Entity::delete_many()
        .filter(entity::Column::SentAt.lt(oldest.timestamp_micros()))
        .exec(database.reader())
        .await?;
    Ok(())
}

fn base64(bytes: &[u8]) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.encode(bytes)
}

fn unbase64(text: &str) -> Result<Vec<u8>> {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD
        .decode(text)
        .map_err(|error| chassis::Error::internal("reading an outbox row", error))
}
