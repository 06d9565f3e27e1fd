//! Reads what the builder writes: how far it is, and why it failed.

/// Longest reason that is passed on, in characters.
const MAX_REASON: usize = 1_200;

/// What a line of output says about the progress, in words for people; `None` when nothing new.
pub(super) fn progress(line: &str) -> Option<String> {
    let mut words = line.split_whitespace();
    match (words.next()?, words.next()?, words.next()?) {
        ("Resolved", count, "package" | "packages") => Some(format!("installing {count} packages")),
        ("Prepared", count, "package" | "packages") => Some(format!("unpacking {count} packages")),
        ("Installed", count, "package" | "packages") => Some(format!("compiling {count} packages")),
        _ => None,
    }
}

/// Why a build failed, from all that was written: the end of it, without lines that only tell progress.
pub(super) fn reason(output: &str) -> String {
    let telling: Vec<&str> = output
        .lines()
        .map(str::trim_end)
        .filter(|line| !line.is_empty() && progress(line).is_none() && !line.starts_with("Using "))
        .collect();
    let text = telling
        .join(" ")
        .split_whitespace()
        .collect::<Vec<_>>()
        .join(" ");
    let surplus = text.chars().count().saturating_sub(MAX_REASON);
    text.chars().skip(surplus).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_become_words_for_people() {
        assert_eq!(
            progress("Resolved 37 packages in 12ms").unwrap(),
            "installing 37 packages"
        );
        assert_eq!(
            progress("Installed 1 package in 2ms").unwrap(),
            "compiling 1 packages"
        );
        assert_eq!(progress(" + six==1.17.0"), None);
    }

    #[test]
    fn the_resolvers_own_words_are_kept_and_bounded() {
        let output = "Using Python 3.11\n  × No solution found when resolving dependencies:\n  ╰─▶ Because there is no version of six==99\n\n";
        assert_eq!(
            reason(output),
            "× No solution found when resolving dependencies: ╰─▶ Because there is no version of six==99"
        );
        assert_eq!(reason(&"x".repeat(5_000)).chars().count(), MAX_REASON);
    }
}
