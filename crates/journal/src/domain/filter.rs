//! Which events somebody wants to see, and may.

use chassis::{Error, Result};
use kernel::Timestamp;

use super::content::is_id;

/// Longest object and type, in characters.
const LONGEST: usize = 100;
/// Most types.
const MOST_TYPES: usize = 20;

/// Whose events.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Whose {
    /// Everybody's, and those of nobody.
    All,
    /// One team's.
    Team(String),
    /// Nobody's: a team asked for another one.
    Nobody,
}

/// Which object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Object {
    Any,
    /// This one.
    Is(String),
    /// Those whose identifier begins so.
    Begins(String),
}

/// Which events somebody wants to see, and may.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Filter {
    pub(crate) whose: Whose,
    /// Projects that do not exist for who asks.
    pub(crate) hidden: Vec<String>,
    pub(crate) object: Object,
    /// Full names; empty = all.
    pub(crate) kinds: Vec<String>,
    pub(crate) from: Option<Timestamp>,
}

impl Whose {
    /// What a caller of `team` sees who asks for the events of `asked` (empty = all that they may see).
    pub(crate) fn of(team: String, operator: bool, asked: String) -> Self {
        match (operator, asked.is_empty()) {
            (true, true) => Self::All,
            (true, false) => Self::Team(asked),
            (false, true) => Self::Team(team),
            (false, false) if asked == team => Self::Team(team),
            (false, false) => Self::Nobody,
        }
    }
}

impl Object {
    /// Reads an identifier or the beginning of one; empty = any.
    pub(crate) fn parse(text: &str) -> Result<Self> {
        let fits = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '-' | '.');
        if text.is_empty() {
            return Ok(Self::Any);
        }
        if text.len() > LONGEST || !text.chars().all(fits) {
            let problem = format!(
                "is no identifier; use up to {LONGEST} letters, digits, hyphens and full stops"
            );
            return Err(Error::invalid("object", problem));
        }
        Ok(if is_id(text) {
            Self::Is(text.to_owned())
        } else {
            Self::Begins(text.to_owned())
        })
    }
}

/// Full names of types: a short one is the event of this name in any of `areas`.
pub(crate) fn kinds(asked: Vec<String>, areas: &[&str]) -> Result<Vec<String>> {
    if asked.len() > MOST_TYPES {
        let problem = format!(
            "has {} items; at most {MOST_TYPES} are allowed",
            asked.len()
        );
        return Err(Error::invalid("types", problem));
    }
    if let Some(wrong) = asked
        .iter()
        .find(|kind| kind.is_empty() || kind.len() > LONGEST)
    {
        let problem = format!(
            "has a name of {} bytes; 1 to {LONGEST} are allowed",
            wrong.len()
        );
        return Err(Error::invalid("types", problem));
    }
    let full = |kind: String| -> Vec<String> {
        if kind.contains('.') {
            return vec![kind];
        }
        let named = areas.iter().map(|area| format!("quire.{area}.v1.{kind}"));
        named.collect()
    };
    Ok(asked.into_iter().flat_map(full).collect())
}

#[cfg(test)]
mod tests {
    use kernel::id::NotebookId;

    use super::*;

    #[test]
    fn a_team_sees_its_own_and_an_operator_all() {
        let of = |operator, asked: &str| Whose::of("te-1".to_owned(), operator, asked.to_owned());
        let team = |id: &str| Whose::Team(id.to_owned());
        assert_eq!(of(false, ""), team("te-1"));
        assert_eq!(of(false, "te-1"), team("te-1"));
        assert_eq!(of(false, "te-2"), Whose::Nobody);
        assert_eq!(of(true, ""), Whose::All);
        assert_eq!(of(true, "te-2"), team("te-2"));
    }

    #[test]
    fn objects_are_whole_or_beginnings_and_bounded() {
        let id = NotebookId::generate().to_string();
        assert_eq!(Object::parse(&id).unwrap(), Object::Is(id.clone()));
        let beginning = id.get(..8).unwrap();
        assert_eq!(
            Object::parse(beginning).unwrap(),
            Object::Begins(beginning.to_owned())
        );
        assert_eq!(Object::parse("").unwrap(), Object::Any);
        for wrong in ["%", "a_b", "a b", "ä", &"x".repeat(101)] {
            let error = Object::parse(wrong).unwrap_err().to_string();
            assert!(error.starts_with("object: "), "{error}");
        }
    }

    #[test]
    fn short_names_of_types_are_looked_for_everywhere() {
        let ask = |kind: &str| kinds(vec![kind.to_owned()], &["a", "b"]);
        assert_eq!(ask("X").unwrap(), ["quire.a.v1.X", "quire.b.v1.X"]);
        assert_eq!(ask("quire.a.v1.X").unwrap(), ["quire.a.v1.X"]);
        assert!(ask("").is_err());
        assert!(kinds(vec!["X".to_owned(); 21], &["a"]).is_err());
    }
}
