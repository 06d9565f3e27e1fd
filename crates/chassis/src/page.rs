//! Paging of lists, the same everywhere.

use contracts::common::v1::{PageInfo, PageRequest};
use sea_orm::{
    ColumnTrait, Condition, ConnectionTrait, EntityTrait, Order, QueryFilter, QueryOrder,
    QuerySelect, Select,
};

use crate::{Error, Result};

/// Items on a page when nothing is said.
pub const DEFAULT_LIMIT: u32 = 50;
/// Most items on a page.
pub const MAX_LIMIT: u32 = 120;

/// Number of items that `page` asks for.
///
/// # Errors
/// [`Error::Invalid`] above [`MAX_LIMIT`].
pub fn limit(page: &PageRequest) -> Result<u64> {
    match page.limit {
        0 => Ok(u64::from(DEFAULT_LIMIT)),
        limit if limit <= MAX_LIMIT => Ok(u64::from(limit)),
        limit => Err(Error::invalid(
            "limit",
            format!("is {limit}; 1 to {MAX_LIMIT} are allowed"),
        )),
    }
}

/// Cuts `items`, of which one more than `limit` was read, to the page; `cursor` names the place behind its last item.
pub fn cut<T>(mut items: Vec<T>, limit: u64, cursor: impl Fn(&T) -> String) -> (Vec<T>, PageInfo) {
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let has_more = items.len() > limit;
    items.truncate(limit);
    let next_page = items
        .last()
        .filter(|_| has_more)
        .map(cursor)
        .unwrap_or_default();
    (
        items,
        PageInfo {
            has_more,
            next_page,
        },
    )
}

/// The page `asked` (absent = the first) of what `query` finds, in the order of the column `id`: newest first, as identifiers grow
/// with time, or `oldest_first`. `id_of` reads that column from a row.
///
/// # Errors
/// [`Error::Invalid`] for a page that is too large, and those of the database.
pub async fn by_id<E: EntityTrait>(
    connection: &impl ConnectionTrait,
    query: Select<E>,
    id: E::Column,
    asked: Option<&PageRequest>,
    oldest_first: bool,
    id_of: impl Fn(&E::Model) -> String,
) -> Result<(Vec<E::Model>, PageInfo)> {
    let start = PageRequest::default();
    let asked = asked.unwrap_or(&start);
    let limit = limit(asked)?;
    let behind = match (asked.after.as_str(), oldest_first) {
        ("", _) => Condition::all(),
        (after, true) => Condition::all().add(id.gt(after)),
        (after, false) => Condition::all().add(id.lt(after)),
    };
    let order = if oldest_first {
        Order::Asc
    } else {
        Order::Desc
    };
    let rows = query
        .filter(behind)
        .order_by(id, order)
        .limit(limit + 1)
        .all(connection)
        .await?;
    Ok(cut(rows, limit, id_of))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_are_bounded_and_say_where_they_go_on() {
        let ask = |limit| PageRequest {
            after: String::new(),
            limit,
        };
        assert_eq!(limit(&ask(0)).unwrap(), 50);
        assert_eq!(limit(&ask(120)).unwrap(), 120);
        assert!(limit(&ask(121)).is_err());

        let (items, info) = cut(vec![1, 2, 3], 2, i32::to_string);
        assert_eq!(
            (items, info.has_more, info.next_page.as_str()),
            (vec![1, 2], true, "2")
        );
        let (items, info) = cut(vec![1, 2], 2, i32::to_string);
        assert_eq!(
            (items, info.has_more, info.next_page.as_str()),
            (vec![1, 2], false, "")
        );
    }
}
