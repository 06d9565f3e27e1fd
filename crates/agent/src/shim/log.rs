//! A log of bounded size: `log`, and `log.1` with what came before.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

/// A log that never takes more than twice its limit on the disk.
#[derive(Debug)]
pub(super) struct BoundedLog {
    path: PathBuf,
    file: File,
    size: u64,
    limit: u64,
}

impl BoundedLog {
    /// The log in `dir`; goes on where it ended.
    pub(super) fn open(dir: &Path, limit: u64) -> io::Result<Self> {
        let path = dir.join("log");
        let file = open(&path)?;
        let size = file.metadata()?.len();
        Ok(Self {
            path,
            file,
            size,
            limit,
        })
    }

    /// Adds to the log. A full disk loses lines rather than stopping the workload.
    pub(super) fn write(&mut self, text: &[u8]) {
        let most = usize::try_from(self.limit).unwrap_or(usize::MAX).max(1);
        text.chunks(most).for_each(|chunk| self.append(chunk));
    }

    fn append(&mut self, chunk: &[u8]) {
        let added = u64::try_from(chunk.len()).unwrap_or(0);
        if self.size > 0 && self.size.saturating_add(added) > self.limit {
            self.rotate().ok();
        }
        if self.file.write_all(chunk).is_ok() {
            self.size = self.size.saturating_add(added);
        }
    }

    fn rotate(&mut self) -> io::Result<()> {
        fs::rename(&self.path, self.path.with_extension("1"))?;
        self.file = open(&self.path)?;
        self.size = 0;
        Ok(())
    }
}

fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new()
        .append(true)
        .create(true)
        .mode(0o600)
        .open(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn old_lines_go_and_the_newest_stay() {
        let folder = tempfile::tempdir().unwrap();
        let mut log = BoundedLog::open(folder.path(), 100).unwrap();
        for line in 0..100 {
            log.write(format!("line {line:04}\n").as_bytes());
        }
        let (current, before) = (folder.path().join("log"), folder.path().join("log.1"));
        let text = fs::read_to_string(before).unwrap() + &fs::read_to_string(current).unwrap();
        assert!(text.len() <= 200 && text.ends_with("line 0099\n"), "{text}");
        let first: u32 = text.lines().next().unwrap()[5..].parse().unwrap();
        assert_eq!(text.lines().count(), usize::try_from(100 - first).unwrap());
    }
}
