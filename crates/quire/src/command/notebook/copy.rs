//! `quire notebook cp`: files and folders into a notebook and out of it, whether it runs or not. What is there already with the same
//! size and time is left out, so a copy that broke off goes on where it was.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use anyhow::{Context, Result, bail};
use futures::TryStreamExt as _;
use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;
use tokio_util::io::{ReaderStream, StreamReader, SyncIoBridge};

use super::door::Door;
use super::files::{self, Item, Kind, Listing};
use super::find::get;
use crate::api::Api;
use crate::cli::Output;
use crate::print;

/// How much is on its way at once.
const BUFFER: usize = 256 << 10;

/// One end of a copy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum End {
    Here(PathBuf),
    /// Notebook and path in it.
    There(String, String),
}

impl End {
    /// As scp reads it: a notebook ends at the first colon, unless a slash comes before.
    pub(super) fn read(text: &str) -> Self {
        match text.split_once(':') {
            Some((notebook, path)) if !notebook.is_empty() && !notebook.contains('/') => {
                let path = path.trim_start_matches('/');
                Self::There(notebook.to_owned(), path.to_owned())
            }
            _ => Self::Here(text.into()),
        }
    }
}

/// What was copied, for programs.
#[derive(Clone, Copy, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
struct Copied {
    files: u64,
    bytes: u64,
    /// Files that were there already.
    unchanged: u64,
}

/// Things that are to be copied, and how much that is.
#[derive(Debug, Default)]
struct Work {
    names: Vec<String>,
    copied: Copied,
    /// How much longer the files will be there, in bytes.
    grows: u64,
}

impl Work {
    /// Those of `from` that `to` has not, or otherwise.
    fn of(from: &Listing, to: &Listing) -> Self {
        let mut work = Self::default();
        let mut replaced = 0;
        for (name, item) in from {
            let is_there = to.get(name).is_some_and(|there| item.is_as(there));
            let is_file = item.kind == Kind::File;
            match (is_there, is_file) {
                (true, true) => work.copied.unchanged += 1,
                (true, false) => {}
                (false, _) => {
                    work.names.push(name.clone());
                    if is_file {
                        work.copied.files += 1;
                        work.copied.bytes += item.bytes;
                        replaced += to.get(name).map_or(0, |there| there.bytes);
                    }
                }
            }
        }
        work.grows = work.copied.bytes.saturating_sub(replaced);
        work
    }
}

pub(super) async fn cp(api: &Api, output: Output, paths: &[String]) -> Result<()> {
    let ends: Vec<End> = paths.iter().map(|path| End::read(path)).collect();
    let Some((to, from)) = ends.split_last().filter(|(_, from)| !from.is_empty()) else {
        bail!("cp needs what to copy and where to, such as: quire notebook cp data first:");
    };
    let copied = match to {
        End::There(notebook, path) => {
            let sources = from.iter().map(|end| match end {
                End::Here(path) => Ok(path.as_path()),
                End::There(..) => {
                    bail!("files go from here into a notebook or back, not between notebooks")
                }
            });
            let sources = sources.collect::<Result<Vec<_>>>()?;
            let door = Door::of(api, get(api, notebook).await?)?;
            send(&door, &sources, path).await?
        }
        End::Here(folder) => {
            let sources = from.iter().map(|end| match end {
                End::There(notebook, path) => Ok((notebook.as_str(), path.as_str())),
                End::Here(path) => bail!(
                    "neither {} nor {} is in a notebook; write NOTEBOOK:PATH",
                    path.display(),
                    folder.display()
                ),
            });
            let mut copied = Copied::default();
            for (notebook, path) in sources.collect::<Result<Vec<_>>>()? {
                let door = Door::of(api, get(api, notebook).await?)?;
                let one = fetch(&door, path, folder, from.len() > 1).await?;
                copied.files += one.files;
                copied.bytes += one.bytes;
                copied.unchanged += one.unchanged;
            }
            copied
        }
    };
    if output == Output::Json {
        return print::json(&copied);
    }
    let unchanged = match copied.unchanged {
        0 => String::new(),
        count => format!(", {count} were there already"),
    };
    print::note(&format!(
        "{} files, {} bytes{unchanged}",
        copied.files, copied.bytes
    ));
    Ok(())
}

/// Copies the folder's content into the notebook's own root.
pub(super) async fn upload(door: &Door, folder: &Path) -> Result<()> {
    if !folder.is_dir() {
        bail!("--upload: {} is no folder", folder.display());
    }
    send_one(door, folder, "").await.map(drop)
}

