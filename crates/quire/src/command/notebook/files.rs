//! Files of a notebook, by way of its door: listed, fetched, and sent as a tar archive.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use bytes::Bytes;
use futures::{Stream, StreamExt as _, TryStreamExt as _};
use reqwest::{Body, Method};

use super::door::Door;

/// What a thing is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    File,
    Folder,
    /// A link, a socket, …
    Other,
}

/// One thing, there or here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Item {
    pub(super) kind: Kind,
    pub(super) bytes: u64,
    /// When it was changed, in seconds since 1970.
    pub(super) changed: i64,
}

impl Item {
    /// Whether `other` is taken for the same, as rsync does: by size and time.
    pub(super) fn is_as(&self, other: &Self) -> bool {
        match self.kind {
            Kind::Folder => other.kind == Kind::Folder,
            Kind::File => self == other,
            Kind::Other => false,
        }
    }
}

/// What is at a path and below it, by the path below it; the one of the thing itself is empty.
pub(super) type Listing = BTreeMap<String, Item>;

/// What is at `path` of the notebook; `None` = nothing.
pub(super) async fn list(door: &Door, path: &str) -> Result<Option<Listing>> {
    let asked = door.ask(Method::GET, "files", &[("path", path)]);
    let what = format!("no list of {}:{path}", door.name);
    let Some(answer) = door.find(&what, asked).await? else {
        return Ok(None);
    };
    let records = answer.bytes().await.map_err(reqwest::Error::without_url)?;
    read(&records).with_context(|| what).map(Some)
}

/// Records `type`, size, time and path, each ended by NUL.
fn read(records: &[u8]) -> Result<Listing> {
    let mut listing = Listing::new();
    for record in records
        .split(|byte| *byte == 0)
        .filter(|one| !one.is_empty())
    {
        let record = String::from_utf8_lossy(record);
        let mut fields = record.splitn(4, '\t');
        let mut field = || fields.next().context("a record of the list is cut off");
        let (kind, bytes, changed) = (field()?, field()?.parse()?, field()?.parse()?);
        let kind = match kind {
            "f" => Kind::File,
            "d" => Kind::Folder,
            _ => Kind::Other,
        };
        let item = Item {
            kind,
            bytes,
            changed,
        };
        listing.insert(field()?.to_owned(), item);
    }
    Ok(listing)
}

/// An archive of the things `names` below `path` of the notebook.
pub(super) async fn pack(
    door: &Door,
    path: &str,
    names: &[&str],
) -> Result<impl Stream<Item = std::io::Result<Bytes>> + Send + 'static> {
    let names: Vec<u8> = names
        .iter()
        .flat_map(|name| name.bytes().chain([0]))
        .collect();
    let asked = door
        .ask(Method::POST, "files", &[("path", path)])
        .body(names);
    let what = format!("cannot fetch {}:{path}", door.name);
    let chunks = door.send(&what, asked).await?.bytes_stream();
    Ok(chunks
        .map_err(|error| std::io::Error::other(error.without_url()))
        .boxed())
}

/// Unpacks an archive below `path` of the notebook, after asking whether there is room for what the files grow by, in bytes.
pub(super) async fn unpack(door: &Door, path: &str, grows: u64, archive: Body) -> Result<()> {
    let what = format!("cannot write {}:{path}", door.name);
    let grows = grows.to_string();
    let query = [("path", path), ("grows", &grows)];
    // An empty archive: refused before anything is on its way.
    for body in [Body::from(""), archive] {
        let asked = door.ask(Method::PUT, "files", &query).body(body);
        door.send(&what, asked).await?;
    }
    Ok(())
}

/// Removes what is at `path` of the notebook, with all below it; whether something was there.
pub(super) async fn remove(door: &Door, path: &str) -> Result<bool> {
    let asked = door.ask(Method::DELETE, "files", &[("path", path)]);
    let what = format!("cannot remove {}:{path}", door.name);
    Ok(door.find(&what, asked).await?.is_some())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_read_whatever_names_there_are() {
        let records = b"d\t4096\t17\t\0f\t3\t-1\ta b\tc\nd\0l\t1\t5\tlink\0";
        let listing = read(records).unwrap();
        let item = |kind, bytes, changed| Item {
            kind,
            bytes,
            changed,
        };
        assert_eq!(listing[""], item(Kind::Folder, 4_096, 17));
        assert_eq!(listing["a b\tc\nd"], item(Kind::File, 3, -1));
        assert_eq!(listing["link"].kind, Kind::Other);
        assert!(read(b"f\t3\0").is_err() && read(b"f\tx\t1\ta\0").is_err());
    }

    #[test]
    fn what_is_the_same_is_not_sent_again() {
        let file = |bytes, changed| Item {
            kind: Kind::File,
            bytes,
            changed,
        };
        assert!(file(3, 5).is_as(&file(3, 5)));
        assert!(!file(3, 5).is_as(&file(4, 5)) && !file(3, 5).is_as(&file(3, 6)));
        let folder = |changed| Item {
            kind: Kind::Folder,
            bytes: 0,
            changed,
        };
        assert!(folder(1).is_as(&folder(2)) && !folder(1).is_as(&file(0, 1)));
    }
}
