//! Git repositories that notebooks are made with: which addresses are allowed, and the folder that one gets.

use kernel::text::TextError;

/// Longest address, in bytes.
const LONGEST_URL: usize = 500;
/// Longest name of a branch, a tag or a commit, in bytes.
const LONGEST_REF: usize = 200;
/// Longest name of a folder, in bytes.
const LONGEST_FOLDER: usize = 100;

/// A repository to be cloned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Repository {
    pub(crate) url: String,
    /// Branch, tag or commit; empty = the repository's own choice.
    pub(crate) at: String,
    /// Folder in the notebook's files.
    pub(crate) folder: String,
}

/// What is asked for; `None` = none.
///
/// # Errors
/// [`TextError`] where it must not be given to git. No message repeats an address: there may be a password in it.
pub(crate) fn check(url: &str, at: &str) -> Result<Option<Repository>, TextError> {
    if url.is_empty() {
        return match at {
            "" => Ok(None),
            _ => refuse("repository_ref", "is given without a repository"),
        };
    }
    let path = check_url(url)?;
    if !at.is_empty() && !is_ref(at) {
        return refuse(
            "repository_ref",
            format!(
                "must be a branch, a tag or a commit, as git names them, of at most {LONGEST_REF} letters, digits and ./_-+@#="
            ),
        );
    }
    Ok(Some(Repository {
        url: url.to_owned(),
        at: at.to_owned(),
        folder: folder(path),
    }))
}

fn refuse<T>(field: &'static str, problem: impl Into<String>) -> Result<T, TextError> {
    let problem = problem.into();
    Err(TextError { field, problem })
}

/// The path of an address that may be cloned. git knows transports that run programs and read files, and takes options for
/// addresses: only two are let through. There is no key of the user's in a new notebook, so ssh would never be let in.
fn check_url(url: &str) -> Result<&str, TextError> {
    let wrong = |problem: &str| refuse("repository", problem);
    if url.len() > LONGEST_URL {
        return wrong(&format!("has more than {LONGEST_URL} bytes"));
    }
    let schemes = ["https://", "http://"];
    let Some(rest) = schemes.iter().find_map(|scheme| url.strip_prefix(scheme)) else {
        return wrong(
            "must begin with https:// or http://; for a repository that takes a key, clone it inside the notebook",
        );
    };
    let (host, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    if host.contains('@') {
        return wrong(
            "has a user or a password in it, which would be seen by others; for a private repository, clone it inside the notebook",
        );
    }
    let of_host = |byte: u8| byte.is_ascii_alphanumeric() || b".-:[]_".contains(&byte);
    if host.is_empty() || host.starts_with(['-', ':', '.']) || !host.bytes().all(of_host) {
        return wrong(
            "must name a host after https://, such as https://git.example.org/team/code.git",
        );
    }
    let of_path = |byte: u8| byte.is_ascii_graphic() && !b"\"'\\<>^`{|}?#".contains(&byte);
    if path.trim_matches('/').is_empty() || !path.bytes().all(of_path) {
        return wrong(
            "must have a path of printable ASCII characters without quotes, ? and #, such as https://git.example.org/team/code.git",
        );
    }
    Ok(path)
}

/// As `git check-ref-format` has it, with fewer characters.
fn is_ref(at: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"./_-+@#=".contains(&byte);
    let parts = || at.split('/');
    at.len() <= LONGEST_REF
        && at != "@"
        && at.bytes().all(allowed)
        && !at.contains("..")
        && !at.ends_with('.')
        && !parts()
            .any(|part| part.is_empty() || part.starts_with(['.', '-']) || part.ends_with(".lock"))
}

/// The last part of a path, in characters that are harmless everywhere; never hidden.
fn folder(path: &str) -> String {
    let last = path
        .trim_end_matches('/')
        .rsplit('/')
        .next()
        .unwrap_or_default();
    let last = last.strip_suffix(".git").unwrap_or(last);
    let plain = |one: char| match one {
        'a'..='z' | 'A'..='Z' | '0'..='9' | '.' | '_' | '-' => one,
        _ => '-',
    };
    let name: String = last.chars().map(plain).take(LONGEST_FOLDER).collect();
    match name.trim_start_matches('.') {
        "" => "repository".to_owned(),
        name => name.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_repository_is_named_as_people_do() {
        for (url, folder) in [
            ("https://github.com/fastai/fastbook", "fastbook"),
            ("https://git.lan:8443/team/code.git", "code"),
            ("http://[fd00::1]/a/b/", "b"),
            ("https://git.lan/~me/.git", "repository"),
            ("https://git.lan/a/..", "repository"),
            ("https://git.lan/a/.ssh", "ssh"),
            ("https://git.lan/a/b%20c", "b-20c"),
        ] {
            let read = check(url, "feature/x-1").unwrap().unwrap();
            assert_eq!(
                (read.folder.as_str(), read.at.as_str()),
                (folder, "feature/x-1"),
                "{url}"
            );
        }
        assert_eq!(check("", "").unwrap(), None);
    }

    #[test]
    fn what_git_would_make_more_of_is_refused() {
        for (url, told) in [
            ("ext::sh -c id", "must begin with https://"),
            ("file:///etc", "must begin with https://"),
            ("--upload-pack=id", "must begin with https://"),
            ("git://git.lan/a", "must begin with https://"),
            ("git@github.com:a/b.git", "must begin with https://"),
            ("ssh://git@git.lan/a", "must begin with https://"),
            ("/srv/git/a", "must begin with https://"),
            ("https://me:secret@git.lan/a", "a user or a password"),
            ("https://secret@git.lan/a", "a user or a password"),
            ("https://", "must name a host"),
            ("https://-x/a", "must name a host"),
            ("https:///a", "must name a host"),
            ("https://git.lan", "must have a path"),
            ("https://git.lan//", "must have a path"),
            ("https://git.lan/a?token=secret", "must have a path"),
            ("https://git.lan/a b", "must have a path"),
            ("https://git.lan/a\nb", "must have a path"),
        ] {
            let error = check(url, "").unwrap_err();
            let said = error.to_string();
            assert!(
                said.starts_with("repository: ") && said.contains(told),
                "{url}: {said}"
            );
            assert!(!said.contains("secret"), "{said}");
        }
        let long = format!("https://git.lan/{}", "a".repeat(LONGEST_URL));
        assert!(check(&long, "").unwrap_err().problem.contains("500"));
        for wrong in [
            "-b",
            "--upload-pack=id",
            "a..b",
            "a b",
            "a:b",
            "/a",
            "a/",
            "a/-b",
            ".a",
            "a.lock",
            "@",
            "a.",
        ] {
            let error = check("https://git.lan/a", wrong).unwrap_err();
            assert_eq!(error.field, "repository_ref", "{wrong}");
        }
        assert_eq!(check("", "main").unwrap_err().field, "repository_ref");
    }

    proptest! {
        /// Whatever is let through is no option for git, and one folder below the files.
        #[test]
        fn what_is_let_through_is_harmless(url in "(https?://)?[ -~]{0,40}", at in "[ -~]{0,20}") {
            if let Ok(Some(read)) = check(&url, &at) {
                prop_assert!(read.url.starts_with("http") && !read.url.contains(['?', '#', ' ']));
                prop_assert!(!read.at.starts_with('-'));
                prop_assert!(!read.folder.starts_with('.') && !read.folder.contains('/'));
                prop_assert!(!read.folder.is_empty());
            }
        }
    }
}