async fn send(door: &Door, sources: &[&Path], path: &str) -> Result<Copied> {
    let into_folder = sources.len() > 1 || path.is_empty() || path.ends_with('/') || {
        let there = files::list(door, path).await?;
        there.is_some_and(|listing| {
            listing
                .get("")
                .is_some_and(|item| item.kind == Kind::Folder)
        })
    };
    let mut copied = Copied::default();
    for source in sources {
        let target = if into_folder {
            let name = last_name(source)?;
            format!("{}/{name}", path.trim_end_matches('/'))
        } else {
            path.to_owned()
        };
        let one = send_one(door, source, &target).await?;
        copied.files += one.files;
        copied.bytes += one.bytes;
        copied.unchanged += one.unchanged;
    }
    Ok(copied)
}

/// Sends one file or folder, to be what is at `target`.
async fn send_one(door: &Door, source: &Path, target: &str) -> Result<Copied> {
    let here = listing(source)?;
    let there = files::list(door, target).await?.unwrap_or_default();
    let work = Work::of(&here, &there);
    if work.names.is_empty() {
        return Ok(work.copied);
    }
    let is_folder = here.get("").is_some_and(|item| item.kind == Kind::Folder);
    // A file is unpacked beside its neighbours, a folder's content in the folder.
    let (place, own_name) = if is_folder {
        (target, "")
    } else {
        target.rsplit_once('/').unwrap_or(("", target))
    };
    let progress = Bar::new(&format!("to {}", door.name), work.copied.bytes);
    let (writer, reader) = tokio::io::duplex(BUFFER);
    let (source, own_name) = (source.to_owned(), own_name.to_owned());
    let names = work.names;
    let packing = tokio::task::spawn_blocking(move || {
        let mut archive = tar::Builder::new(SyncIoBridge::new(writer));
        archive.follow_symlinks(false);
        for name in &names {
            let (path, inside) = if name.is_empty() {
                (source.clone(), own_name.clone())
            } else {
                (source.join(name), name.clone())
            };
            if inside.is_empty() {
                continue;
            }
            archive
                .append_path_with_name(&path, &inside)
                .with_context(|| format!("reading {}", path.display()))?;
        }
        archive.into_inner()?.shutdown()?;
        Ok::<_, anyhow::Error>(())
    });
    let bar = progress.0.clone();
    let chunks = ReaderStream::with_capacity(reader, BUFFER)
        .inspect_ok(move |chunk| bar.inc(chunk.len() as u64));
    let sent = files::unpack(door, place, work.grows, reqwest::Body::wrap_stream(chunks)).await;
    // What could not be read says more than that the request broke off.
    if let Err(error) = packing.await? {
        return Err(sent.err().unwrap_or(error));
    }
    sent?;
    Ok(work.copied)
}

async fn fetch(door: &Door, path: &str, to: &Path, several: bool) -> Result<Copied> {
    let Some(there) = files::list(door, path).await? else {
        bail!("{}:{path} is not there", door.name);
    };
    let is_folder = there.get("").is_some_and(|item| item.kind == Kind::Folder);
    let path = path.trim_matches('/');
    let (parent, name) = path.rsplit_once('/').unwrap_or(("", path));
    let into_folder = several || to.is_dir() || to.to_string_lossy().ends_with('/');
    // The root of a notebook has no name of its own.
    let target = if into_folder && !name.is_empty() {
        to.join(name)
    } else {
        to.to_owned()
    };
    let here = if target.exists() {
        listing(&target)?
    } else {
        Listing::new()
    };
    let work = Work::of(&there, &here);
    let (place, names, into) = if is_folder {
        std::fs::create_dir_all(&target)?;
        let names = work.names.iter().filter(|name| !name.is_empty());
        (path, names.map(String::as_str).collect(), target)
    } else {
        let folder = target.parent().unwrap_or(Path::new("")).to_owned();
        std::fs::create_dir_all(&folder)?;
        (parent, vec![name], target)
    };
    if work.names.is_empty() || names.is_empty() {
        return Ok(work.copied);
    }
    let progress = Bar::new(&format!("from {}", door.name), work.copied.bytes);
    let bar = progress.0.clone();
    let chunks = files::pack(door, place, &names).await?;
    let chunks = chunks.inspect_ok(move |chunk| bar.inc(chunk.len() as u64));
    let reader = SyncIoBridge::new(StreamReader::new(chunks));
    tokio::task::spawn_blocking(move || take_out(reader, &into, is_folder)).await??;
    Ok(work.copied)
}

/// Takes what an archive holds into a folder, or its one file to a path. What leads out of the folder is refused.
fn take_out(reader: impl Read, into: &Path, is_folder: bool) -> Result<()> {
    let mut archive = tar::Archive::new(reader);
    archive.set_preserve_mtime(true);
    for entry in archive.entries()? {
        let mut entry = entry?;
        let name = entry.path()?.display().to_string();
        if !is_folder {
            entry.unpack(into)?;
            continue;
        }
        let taken = entry
            .unpack_in(into)
            .with_context(|| format!("writing {name} in {}", into.display()))?;
        if !taken {
            bail!(
                "{name} leads out of {}; it is left out, and so is the rest",
                into.display()
            );
        }
    }
    // An archive that ends is not all: what could not be packed breaks the rest off.
    std::io::copy(&mut archive.into_inner(), &mut std::io::sink())
        .context("the notebook's node could not read all that was asked for")?;
    Ok(())
}

