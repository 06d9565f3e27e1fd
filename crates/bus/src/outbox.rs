//! The outbox: an event is a row of the transaction that made it true. A relay publishes rows that are not sent; it takes *unsent*
//! rows, never "those after the last id", because transactions do not commit in the order of their ids.

use std::sync::Arc;

use chassis::Result;
use contracts::Event;
use kernel::Clock;
use sea_orm::{ActiveValue::Set, ConnectionTrait, EntityTrait};
use tokio::sync::Notify;

use crate::Envelope;

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
        /// Why it can never be published as it is; it is set aside then.
        pub refused: Option<String>,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

/// Where a service puts its events. Clones share one relay.
#[derive(Clone, Debug)]
pub struct Outbox {
    pub(crate) clock: Arc<dyn Clock>,
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
        let envelope = self.envelope(event, about, team);
        self.append_all(transaction, [envelope]).await
    }

    /// An event in its envelope, with the time of now and the trace of whoever asks, for [`Outbox::append_all`].
    pub fn envelope<E: Event>(&self, event: &E, about: &str, team: Option<&str>) -> Envelope {
        Envelope::new(event, about, team, self.clock.now())
    }

    /// Adds events to the transaction in one statement.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn append_all(
        &self,
        transaction: &impl ConnectionTrait,
        envelopes: impl IntoIterator<Item = Envelope>,
    ) -> Result<()> {
        let rows = envelopes.into_iter().map(row);
        entity::Entity::insert_many(rows)
            .exec_without_returning(transaction)
            .await?;
        Ok(())
    }

    /// Tells the relay that a transaction with events has committed.
    pub fn nudge(&self) {
        self.committed.notify_one();
    }

    /// Waits until a transaction with events has committed.
    pub(crate) async fn committed(&self) {
        self.committed.notified().await;
    }
}

fn row(envelope: Envelope) -> entity::ActiveModel {
    entity::ActiveModel {
        id: Set(envelope.id),
        subject: Set(envelope.subject),
        ce_type: Set(envelope.ce_type),
        ce_subject: Set(envelope.ce_subject),
        payload: Set(base64(&envelope.payload)),
        traceparent: Set(envelope.traceparent),
        created_at: Set(envelope.time.timestamp_micros()),
        sent_at: Set(None),
        refused: Set(None),
    }
}

fn base64(bytes: &[u8]) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.encode(bytes)
}

pub(crate) fn unbase64(text: &str) -> Result<Vec<u8>> {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD
        .decode(text)
        .map_err(|error| chassis::Error::internal("reading an outbox row", error))
}
