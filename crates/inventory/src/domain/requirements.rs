//! What a team asks to have in an environment. Only packages by name: the resolver must not be led to files, addresses or options of
//! this machine.

use chassis::{Error, Result};

/// Most packages of one environment.
const MOST: usize = 200;
/// Longest requirement, in characters.
const LONGEST: usize = 200;
/// Versions of Python that can be asked for: those that are maintained (Python developer's guide, "Status of Python versions").
const PYTHONS: std::ops::RangeInclusive<u32> = 10..=14;

/// What an environment is to hold beside its base.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Wanted {
    /// Environment that comes with Quire.
    pub(crate) base: String,
    /// Such as `3.12`; empty = the node's own.
    pub(crate) python_version: String,
    /// One package each.
    pub(crate) requirements: Vec<String>,
}

impl Wanted {
    /// Checks what is asked for, and takes empty lines and comments out. `bases` = names of environments that come with Quire.
    pub(crate) fn check(
        base: &str,
        python_version: &str,
        requirements: &[String],
        bases: &[&str],
    ) -> Result<Self> {
        if !bases.contains(&base) {
            let problem = format!("{base:?} is unknown; there are {}", bases.join(", "));
            return Err(Error::invalid("base", problem));
        }
        check_python(python_version)?;
        let requirements: Vec<String> = requirements
            .iter()
            .map(|line| without_comment(line).trim().to_owned())
            .filter(|line| !line.is_empty())
            .collect();
        if requirements.is_empty() && python_version.is_empty() {
            return Err(Error::invalid(
                "requirements",
                "is empty; name at least one package, such as polars",
            ));
        }
        if requirements.len() > MOST {
            let problem = format!(
                "has {} items; at most {MOST} are allowed",
                requirements.len()
            );
            return Err(Error::invalid("requirements", problem));
        }
        for requirement in &requirements {
            check_requirement(requirement)?;
        }
        Ok(Self {
            base: base.to_owned(),
            python_version: python_version.to_owned(),
            requirements,
        })
    }
}

/// A comment begins at `#` at the start or behind white space, as in requirements files.
fn without_comment(line: &str) -> &str {
    let mut before = ' ';
    for (place, letter) in line.char_indices() {
        if letter == '#' && before.is_whitespace() {
            return line.get(..place).unwrap_or_default();
        }
        before = letter;
    }
    line
}

fn check_python(version: &str) -> Result<()> {
    let minor = version
        .strip_prefix("3.")
        .and_then(|minor| minor.parse().ok());
    let is_known = minor.is_some_and(|minor: u32| PYTHONS.contains(&minor));
    if version.is_empty() || is_known && version.len() == 4 {
        return Ok(());
    }
    let shown: String = version.chars().take(40).collect();
    Err(Error::invalid(
        "python_version",
        format!(
            "{shown:?} is not offered; 3.{} to 3.{} are",
            PYTHONS.start(),
            PYTHONS.end()
        ),
    ))
}

/// A name, perhaps extras, perhaps versions, perhaps markers (PEP 508), and nothing that leads elsewhere.
fn check_requirement(text: &str) -> Result<()> {
    let shown: String = text.chars().take(80).collect();
    let refuse = |problem: &str| {
        Err(Error::invalid(
            "requirements",
            format!("{shown:?} {problem}"),
        ))
    };
    if text.chars().count() > LONGEST {
        return refuse(&format!("is longer than {LONGEST} characters"));
    }
    if text.starts_with('-') {
        return refuse("is an option; only packages by name are taken, such as polars==1.*");
    }
    if text.contains(['@', '/', '\\']) {
        return refuse(
            "is an address or a file; only packages by name are taken, such as polars==1.*",
        );
    }
    let may_follow = |letter: char| {
        letter.is_ascii_alphanumeric() || letter == ' ' || "._-[],<>=!~*+;()'\"".contains(letter)
    };
    let starts_well = text.starts_with(|letter: char| letter.is_ascii_alphanumeric());
    if !starts_well || !text.chars().all(may_follow) {
        return refuse(
            "is no requirement; write a package and perhaps versions, such as polars>=1,<2",
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check(requirements: &[&str]) -> Result<Wanted> {
        let requirements: Vec<String> =
            requirements.iter().map(|line| (*line).to_owned()).collect();
        Wanted::check("python", "", &requirements, &["python"])
    }

    #[test]
    fn packages_by_name_are_taken() {
        let lines = [
            "# for the course",
            "",
            "polars",
            "torch == 2.9.*  # pinned",
            "dask[array,diagnostics]>=2024.1,<2026",
            "tomli; python_version < '3.11'",
            "Jinja2~=3.1",
        ];
        let wanted = check(&lines).unwrap();
        assert_eq!(wanted.requirements.len(), 5);
        assert_eq!(wanted.requirements[1], "torch == 2.9.*");
    }

    #[test]
    fn what_leads_elsewhere_is_refused_with_its_line() {
        for line in [
            "-r /etc/passwd",
            "--index-url https://example.org",
            "-e .",
            "polars @ https://example.org/x.whl",
            "git+https://example.org/x",
            "./local",
            "file:///etc/passwd",
            "a\nb",
            "päckage",
            ".hidden",
        ] {
            let refused = check(&["polars", line]).unwrap_err().to_string();
            assert!(refused.starts_with("requirements: "), "{refused}");
        }
        assert!(check(&["# nothing"]).is_err());
        let only_python = Wanted::check("python", "3.12", &[], &["python"]);
        assert!(only_python.is_ok());
        assert!(check(&["x"; MOST + 1]).is_err());
        assert!(check(&["x".repeat(LONGEST + 1).as_str()]).is_err());
    }

    #[test]
    fn bases_and_pythons_are_known_ones() {
        let lines = ["polars".to_owned()];
        let with = |base: &str, python: &str| Wanted::check(base, python, &lines, &["python"]);
        assert!(with("python", "3.12").is_ok());
        for python in ["3.9", "3.15", "2.7", "3", "3.012", "3.1", "python3.12"] {
            assert!(with("python", python).is_err(), "{python}");
        }
        let refused = with("conda", "").unwrap_err().to_string();
        assert_eq!(refused, "base: \"conda\" is unknown; there are python");
    }

    proptest! {
        #[test]
        fn whatever_is_taken_is_one_line_without_options(text in "\\PC{0,40}") {
            if let Ok(wanted) = check(&[text.as_str()]) {
                for line in wanted.requirements {
                    prop_assert!(!line.contains(['\n', '\r', '/', '@', '\\']) && !line.starts_with('-'));
                }
            }
        }
    }
}
