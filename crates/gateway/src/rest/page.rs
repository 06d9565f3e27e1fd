//! Lists, a page at a time.

use std::cmp::Ordering;

use chassis::{Error, Result, page};
use contracts::common::v1::{PageInfo, PageRequest};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::values::non_empty;

/// Longest cursor, in bytes.
const LONGEST_CURSOR: usize = 300;

/// One page of a list.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct List<T> {
    /// There are more items behind this page.
    has_more: bool,
    /// Pass it as `after` to get the next page; absent on the last one.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_page: Option<String>,
    /// The items on this page.
    items: Vec<T>,
}

impl<T> List<T> {
    /// The same page of something else.
    pub(super) fn map<U>(self, change: impl FnMut(T) -> U) -> List<U> {
        let items = self.items.into_iter().map(change).collect();
        List {
            has_more: self.has_more,
            next_page: self.next_page,
            items,
        }
    }
}

/// Which page of a list is wanted.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", default)]
#[into_params(parameter_in = Query)]
pub(super) struct PageQuery {
    /// The `nextPage` of the page before.
    after: Option<String>,
    /// Number of items on the page, 50 when nothing is said.
    #[param(value_type = Option<u32>, minimum = 1, maximum = 120)]
    limit: Option<String>,
    /// What the list is ordered by.
    order_by: Option<String>,
    /// In which direction.
    #[param(value_type = Option<Order>, inline)]
    order: Option<String>,
}

/// Direction of a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ToSchema)]
pub(super) enum Order {
    /// Smallest or oldest first.
    #[schema(rename = "asc")]
    Ascending,
    /// Largest or newest first.
    #[schema(rename = "desc")]
    Descending,
}

/// A page as it was asked for, checked.
#[derive(Clone, Debug)]
pub(super) struct Page {
    after: Option<String>,
    limit: u32,
    /// What the list is ordered by: one of the fields that were offered.
    pub(super) order_by: &'static str,
    /// In which direction.
    pub(super) order: Order,
}

impl PageQuery {
    /// Checks the query against the fields that the list can be ordered by; the first of them and `default` hold when nothing
    /// is said.
    ///
    /// # Errors
    /// [`Error::Invalid`] naming the parameter.
    pub(super) fn read<const N: usize>(
        self,
        fields: [&'static str; N],
        default: Order,
    ) -> Result<Page> {
        if self
            .after
            .as_ref()
            .is_some_and(|after| after.len() > LONGEST_CURSOR)
        {
            return Err(Error::invalid(
                "after",
                "is not the nextPage of a page before",
            ));
        }
        let asked = self
            .order_by
            .as_deref()
            .or(fields.first().copied())
            .unwrap_or_default();
        let order_by = fields
            .into_iter()
            .find(|field| *field == asked)
            .ok_or_else(|| {
                Error::invalid(
                    "orderBy",
                    format!(
                        "{} is not offered; use {}",
                        shown(asked),
                        fields.join(" or ")
                    ),
                )
            })?;
        let order = match self.order.as_deref() {
            None => default,
            Some("asc") => Order::Ascending,
            Some("desc") => Order::Descending,
            Some(other) => {
                return Err(Error::invalid(
                    "order",
                    format!("is {}; use asc or desc", shown(other)),
                ));
            }
        };
        let limit = self.limit.as_deref().map(read_limit).transpose()?;
        let after = self.after.and_then(non_empty);
        Ok(Page {
            after,
            limit: limit.unwrap_or(page::DEFAULT_LIMIT),
            order_by,
            order,
        })
    }
}

fn shown(text: &str) -> String {
    format!("{:?}", text.chars().take(40).collect::<String>())
}

fn read_limit(text: &str) -> Result<u32> {
    let limit = text
        .parse()
        .ok()
        .filter(|limit| (1..=page::MAX_LIMIT).contains(limit));
    let problem = || {
        format!(
            "is {}; use a number from 1 to {}",
            shown(text),
            page::MAX_LIMIT
        )
    };
    limit.ok_or_else(|| Error::invalid("limit", problem()))
}

impl Page {
    /// The page as services read it.
    pub(super) fn for_service(&self) -> PageRequest {
        PageRequest {
            after: self.after.clone().unwrap_or_default(),
            limit: self.limit,
        }
    }

    /// Cuts this page out of a whole list. `key` orders the list as text and names each item's place, so that a page goes on
    /// at the right place even when the item before it is gone.
    pub(super) fn cut<T>(&self, items: Vec<T>, key: impl Fn(&T) -> String) -> List<T> {
        let in_order = |a: &str, b: &str| match self.order {
            Order::Ascending => a.cmp(b),
            Order::Descending => b.cmp(a),
        };
        let behind = |key: &str| {
            self.after
                .as_ref()
                .is_none_or(|after| in_order(key, after) == Ordering::Greater)
        };
        let mut keyed: Vec<(String, T)> =
            items.into_iter().map(|item| (key(&item), item)).collect();
        keyed.retain(|(key, _)| behind(key));
        keyed.sort_by(|(a, _), (b, _)| in_order(a, b));
        let (page, info) = page::cut(keyed, self.limit.into(), |(key, _)| key.clone());
        list(page.into_iter().map(|(_, item)| item).collect(), info)
    }
}

/// A page that a service has cut.
pub(super) fn list<T>(items: Vec<T>, info: PageInfo) -> List<T> {
    List {
        has_more: info.has_more,
        next_page: non_empty(info.next_page),
        items,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn query(text: &str) -> Result<Page> {
        let query: PageQuery = serde_json::from_str(text).unwrap();
        query.read(["dtCreated", "name"], Order::Descending)
    }

    #[test]
    fn what_is_not_offered_is_named() {
        let page = query("{}").unwrap();
        assert_eq!(
            (page.order_by, page.order, page.limit),
            ("dtCreated", Order::Descending, 50)
        );
        assert!(query("{\"limit\": \"120\", \"orderBy\": \"name\", \"order\": \"asc\"}").is_ok());
        for (wrong, field) in [
            ("{\"limit\": \"0\"}", "limit: "),
            ("{\"limit\": \"121\"}", "limit: "),
            ("{\"limit\": \"many\"}", "limit: "),
            ("{\"order\": \"up\"}", "order: "),
            (
                "{\"orderBy\": \"state\"}",
                "orderBy: \"state\" is not offered; use dtCreated or name",
            ),
        ] {
            let error = query(wrong).unwrap_err().to_string();
            assert!(error.starts_with(field), "{error}");
        }
    }

    proptest! {
        /// Walking the pages gives every item once, in order, whatever the size of the pages.
        #[test]
        fn pages_make_the_list(count in 0_u32..200, limit in 1_u32..=120, ascending: bool) {
            let order = if ascending { Order::Ascending } else { Order::Descending };
            let mut page = Page { after: None, limit, order_by: "name", order };
            let mut walked = Vec::new();
            loop {
                let list = page.cut((0..count).collect(), |item| format!("{item:05}"));
                prop_assert!(list.items.len() <= usize::try_from(limit).unwrap());
                prop_assert_eq!(list.has_more, list.next_page.is_some());
                walked.extend(list.items);
                page.after = list.next_page;
                if page.after.is_none() { break }
            }
            let mut expected: Vec<u32> = (0..count).collect();
            if !ascending { expected.reverse() }
            prop_assert_eq!(walked, expected);
        }
    }
}
