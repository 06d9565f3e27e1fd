//! Events, between rows and the domain.

use chassis::{Error, Result};
use kernel::Timestamp;
use kernel::time::from_micros;
use sea_orm::{
    ActiveValue::Set, ColumnTrait, Condition, ConnectionTrait, DatabaseTransaction, DbErr,
    EntityTrait, Order, QueryFilter, QueryOrder, QuerySelect, QueryTrait, Select, Statement,
};

use super::entity::event::{Column, Entity, Model};
use super::entity::{event, mention};
use crate::domain::entry::{Entry, Written};
use crate::domain::filter::{Filter, Object, Whose};
use crate::domain::place::Place;

/// The number of the next event. Locks the counter until the transaction ends: numbers are committed in their order.
pub(crate) async fn next_seq(transaction: &DatabaseTransaction) -> Result<u64> {
    let statement = "UPDATE numbers SET last = last + 1 WHERE id = 1 RETURNING last";
    counter(transaction, statement).await
}

/// The last number given.
pub(crate) async fn last_seq(connection: &impl ConnectionTrait) -> Result<u64> {
    counter(connection, "SELECT last FROM numbers WHERE id = 1").await
}

async fn counter(connection: &impl ConnectionTrait, statement: &str) -> Result<u64> {
    let row = connection
        .query_one_raw(Statement::from_string(
            connection.get_database_backend(),
            statement,
        ))
        .await?
        .ok_or_else(|| DbErr::RecordNotFound("the counter of events".to_owned()))?;
    unsigned(row.try_get("", "last")?)
}

/// Whether the event with this identifier is written down.
pub(crate) async fn is_written(connection: &impl ConnectionTrait, id: &str) -> Result<bool> {
    let found = Entity::find()
        .filter(Column::Id.eq(id))
        .one(connection)
        .await?;
    Ok(found.is_some())
}

/// Writes an event and what it names.
pub(crate) async fn insert(
    transaction: &DatabaseTransaction,
    seq: u64,
    entry: &Entry,
) -> Result<()> {
    let seq = signed(seq)?;
    let row = event::ActiveModel {
        seq: Set(seq),
        id: Set(entry.id.clone()),
        happened_at: Set(entry.time.timestamp_micros()),
        area: Set(entry.area.clone()),
        kind: Set(entry.kind.clone()),
        team_id: Set(entry.team.clone()),
        project_id: Set(entry.project.clone()),
        object_id: Set(entry.object.clone()),
        revision: Set(signed(entry.revision)?),
        summary: Set(entry.summary.clone()),
        data: Set(entry.data.clone()),
    };
    Entity::insert(row)
        .exec_without_returning(transaction)
        .await?;
    let mentions = entry.mentions.iter().map(|object| mention::ActiveModel {
        object_id: Set(object.clone()),
        seq: Set(seq),
    });
    mention::Entity::insert_many(mentions)
        .exec_without_returning(transaction)
        .await?;
    Ok(())
}

/// Events up to the number `head` in the order of their time, behind `after`.
pub(crate) async fn by_time(
    connection: &impl ConnectionTrait,
    filter: &Filter,
    head: u64,
    after: Option<Place>,
    newest_first: bool,
    limit: u64,
) -> Result<Vec<Written>> {
    let mut query = select(filter).filter(Column::Seq.lte(signed(head)?));
    if let Some(place) = after {
        query = query.filter(behind(place, newest_first)?);
    }
    let order = if newest_first {
        Order::Desc
    } else {
        Order::Asc
    };
    let rows = query
        .order_by(Column::HappenedAt, order.clone())
        .order_by(Column::Seq, order)
        .limit(limit)
        .all(connection)
        .await?;
    rows.into_iter().map(read).collect()
}

/// Events with a number above `after`, in the order of their numbers.
pub(crate) async fn by_seq(
    connection: &impl ConnectionTrait,
    filter: &Filter,
    after: u64,
    limit: u64,
) -> Result<Vec<Written>> {
    let rows = select(filter)
        .filter(Column::Seq.gt(signed(after)?))
        .order_by_asc(Column::Seq)
        .limit(limit)
        .all(connection)
        .await?;
    rows.into_iter().map(read).collect()
}

/// Removes up to `most` events from before `oldest`, and says how many.
pub(crate) async fn forget(
    transaction: &DatabaseTransaction,
    oldest: Timestamp,
    most: u64,
) -> Result<u64> {
    let old: Vec<i64> = Entity::find()
        .select_only()
        .column(Column::Seq)
        .filter(Column::HappenedAt.lt(oldest.timestamp_micros()))
        .order_by_asc(Column::HappenedAt)
        .limit(most)
        .into_tuple()
        .all(transaction)
        .await?;
    if old.is_empty() {
        return Ok(0);
    }
    mention::Entity::delete_many()
        .filter(mention::Column::Seq.is_in(old.iter().copied()))
        .exec(transaction)
        .await?;
    Entity::delete_many()
        .filter(Column::Seq.is_in(old.iter().copied()))
        .exec(transaction)
        .await?;
    Ok(old.len() as u64)
}

fn select(filter: &Filter) -> Select<Entity> {
    let mut all = Condition::all();
    match &filter.whose {
        Whose::All => {}
        Whose::Team(team) => all = all.add(Column::TeamId.eq(team)),
        // No event has this number.
        Whose::Nobody => all = all.add(Column::Seq.lt(0)),
    }
    // Of what nobody knows the project, it may be a hidden one: no row is found by a comparison with NULL.
    if !filter.hidden.is_empty() {
        all = all.add(Column::ProjectId.is_not_in(&filter.hidden));
    }
    let named = match &filter.object {
        Object::Any => None,
        Object::Is(id) => Some(mention::Column::ObjectId.eq(id)),
        Object::Begins(text) => Some(mention::Column::ObjectId.starts_with(text)),
    };
    if let Some(named) = named {
        let numbers = mention::Entity::find()
            .select_only()
            .column(mention::Column::Seq)
            .filter(named)
            .into_query();
        all = all.add(Column::Seq.in_subquery(numbers));
    }
    if !filter.kinds.is_empty() {
        all = all.add(Column::Kind.is_in(&filter.kinds));
    }
    if let Some(from) = filter.from {
        all = all.add(Column::HappenedAt.gte(from.timestamp_micros()));
    }
    Entity::find().filter(all)
}

fn behind(place: Place, newest_first: bool) -> Result<Condition> {
    let seq = signed(place.seq)?;
    let (later, same_time) = if newest_first {
        (Column::HappenedAt.lt(place.time), Column::Seq.lt(seq))
    } else {
        (Column::HappenedAt.gt(place.time), Column::Seq.gt(seq))
    };
    let tied = Condition::all()
        .add(Column::HappenedAt.eq(place.time))
        .add(same_time);
    Ok(Condition::any().add(later).add(tied))
}

fn read(row: Model) -> Result<Written> {
    Ok(Written {
        seq: unsigned(row.seq)?,
        entry: Entry {
            id: row.id,
            time: from_micros(row.happened_at),
            area: row.area,
            kind: row.kind,
            team: row.team_id,
            project: row.project_id,
            object: row.object_id,
            revision: unsigned(row.revision)?,
            summary: row.summary,
            data: row.data,
            mentions: Default::default(),
        },
    })
}

fn signed(number: u64) -> Result<i64> {
    i64::try_from(number).map_err(|error| Error::internal("writing a number", error))
}

fn unsigned(number: i64) -> Result<u64> {
    u64::try_from(number).map_err(|error| Error::internal("reading a number", error))
}
