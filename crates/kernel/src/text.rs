//! Bounds on the texts that people give.

/// A text was refused. The message names the field, what was given and what would be right.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {problem}")]
pub struct TextError {
    /// Name of the field as callers write it.
    pub field: &'static str,
    /// What is wrong with it and what would be right.
    pub problem: String,
}

/// How much of a refused text a message repeats.
const SHOWN: usize = 40;

fn shown(text: &str) -> String {
    let mut cut: String = text.chars().take(SHOWN).collect();
    if text.chars().count() > SHOWN {
        cut.push('…');
    }
    format!("{cut:?}")
}

/// A name for people: 1 to `longest` characters, no control characters, no white space at the ends.
///
/// # Errors
/// [`TextError`] when it is anything else.
pub fn name(field: &'static str, text: &str, longest: usize) -> Result<String, TextError> {
    let refuse = |problem: String| Err(TextError { field, problem });
    let length = text.chars().count();
    if length == 0 || length > longest {
        return refuse(format!(
            "has {length} characters; 1 to {longest} are allowed"
        ));
    }
    if text.chars().any(char::is_control) {
        return refuse(format!(
            "{} has control characters; none are allowed",
            shown(text)
        ));
    }
    if text.trim() != text {
        return refuse(format!(
            "{} begins or ends with white space; remove it",
            shown(text)
        ));
    }
    Ok(text.to_owned())
}

/// A unique lower-case name: letters, digits and single inner hyphens, 1 to 39 characters.
///
/// # Errors
/// [`TextError`] when it is anything else.
pub fn slug(field: &'static str, text: &str) -> Result<String, TextError> {
    let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    let well_formed = (1..=39).contains(&text.len())
        && text.bytes().all(allowed)
        && !text.starts_with('-')
        && !text.ends_with('-')
        && !text.contains("--");
    if well_formed {
        return Ok(text.to_owned());
    }
    let problem = format!(
        "{} is refused; allowed are 1 to 39 lower-case letters, digits and single hyphens between them",
        shown(text)
    );
    Err(TextError { field, problem })
}

/// An address such as `ada@example.org`: one `@`, something on both sides, at most 254 characters, no white space.
///
/// # Errors
/// [`TextError`] when it is anything else.
pub fn email(field: &'static str, text: &str) -> Result<String, TextError> {
    let halves = text.split_once('@');
    let well_formed = text.len() <= 254
        && halves.is_some_and(|(local, domain)| {
            !local.is_empty() && !domain.is_empty() && !domain.contains('@')
        })
        && !text
            .chars()
            .any(|letter| letter.is_whitespace() || letter.is_control());
    if well_formed {
        return Ok(text.to_lowercase());
    }
    let problem = format!(
        "{} is not an address; expected one such as ada@example.org",
        shown(text)
    );
    Err(TextError { field, problem })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_bounded() {
        assert_eq!(name("name", "Größe 3", 10), Ok("Größe 3".to_owned()));
        for wrong in ["", " a", "a\n", "12345678901"] {
            assert!(name("name", wrong, 10).is_err(), "{wrong:?}");
        }
        let long = "x".repeat(1_000_000);
        let error = name("name", &long, 100).unwrap_err().to_string();
        assert!(error.starts_with("name: ") && error.len() < 200, "{error}");
    }

    #[test]
    fn slugs_and_addresses() {
        assert!(slug("namespace", "lab-7").is_ok());
        for wrong in ["", "-a", "a-", "a--b", "A", "a_b", &"a".repeat(40)] {
            assert!(slug("namespace", wrong).is_err(), "{wrong:?}");
        }
        assert_eq!(
            email("email", "Ada@Example.org"),
            Ok("ada@example.org".to_owned())
        );
        for wrong in ["", "ada", "@x", "a@", "a@b@c", "a b@c"] {
            assert!(email("email", wrong).is_err(), "{wrong:?}");
        }
    }
}
