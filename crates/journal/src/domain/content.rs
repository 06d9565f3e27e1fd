//! What the journal takes from the content of an event: its JSON without secrets and overlong texts, its revision, and what it
//! names. No event carries a secret by contract; that none is kept here does not depend on it.

use std::collections::BTreeSet;

use serde_json::Value;

/// Longest text of a field, in characters.
const LONGEST_TEXT: usize = 500;
/// Most items of a list, and most fields of an object.
const MOST_ITEMS: usize = 50;
/// Longest JSON that is kept, in bytes: larger content is left out as a whole.
const LONGEST_JSON: usize = 64 << 10;
/// Most names that are taken from one event.
const MOST_MENTIONS: usize = 64;
/// A kind of two letters, a hyphen, and 26 characters: see `kernel::id`.
const ID_LENGTH: usize = 29;
/// Who is named by everything that it owns: a team's timeline is its list of events.
const TEAM: &str = "te-";
/// Words that a field with a secret has in its name.
const SECRET: [&str; 4] = ["token", "secret", "password", "key"];
/// Fields with such a word that hold no secret.
const NO_SECRET: [&str; 1] = ["apiKeyId"];
/// Maps whose values are other people's words: variables of a process.
const VARIABLES: &str = "env";

/// What was taken from the content of an event.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Content {
    /// JSON; empty when it is too large.
    pub(crate) data: String,
    /// 0 = not told.
    pub(crate) revision: u64,
    /// Project that it belongs to; empty where there is none.
    pub(crate) project: String,
    /// Identifiers that it names, teams left out.
    pub(crate) mentions: BTreeSet<String>,
}

/// Takes what the journal keeps from protobuf's JSON of an event.
pub(crate) fn take(mut value: Value) -> Content {
    let revision = told(&value, "revision").and_then(|text| text.parse().ok());
    let project = told(&value, "projectId").unwrap_or_default().to_owned();
    let mut mentions = BTreeSet::new();
    clean(&mut value, &mut mentions);
    let data = value.to_string();
    Content {
        data: if data.len() > LONGEST_JSON {
            String::new()
        } else {
            data
        },
        revision: revision.unwrap_or(0),
        project,
        mentions,
    }
}

/// A field of the event or of the one thing in it; protobuf's JSON writes large numbers as texts too.
fn told<'a>(value: &'a Value, field: &str) -> Option<&'a str> {
    let read = |value: &'a Value| value.get(field)?.as_str();
    let inner = || value.as_object()?.values().find_map(read);
    read(value).or_else(inner)
}

fn clean(value: &mut Value, mentions: &mut BTreeSet<String>) {
    match value {
        Value::Object(fields) => {
            fields.retain(|name, _| !is_secret(name));
            let surplus: Vec<_> = fields.keys().skip(MOST_ITEMS).cloned().collect();
            for name in surplus {
                fields.remove(&name);
            }
            for (name, field) in fields.iter_mut() {
                if name == VARIABLES {
                    hide_values(field);
                }
                clean(field, mentions);
            }
        }
        Value::Array(items) => {
            items.truncate(MOST_ITEMS);
            for item in items {
                clean(item, mentions);
            }
        }
        Value::String(text) => {
            if is_id(text) && !text.starts_with(TEAM) && mentions.len() < MOST_MENTIONS {
                mentions.insert(text.clone());
            }
            if let Some((end, _)) = text.char_indices().nth(LONGEST_TEXT) {
                text.truncate(end);
                text.push('…');
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

fn is_secret(field: &str) -> bool {
    let lower = field.to_ascii_lowercase();
    !NO_SECRET.contains(&field) && SECRET.iter().any(|word| lower.contains(word))
}

fn hide_values(map: &mut Value) {
    for value in map
        .as_object_mut()
        .into_iter()
        .flat_map(|map| map.values_mut())
    {
        *value = Value::String("…".to_owned());
    }
}

/// Whether `text` is a whole typed identifier.
pub(crate) fn is_id(text: &str) -> bool {
    let (Some(kind), Some(rest)) = (text.get(..3), text.get(3..)) else {
        return false;
    };
    text.len() == ID_LENGTH
        && kind.ends_with('-')
        && kind
            .trim_end_matches('-')
            .bytes()
            .all(|byte| byte.is_ascii_lowercase())
        && rest
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use kernel::id::{NodeId, NotebookId, TeamId};
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[test]
    fn secrets_are_left_out_wherever_they_are() {
        let content = take(json!({
            "notebook": {"name": "n", "token": "hunter2", "tokenSha256": "hunter2"},
            "list": [{"apiKey": "hunter2", "nested": {"dbPassword": "hunter2"}}],
            "spec": {"env": {"HF_TOKEN": "hunter2", "HOME": "hunter2"}, "command": ["jupyter"]},
            "apiKeyId": "ke-1"
        }));
        assert!(!content.data.contains("hunter2"), "{}", content.data);
        assert!(content.data.contains("jupyter") && content.data.contains("HOME"));
        assert!(content.data.contains("ke-1"));
    }

    #[test]
    fn revision_and_names_are_found() {
        let (notebook, node, team) = (
            NotebookId::generate().to_string(),
            NodeId::generate().to_string(),
            TeamId::generate().to_string(),
        );
        let content = take(json!({
            "attempt": {"revision": "7", "ownerId": notebook, "nodeId": node, "teamId": team, "projectId": "p", "reason": "no-reason"}
        }));
        assert_eq!((content.revision, content.project.as_str()), (7, "p"));
        assert_eq!(content.mentions, BTreeSet::from([notebook, node]));
        assert_eq!(take(json!({"apiKeyId": "x", "revision": "2"})).revision, 2);
        let none = take(json!({"deleted": true}));
        assert_eq!((none.revision, none.project.as_str()), (0, ""));
    }

    #[test]
    fn what_is_overlong_is_cut() {
        let content = take(json!({"text": "ä".repeat(10_000), "list": vec![1; 10_000]}));
        assert!(content.data.len() < 2_000, "{}", content.data.len());
        let wide: serde_json::Map<_, _> = (0..60)
            .map(|number| {
                (
                    format!("f{number}"),
                    json!({"a": vec!["x".repeat(500); 50]}),
                )
            })
            .collect();
        assert_eq!(take(Value::Object(wide)).data, "");
    }

    proptest! {
        /// Whatever a field holds, the content stays readable and bounded.
        #[test]
        fn any_text_stays_json(text in ".{0,2000}") {
            let content = take(json!({ "a": { "b": text } }));
            prop_assert!(serde_json::from_str::<Value>(&content.data).is_ok());
            prop_assert!(content.data.len() <= LONGEST_JSON);
        }
    }
}
