//! Reads what the builder writes: how far it is, and why it failed.

/// Longest reason that is passed on, in characters.
const MAX_REASON: usize = 1_200;

/// Packages that are named at once while they are fetched.
const MAX_NAMED: usize = 3;

/// How far a builder is, from what it has written so far. It names packages of 1 MiB and more while it fetches them.
#[derive(Debug, Default)]
pub(super) struct Progress {
    /// How many packages there are to install.
    packages: u32,
    /// What is being fetched, with its size.
    fetching: Vec<(String, String)>,
    /// How many of those that it named are here.
    fetched: u32,
}

impl Progress {
    /// What a line of output says, in words for people; `None` when nothing new.
    pub(super) fn hear(&mut self, line: &str) -> Option<String> {
        let words: Vec<&str> = line.split_whitespace().collect();
        match words.as_slice() {
            ["Resolved", count, "package" | "packages", ..] => {
                self.packages = count.parse().ok()?;
                Some(self.text())
            }
            ["Downloading", name, size] => {
                let size = size.trim_matches(['(', ')']).to_owned();
                self.fetching.push(((*name).to_owned(), size));
                Some(self.text())
            }
            ["Downloaded", name] => {
                self.fetching.retain(|(fetching, _)| fetching != name);
                self.fetched += 1;
                Some(self.text())
            }
            ["Prepared", count, "package" | "packages", ..] => {
                Some(format!("unpacking {count} packages"))
            }
            ["Installed", count, "package" | "packages", ..] => {
                Some(format!("compiling {count} packages"))
            }
            _ => None,
        }
    }

    fn text(&self) -> String {
        let mut text = format!("installing {} packages", self.packages);
        if self.fetched > 0 {
            text.push_str(&format!(", {} large ones are here", self.fetched));
        }
        let named = self.fetching.iter().take(MAX_NAMED);
        let named: Vec<String> = named
            .map(|(name, size)| format!("{name} ({size})"))
            .collect();
        if !named.is_empty() {
            text.push_str(&format!(", fetching {}", named.join(", ")));
        }
        match self.fetching.len().saturating_sub(MAX_NAMED) {
            0 => text,
            more => format!("{text} and {more} more"),
        }
    }
}

/// Whether a line tells progress and no reason.
fn is_progress(line: &str) -> bool {
    Progress::default().hear(line).is_some()
}

/// Why a build failed, from all that was written: the end of it, without lines that only tell progress.
pub(super) fn reason(output: &str) -> String {
    let telling: Vec<&str> = output
        .lines()
        .map(str::trim_end)
        .filter(|line| !line.is_empty() && !is_progress(line) && !line.starts_with("Using "))
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
        let said = [
            ("Resolved 37 packages in 12ms", "installing 37 packages"),
            (
                "Downloading numpy (16.1MiB)",
                "installing 37 packages, fetching numpy (16.1MiB)",
            ),
            (
                "Downloading pygments (1.2MiB)",
                "installing 37 packages, fetching numpy (16.1MiB), pygments (1.2MiB)",
            ),
            (
                " Downloaded numpy",
                "installing 37 packages, 1 large ones are here, fetching pygments (1.2MiB)",
            ),
            (
                " Downloaded pygments",
                "installing 37 packages, 2 large ones are here",
            ),
            ("Prepared 37 packages in 3.07s", "unpacking 37 packages"),
            ("Installed 1 package in 2ms", "compiling 1 packages"),
        ];
        let mut progress = Progress::default();
        for (line, text) in said {
            assert_eq!(progress.hear(line).as_deref(), Some(text));
        }
        assert_eq!(progress.hear(" + six==1.17.0"), None);
    }

    #[test]
    fn many_packages_are_not_all_named() {
        let mut progress = Progress::default();
        progress.hear("Resolved 9 packages in 1ms");
        let last =
            (0..5).filter_map(|number| progress.hear(&format!("Downloading p{number} (2.0MiB)")));
        assert_eq!(
            last.last().unwrap(),
            "installing 9 packages, fetching p0 (2.0MiB), p1 (2.0MiB), p2 (2.0MiB) and 2 more"
        );
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
