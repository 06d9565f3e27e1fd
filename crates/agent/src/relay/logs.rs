//! Reads the two files of a log as one, from its last lines on, and on as it grows.

use std::fs;
use std::io::{self, SeekFrom};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::Stream;
use tokio::fs::File;
use tokio::io::{AsyncReadExt as _, AsyncSeekExt as _};

use crate::attempt::Board;

/// How much is sent at once.
const CHUNK: usize = 32 << 10;
/// Pause between looks at a log that may grow.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// Tells whether a log may still grow.
#[derive(Debug)]
pub(super) struct Follow {
    pub(super) board: Arc<Board>,
    pub(super) workload: String,
    pub(super) generation: u64,
}

impl Follow {
    fn may_grow(&self) -> bool {
        let entry = self.board.find(&self.workload, self.generation);
        entry.is_some_and(|entry| entry.life.end.is_none())
    }
}

/// The chunks of a log; with `follow`, on until its workload has ended.
pub(super) fn stream(
    reader: Reader,
    follow: Option<Follow>,
) -> impl Stream<Item = io::Result<Bytes>> {
    futures::stream::try_unfold((reader, follow), |(mut reader, follow)| async move {
        let chunk = reader.next(follow.as_ref()).await?;
        Ok(chunk.map(|chunk| (chunk, (reader, follow))))
    })
}

/// Reads a log.
#[derive(Debug)]
pub(super) struct Reader {
    newest: PathBuf,
    file: Option<File>,
}

impl Reader {
    /// A reader of the log in `folder`: of all of it, or of its last `tail` lines.
    ///
    /// # Errors
    /// Those of the file system; that there is no log is none.
    pub(super) async fn open(folder: PathBuf, tail: Option<usize>) -> io::Result<Self> {
        let newest = folder.join("log");
        let Some((path, offset)) =
            tokio::task::spawn_blocking(move || start(&folder, tail)).await?
        else {
            return Ok(Self { newest, file: None });
        };
        let mut file = File::open(path).await?;
        file.seek(SeekFrom::Start(offset)).await?;
        Ok(Self {
            newest,
            file: Some(file),
        })
    }

    /// Whether there is a log yet.
    pub(super) fn has_log(&self) -> bool {
        self.file.is_some()
    }

    /// What comes next; `None` at the end.
    async fn next(&mut self, follow: Option<&Follow>) -> io::Result<Option<Bytes>> {
        loop {
            // Looked at before reading: what was written until the end is still read.
            let may_grow = follow.is_some_and(Follow::may_grow);
            let newer = self.newer_file().await;
            if let Some(chunk) = self.read().await? {
                return Ok(Some(chunk));
            }
            if newer.is_some() {
                self.file = newer;
            } else if may_grow {
                tokio::time::sleep(LOOK_EVERY).await;
            } else {
                return Ok(None);
            }
        }
    }

    async fn read(&mut self) -> io::Result<Option<Bytes>> {
        let Some(file) = &mut self.file else {
            return Ok(None);
        };
        let mut chunk = vec![0; CHUNK];
        let read = file.read(&mut chunk).await?;
        chunk.truncate(read);
        Ok((read > 0).then(|| chunk.into()))
    }

    /// The newest file of the log, when another one is being read.
    async fn newer_file(&self) -> Option<File> {
        let newest = File::open(&self.newest).await.ok()?;
        let Some(file) = &self.file else {
            return Some(newest);
        };
        let (read, there) = (file.metadata().await.ok()?, newest.metadata().await.ok()?);
        (read.ino() != there.ino()).then_some(newest)
    }
}

/// Where the last `tail` lines begin; `None` when there is no log yet.
fn start(folder: &Path, tail: Option<usize>) -> Option<(PathBuf, u64)> {
    let files = [folder.join("log"), folder.join("log.1")];
    let mut wanted = tail.unwrap_or(usize::MAX);
    let mut found = None;
    for path in files.into_iter().filter(|path| path.is_file()) {
        if wanted == 0 && found.is_some() {
            break;
        }
        let text = if tail.is_some() {
            fs::read(&path).unwrap_or_default()
        } else {
            Vec::new()
        };
        let (offset, lines) = last_lines(&text, wanted);
        wanted -= lines.min(wanted);
        found = Some((path, offset));
    }
    found
}

/// Where the last `wanted` lines of a text begin, and how many there are.
fn last_lines(text: &[u8], wanted: usize) -> (u64, usize) {
    let body = text.strip_suffix(b"\n").unwrap_or(text);
    let mut breaks = body
        .iter()
        .enumerate()
        .rev()
        .filter(|(_, byte)| **byte == b'\n')
        .map(|(at, _)| at + 1);
    let total = if text.is_empty() {
        0
    } else {
        breaks.clone().count() + 1
    };
    let offset = match wanted {
        0 => text.len(),
        wanted if wanted >= total => 0,
        wanted => breaks.nth(wanted - 1).unwrap_or(0),
    };
    (u64::try_from(offset).unwrap_or(0), total)
}

#[cfg(test)]
mod tests {
    use futures::TryStreamExt as _;

    use super::*;

    async fn read(folder: &Path, tail: Option<usize>) -> String {
        let chunks: Vec<Bytes> = stream(Reader::open(folder.to_owned(), tail).await.unwrap(), None)
            .try_collect()
            .await
            .unwrap();
        String::from_utf8(chunks.concat()).unwrap()
    }

    #[tokio::test]
    async fn two_files_read_as_one() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path();
        assert_eq!(read(path, None).await, "");
        fs::write(path.join("log"), "d\ne\n").unwrap();
        assert_eq!(read(path, None).await, "d\ne\n");
        assert_eq!(read(path, Some(1)).await, "e\n");
        fs::write(path.join("log.1"), "a\nb\nc\n").unwrap();
        assert_eq!(read(path, None).await, "a\nb\nc\nd\ne\n");
        let table = [
            (0, ""),
            (1, "e\n"),
            (2, "d\ne\n"),
            (3, "c\nd\ne\n"),
            (5, "a\nb\nc\nd\ne\n"),
            (9, "a\nb\nc\nd\ne\n"),
        ];
        for (tail, wanted) in table {
            assert_eq!(read(path, Some(tail)).await, wanted, "{tail}");
        }
    }

    #[test]
    fn an_unfinished_line_counts() {
        assert_eq!(last_lines(b"a\nb", 1), (2, 2));
        assert_eq!(last_lines(b"", 3), (0, 0));
        assert_eq!(last_lines(b"a", 1), (0, 1));
    }
}
