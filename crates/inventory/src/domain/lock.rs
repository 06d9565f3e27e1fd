//! Locks: exact versions with the hashes of their files, as `pip` and `uv` read them. One for a Python of its own begins with a comment
//! that names it, so that its hash differs and nodes know what to build it on.

/// What a lock begins with that is for a Python of its own.
const PYTHON: &str = "# python: ";
/// Longest reason that is kept, in characters.
const LONGEST_REASON: usize = 2_000;

/// A lock for this version of Python; empty = the node's own.
pub(crate) fn with_python(lock: &str, version: &str) -> String {
    if version.is_empty() {
        lock.to_owned()
    } else {
        format!("{PYTHON}{version}\n{lock}")
    }
}

/// How many packages a lock holds.
pub(crate) fn packages(lock: &str) -> u32 {
    let pins = lock.lines().filter(|line| {
        line.starts_with(|letter: char| letter.is_ascii_alphanumeric()) && line.contains("==")
    });
    u32::try_from(pins.count()).unwrap_or(u32::MAX)
}

/// Why packages cannot be had together, from all that the resolver wrote: from the error on, without warnings, on one line.
pub(crate) fn reason(output: &str) -> String {
    let from_error = output
        .lines()
        .skip_while(|line| !line.starts_with("error:"))
        .collect::<Vec<_>>();
    let telling = if from_error.is_empty() {
        output
            .lines()
            .filter(|line| !line.starts_with("warning:"))
            .collect()
    } else {
        from_error
    };
    let text = telling.join(" ");
    let text = text.strip_prefix("error:").unwrap_or(&text);
    let words: Vec<_> = text
        .split_whitespace()
        .filter(|word| *word != "cause:")
        .collect();
    let text = words.join(" ");
    if text.is_empty() {
        return "the resolver failed without a word".to_owned();
    }
    match text.char_indices().nth(LONGEST_REASON) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_python_makes_another_lock() {
        let lock = "six==1.17.0 \\\n    --hash=sha256:aa\nzipp==3.1 \\\n    --hash=sha256:bb\n";
        assert_eq!(with_python(lock, ""), lock);
        let other = with_python(lock, "3.12");
        assert!(other.starts_with("# python: 3.12\nsix=="), "{other}");
        assert_eq!((packages(lock), packages(&other)), (2, 2));
    }

    #[test]
    fn the_resolvers_own_words_are_kept_without_its_warnings() {
        let output = "warning: The requested Python version 3.12 is not available\n  cause: none\n\
            error: No solution found when resolving dependencies\n  cause: Because there is no version of pandas==99 \
            and you require pandas==99,\n         we can conclude that your requirements are unsatisfiable.\n";
        assert_eq!(
            reason(output),
            "No solution found when resolving dependencies Because there is no version of pandas==99 and you require \
             pandas==99, we can conclude that your requirements are unsatisfiable."
        );
        assert_eq!(reason("  × No solution\nwarning: x\n"), "× No solution");
        assert_eq!(reason(""), "the resolver failed without a word");
        assert_eq!(
            reason(&"x".repeat(5_000)).chars().count(),
            LONGEST_REASON + 1
        );
    }
}