fn last_name(path: &Path) -> Result<String> {
    let whole = path.canonicalize();
    let whole = whole.with_context(|| format!("reading {}", path.display()))?;
    let name = whole.file_name().context("the root cannot be copied")?;
    Ok(name.to_string_lossy().into_owned())
}

/// What is at a path here and below it.
fn listing(root: &Path) -> Result<Listing> {
    let mut listing = Listing::new();
    let mut waiting = vec![String::new()];
    while let Some(name) = waiting.pop() {
        let path = if name.is_empty() {
            root.to_owned()
        } else {
            root.join(&name)
        };
        let item =
            look(&path, name.is_empty()).with_context(|| format!("reading {}", path.display()))?;
        if item.kind == Kind::Folder {
            for entry in std::fs::read_dir(&path)? {
                let entry = entry?.file_name();
                let Some(entry) = entry.to_str() else {
                    bail!(
                        "{} in {} is no text that a notebook could show",
                        entry.display(),
                        path.display()
                    );
                };
                let parted = if name.is_empty() {
                    entry.to_owned()
                } else {
                    format!("{name}/{entry}")
                };
                waiting.push(parted);
            }
        }
        listing.insert(name, item);
    }
    Ok(listing)
}

/// One thing here. A link is followed only where it is what was named.
fn look(path: &Path, named: bool) -> Result<Item> {
    let data = if named {
        std::fs::metadata(path)?
    } else {
        std::fs::symlink_metadata(path)?
    };
    let kind = if data.is_dir() {
        Kind::Folder
    } else if data.is_file() {
        Kind::File
    } else {
        Kind::Other
    };
    let changed = match data.modified()?.duration_since(UNIX_EPOCH) {
        Ok(after) => i64::try_from(after.as_secs())?,
        Err(before) => -i64::try_from(before.duration().as_secs())?,
    };
    Ok(Item {
        kind,
        bytes: data.len(),
        changed,
    })
}

/// How much has gone, on a terminal.
struct Bar(ProgressBar);

impl Bar {
    fn new(what: &str, bytes: u64) -> Self {
        let bar = if print::is_terminal() {
            ProgressBar::new(bytes)
        } else {
            ProgressBar::hidden()
        };
        let template = "{msg} {bar:30} {bytes}/{total_bytes} {bytes_per_sec} {eta}";
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style);
        }
        bar.set_message(what.to_owned());
        Self(bar)
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ends_are_read_as_scp_reads_them() {
        let there = |notebook: &str, path: &str| End::There(notebook.to_owned(), path.to_owned());
        assert_eq!(End::read("first:data/x"), there("first", "data/x"));
        assert_eq!(End::read("first:"), there("first", ""));
        assert_eq!(End::read("first:/data"), there("first", "data"));
        for here in ["data", "./a:b", "/a:b", ":x"] {
            assert_eq!(End::read(here), End::Here(here.into()));
        }
    }

    #[test]
    fn only_what_differs_is_copied() {
        let folder = tempfile::tempdir().unwrap();
        let write =
            |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
        std::fs::create_dir_all(folder.path().join("a/b")).unwrap();
        write("a/b/c", "one");
        write("d", "two");
        let all = listing(folder.path()).unwrap();
        let names: Vec<_> = all.keys().map(String::as_str).collect();
        assert_eq!(names, ["", "a", "a/b", "a/b/c", "d"]);
        let work = Work::of(&all, &Listing::new());
        assert_eq!((work.copied.files, work.copied.bytes), (2, 6));
        let mut partly = all.clone();
        partly.remove("d");
        let work = Work::of(&all, &partly);
        assert_eq!(work.names, ["d"]);
        assert_eq!((work.copied.files, work.copied.unchanged), (1, 1));
    }

    #[test]
    fn an_archive_cannot_lead_out_of_the_folder() {
        let folder = tempfile::tempdir().unwrap();
        let (outside, inside) = (folder.path().join("out"), folder.path().join("in"));
        std::fs::create_dir_all(&outside).unwrap();
        std::fs::create_dir_all(&inside).unwrap();
        let mut archive = tar::Builder::new(Vec::new());
        let mut link = tar::Header::new_gnu();
        link.set_entry_type(tar::EntryType::Symlink);
        link.set_size(0);
        archive.append_link(&mut link, "link", &outside).unwrap();
        let mut file = tar::Header::new_gnu();
        file.set_size(1);
        file.set_mode(0o644);
        archive
            .append_data(&mut file, "link/stolen", &b"x"[..])
            .unwrap();
        let bytes = archive.into_inner().unwrap();
        assert!(take_out(bytes.as_slice(), &inside, true).is_err());
        assert!(!outside.join("stolen").exists());
    }
}
