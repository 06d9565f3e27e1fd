//! Paging of lists, the same everywhere.

use contracts::common::v1::{PageInfo, PageRequest};

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
