//! Requests for join tokens that were answered: each makes one token, however often it is asked.

use kernel::Timestamp;
use kernel::time::from_micros;
use sea_orm::{
    ActiveValue::Set, ColumnTrait, DatabaseTransaction, DbErr, EntityTrait, QueryFilter,
};

use super::entity::token_request;

/// What was asked for before, and until when its token works.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Answered {
    pub(crate) ttl_seconds: i64,
    pub(crate) expires_at: Timestamp,
}

/// Notes a request, unless it was answered before: then gives what that was.
pub(crate) async fn insert_or_find(
    transaction: &DatabaseTransaction,
    asker: &str,
    request_id: &str,
    new: Answered,
) -> Result<Option<Answered>, DbErr> {
    let row = token_request::ActiveModel {
        asker: Set(asker.to_owned()),
        request_id: Set(request_id.to_owned()),
        ttl_seconds: Set(new.ttl_seconds),
        expires_at: Set(new.expires_at.timestamp_micros()),
    };
    let key = [
        token_request::Column::Asker,
        token_request::Column::RequestId,
    ];
    let inserted = token_request::Entity::insert(row)
        .on_conflict_do_nothing_on(key)
        .exec_without_returning(transaction)
        .await?;
    if matches!(inserted, sea_orm::TryInsertResult::Inserted(1)) {
        return Ok(None);
    }
    let found = token_request::Entity::find_by_id((asker.to_owned(), request_id.to_owned()))
        .one(transaction)
        .await?;
    Ok(found.map(|row| Answered {
        ttl_seconds: row.ttl_seconds,
        expires_at: from_micros(row.expires_at),
    }))
}

/// Forgets requests whose token expired before `oldest`.
pub(crate) async fn forget(
    transaction: &DatabaseTransaction,
    oldest: Timestamp,
) -> Result<(), DbErr> {
    token_request::Entity::delete_many()
        .filter(token_request::Column::ExpiresAt.lt(oldest.timestamp_micros()))
        .exec(transaction)
        .await?;
    Ok(())
}
