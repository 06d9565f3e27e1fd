//! The ledger: running totals of keys, transactions and their entries. Transactions and entries are only ever added.

use std::collections::BTreeMap;

use chassis::Result;
use kernel::id::{AttemptId, TeamId, TransactionId};
use kernel::{Micros, Timestamp};
use sea_orm::sea_query::OnConflict;
use sea_orm::{
    ActiveValue::Set, ColumnTrait as _, ConnectionTrait, DatabaseTransaction, EntityTrait,
    FromQueryResult, PaginatorTrait as _, QueryFilter as _, QuerySelect as _, Statement,
};

use super::{parsed, signed, unsigned};
use crate::domain::audit::{Key, LedgerSums};
use crate::domain::ledger::Entry;
use crate::domain::period::Month;
use crate::domain::rating::{COMPUTE, Posting};

pub(super) mod charge {
    #![allow(missing_docs, unreachable_pub, reason = "sea-orm derives public items")]
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "charges")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub attempt_id: String,
        #[sea_orm(primary_key, auto_increment = false)]
        pub dimension: String,
        #[sea_orm(primary_key, auto_increment = false)]
        pub price_version: i64,
        pub milliseconds: i64,
        pub micros: i64,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

mod transaction {
    #![allow(missing_docs, unreachable_pub, reason = "sea-orm derives public items")]
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "ledger_transactions")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: String,
        pub kind: String,
        pub team_id: String,
        pub attempt_id: Option<String>,
        pub dimension: Option<String>,
        pub price_version: Option<i64>,
        pub month: Option<String>,
        pub posted_at: i64,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

mod entry {
    #![allow(missing_docs, unreachable_pub, reason = "sea-orm derives public items")]
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "ledger_entries")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub transaction_id: String,
        #[sea_orm(primary_key, auto_increment = false)]
        pub account: String,
        pub micros: i64,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

/// What a transaction is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reason {
    /// A charge of an attempt at a version of a price.
    Charge(AttemptId, u32),
    /// The rounding of a month's invoice.
    Rounding(Month),
}

/// The running totals of one attempt by version of the price, locked until the transaction ends.
///
/// # Errors
/// Those of the database.
pub(crate) async fn lock_totals(
    transaction: &DatabaseTransaction,
    attempt: AttemptId,
) -> Result<BTreeMap<u32, Micros>> {
    let rows = charge::Entity::find()
        .filter(charge::Column::AttemptId.eq(attempt.to_string()))
        .filter(charge::Column::Dimension.eq(COMPUTE))
        .lock_exclusive()
        .all(transaction)
        .await?;
    rows.into_iter()
        .map(|row| Ok((unsigned(row.price_version)?, Micros(row.micros))))
        .collect()
}

/// Sets the running total of a key.
///
/// # Errors
/// Those of the database.
pub(crate) async fn save_total(
    transaction: &DatabaseTransaction,
    attempt: AttemptId,
    posting: &Posting,
) -> Result<()> {
    let row = charge::ActiveModel {
        attempt_id: Set(attempt.to_string()),
        dimension: Set(COMPUTE.to_owned()),
        price_version: Set(posting.version.into()),
        milliseconds: Set(signed(posting.milliseconds)?),
        micros: Set(posting.total.0),
    };
    let key = [
        charge::Column::AttemptId,
        charge::Column::Dimension,
        charge::Column::PriceVersion,
    ];
    let what_changes = [charge::Column::Milliseconds, charge::Column::Micros];
    charge::Entity::insert(row)
        .on_conflict(
            OnConflict::columns(key)
                .update_columns(what_changes)
                .to_owned(),
        )
        .exec_without_returning(transaction)
        .await?;
    Ok(())
}

/// Adds a transaction about `team`, which `domain::ledger` made to sum to zero.
///
/// # Errors
/// Those of the database.
pub(crate) async fn add(
    transaction: &DatabaseTransaction,
    team: TeamId,
    reason: Reason,
    entries: [Entry; 2],
    now: Timestamp,
) -> Result<()> {
    let id = TransactionId::generate().to_string();
    let (kind, charge, month) = match reason {
        Reason::Charge(attempt, version) => ("charge", Some((attempt, version)), None),
        Reason::Rounding(month) => ("rounding", None, Some(month)),
    };
    let row = transaction::ActiveModel {
        id: Set(id.clone()),
        kind: Set(kind.to_owned()),
        team_id: Set(team.to_string()),
        attempt_id: Set(charge.map(|(attempt, _)| attempt.to_string())),
        dimension: Set(charge.map(|_| COMPUTE.to_owned())),
        price_version: Set(charge.map(|(_, version)| version.into())),
        month: Set(month.map(|month| month.to_string())),
        posted_at: Set(now.timestamp_micros()),
    };
    transaction::Entity::insert(row)
        .exec_without_returning(transaction)
        .await?;
    let rows = entries.map(|Entry { account, amount }| entry::ActiveModel {
        transaction_id: Set(id.clone()),
        account: Set(account.to_string()),
        micros: Set(amount.0),
    });
    entry::Entity::insert_many(rows)
        .exec_without_returning(transaction)
        .await?;
    Ok(())
}

