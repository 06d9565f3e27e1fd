//! Which files of a notebook become those of a template, and how many of them may.

use std::collections::BTreeMap;

use chassis::{Error, Result};

/// Most files of one template.
pub(crate) const MOST_FILES: usize = 200;
/// Most bytes of all of them.
pub(crate) const MOST_BYTES: u64 = 8 << 20;
/// Longest path, in bytes.
const LONGEST_PATH: usize = 400;
/// Most paths that are asked for.
const MOST_PATHS: usize = 100;

/// What a thing is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    File,
    Folder,
    /// A link, a socket, a device; or its name is no text.
    Other,
}

/// One thing among a notebook's files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Item {
    /// Below the root of the files; empty = the root.
    pub(crate) path: String,
    pub(crate) kind: Kind,
    pub(crate) bytes: u64,
}

/// What is taken, and what is not.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Selection {
    /// Sorted.
    pub(crate) paths: Vec<String>,
    /// Files whose name, or that of a folder around them, begins with a dot.
    hidden: usize,
    /// Things that are no files.
    others: usize,
}

impl Selection {
    /// What was left out, in words; empty = nothing.
    pub(crate) fn note(&self) -> String {
        let count = |number: usize, one: &str, many: &str| match number {
            0 => None,
            1 => Some(format!("1 {one}")),
            number => Some(format!("{number} {many}")),
        };
        let left: Vec<_> = [
            count(self.hidden, "hidden file", "hidden files"),
            count(self.others, "link or device", "links or devices"),
        ]
        .into_iter()
        .flatten()
        .collect();
        if left.is_empty() {
            return String::new();
        }
        format!("left out: {}", left.join(", "))
    }
}

/// The agent's list of files: records of kind, size, time and path, each ended by NUL.
pub(crate) fn read_list(records: &[u8]) -> Result<Vec<Item>> {
    records
        .split(|byte| *byte == 0)
        .filter(|record| !record.is_empty())
        .map(|record| {
            let broken = || Error::internal("reading a list of files", "a record is cut off");
            let mut fields = record.splitn(4, |byte| *byte == b'\t');
            let mut field = || fields.next().ok_or_else(broken);
            let (kind, bytes, _) = (field()?, field()?, field()?);
            let path = field()?;
            let size = str::from_utf8(bytes)
                .ok()
                .and_then(|text| text.parse().ok());
            let text = str::from_utf8(path)
                .ok()
                .filter(|path| !path.contains(char::is_control));
            Ok(Item {
                kind: match (kind, text) {
                    (b"f", Some(_)) => Kind::File,
                    (b"d", _) => Kind::Folder,
                    _ => Kind::Other,
                },
                path: String::from_utf8_lossy(path).into_owned(),
                bytes: size.ok_or_else(broken)?,
            })
        })
        .collect()
}

/// Takes what `wanted` names, folders with all in them; all where it names nothing.
///
/// # Errors
/// [`Error::Invalid`] for what is not there, is no file, or is more than a template may have.
pub(crate) fn select(items: &[Item], wanted: &[String]) -> Result<Selection> {
    if wanted.len() > MOST_PATHS {
        let problem = format!(
            "has {} items; at most {MOST_PATHS} are allowed",
            wanted.len()
        );
        return Err(Error::invalid("paths", problem));
    }
    let mut roots = wanted
        .iter()
        .map(|path| normal(path))
        .collect::<Result<Vec<_>>>()?;
    for root in &roots {
        check_root(items, root)?;
    }
    if roots.is_empty() {
        roots.push(String::new());
    }
    let mut selection = Selection::default();
    let mut taken = BTreeMap::new();
    for item in items {
        let below: Vec<_> = roots
            .iter()
            .filter_map(|root| below(&item.path, root))
            .collect();
        let hidden = |rest: &&str| rest.split('/').any(|part| part.starts_with('.'));
        match item.kind {
            _ if below.is_empty() || item.kind == Kind::Folder => {}
            _ if below.iter().all(hidden) => selection.hidden += 1,
            Kind::File => drop(taken.insert(item.path.clone(), item.bytes)),
            Kind::Other | Kind::Folder => selection.others += 1,
        }
    }
    check_amount(&taken)?;
    selection.paths = taken.into_keys().collect();
    Ok(selection)
}

/// A path without what says nothing.
fn normal(path: &str) -> Result<String> {
    let parts: Vec<_> = path
        .split('/')
        .filter(|part| !part.is_empty() && *part != ".")
        .collect();
    let refuse = |problem: &str| {
        let shown: String = path.chars().take(80).collect();
        Err(Error::invalid("paths", format!("{shown:?} {problem}")))
    };
    if parts.contains(&"..") {
        return refuse("leads out of the notebook's files; name what is among them");
    }
    if path.len() > LONGEST_PATH || path.contains(char::is_control) {
        return refuse(&format!(
            "is no path of at most {LONGEST_PATH} bytes without control characters"
        ));
    }
    Ok(parts.join("/"))
}

fn check_root(items: &[Item], root: &str) -> Result<()> {
    let problem = match items
        .iter()
        .find(|item| item.path == root)
        .map(|item| item.kind)
    {
        _ if root.is_empty() => return Ok(()),
        Some(Kind::File | Kind::Folder) => return Ok(()),
        Some(Kind::Other) => "is a link or a device; a template holds files only",
        None => {
            "is not there, or lies behind a link; name a file or a folder of the notebook, from its root"
        }
    };
    Err(Error::invalid("paths", format!("{root:?} {problem}")))
}

/// The path of a thing below `root`; empty for the root itself, `None` = it is elsewhere.
fn below<'a>(path: &'a str, root: &str) -> Option<&'a str> {
    let rest = path.strip_prefix(root)?;
    match rest {
        _ if root.is_empty() || rest.is_empty() => Some(rest),
        _ => rest.strip_prefix('/'),
    }
}

fn check_amount(taken: &BTreeMap<String, u64>) -> Result<()> {
    let refuse = |problem: String| Err(Error::invalid("paths", problem));
    if taken.len() > MOST_FILES {
        return refuse(format!(
            "these are {} files; a template has at most {MOST_FILES}: name fewer, and have the command fetch the rest",
            taken.len()
        ));
    }
    if let Some(path) = taken.keys().find(|path| path.len() > LONGEST_PATH) {
        return refuse(format!(
            "the path of {path:?} has {} bytes; at most {LONGEST_PATH} are allowed",
            path.len()
        ));
    }
    check_bytes(
        taken
            .values()
            .fold(0, |sum: u64, bytes| sum.saturating_add(*bytes)),
    )
}

/// Refuses more bytes than a template may have.
///
/// # Errors
/// [`Error::Invalid`] with both numbers.
pub(crate) fn check_bytes(bytes: u64) -> Result<()> {
    if bytes <= MOST_BYTES {
        return Ok(());
    }
    let problem = format!(
        "these files have {bytes} bytes; a template has at most {MOST_BYTES}: name fewer, and have the command fetch the rest"
    );
    Err(Error::invalid("paths", problem))
}

#[cfg(test)]
mod tests;