/// The running totals of all keys.
///
/// # Errors
/// Those of the database.
pub(crate) async fn totals(connection: &impl ConnectionTrait) -> Result<BTreeMap<Key, Micros>> {
    let rows = charge::Entity::find()
        .filter(charge::Column::Dimension.eq(COMPUTE))
        .all(connection)
        .await?;
    rows.into_iter()
        .map(|row| {
            Ok((
                (parsed(&row.attempt_id)?, unsigned(row.price_version)?),
                Micros(row.micros),
            ))
        })
        .collect()
}

/// The ledger, summed up by the database.
///
/// # Errors
/// Those of the database.
pub(crate) async fn sums(connection: &impl ConnectionTrait) -> Result<LedgerSums> {
    Ok(LedgerSums {
        transactions: transaction::Entity::find().count(connection).await?,
        unbalanced: unbalanced(connection).await?,
        charged: charged(connection).await?,
        balances: balances(connection).await?,
    })
}

#[derive(FromQueryResult)]
struct Unbalanced {
    id: String,
    attempt_id: Option<String>,
    micros: i64,
}

async fn unbalanced(connection: &impl ConnectionTrait) -> Result<Vec<(String, Micros)>> {
    // A transaction without entries balances too; its missing money shows in the sums of its key and accounts.
    let statement = "SELECT t.id AS id, t.attempt_id AS attempt_id, CAST(SUM(e.micros) AS BIGINT) AS micros \
         FROM ledger_transactions t JOIN ledger_entries e ON e.transaction_id = t.id \
         GROUP BY t.id, t.attempt_id HAVING SUM(e.micros) <> 0 ORDER BY t.id";
    let rows: Vec<Unbalanced> = select(connection, statement).await?;
    Ok(rows
        .into_iter()
        .map(|row| {
            let of = row
                .attempt_id
                .map_or_else(String::new, |attempt| format!(" of attempt {attempt}"));
            (format!("transaction {}{of}", row.id), Micros(row.micros))
        })
        .collect())
}

#[derive(FromQueryResult)]
struct Charged {
    attempt_id: String,
    price_version: i64,
    micros: i64,
}

async fn charged(connection: &impl ConnectionTrait) -> Result<BTreeMap<Key, Micros>> {
    let statement = "SELECT t.attempt_id AS attempt_id, t.price_version AS price_version, CAST(SUM(e.micros) AS BIGINT) AS micros \
         FROM ledger_transactions t JOIN ledger_entries e ON e.transaction_id = t.id AND e.account = 'team:' || t.team_id \
         WHERE t.kind = 'charge' GROUP BY t.attempt_id, t.price_version";
    let rows: Vec<Charged> = select(connection, statement).await?;
    rows.into_iter()
        .map(|row| {
            Ok((
                (parsed(&row.attempt_id)?, unsigned(row.price_version)?),
                Micros(row.micros),
            ))
        })
        .collect()
}

#[derive(FromQueryResult)]
struct Balance {
    account: String,
    micros: i64,
}

async fn balances(connection: &impl ConnectionTrait) -> Result<BTreeMap<String, Micros>> {
    let statement = "SELECT account, CAST(SUM(micros) AS BIGINT) AS micros FROM ledger_entries GROUP BY account";
    let rows: Vec<Balance> = select(connection, statement).await?;
    Ok(rows
        .into_iter()
        .map(|row| (row.account, Micros(row.micros)))
        .collect())
}

async fn select<T: FromQueryResult>(
    connection: &impl ConnectionTrait,
    statement: &str,
) -> Result<Vec<T>> {
    let statement = Statement::from_string(connection.get_database_backend(), statement);
    Ok(T::find_by_statement(statement).all(connection).await?)
}
