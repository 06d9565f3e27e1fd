use super::*;

/// A volume with one file, and the folder that it lies in.
fn volume() -> (tempfile::TempDir, Folders) {
    let data = tempfile::tempdir().unwrap();
    fs::create_dir(data.path().join("vo-1")).unwrap();
    fs::write(data.path().join("vo-1/file"), "old").unwrap();
    let folders = Folders(data.path().to_owned());
    (data, folders)
}

fn work(from: &str, to: &str, keep: &str) -> Work {
    Work {
        from: from.to_owned(),
        to: to.to_owned(),
        keep: keep.to_owned(),
    }
}

impl Folders {
    fn make(&self, work: &Work) -> io::Result<u64> {
        let own = |part: &Path| files::private_folder(part).map(|()| None);
        self.copy(work, own, &CancellationToken::new())
    }

    fn file(&self, folder: &str) -> String {
        fs::read_to_string(self.0.join(folder).join("file")).unwrap()
    }

    fn write(&self, folder: &str, text: &str) {
        fs::write(self.0.join(folder).join("file"), text).unwrap();
    }

    fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(&self.0).unwrap();
        let mut names: Vec<_> = entries
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }
}

#[test]
fn a_snapshot_is_made_once_and_restored_once() {
    let (_data, folders) = volume();
    let snapshot = work("vo-1", "sn-1", "");
    assert_eq!(folders.make(&snapshot).unwrap(), 3);
    folders.write("vo-1", "newer");
    assert_eq!(folders.make(&snapshot).unwrap(), 3, "it is there already");
    let restore = work("sn-1", "vo-1", "sn-2");
    assert_eq!(folders.make(&restore).unwrap(), 5, "what is kept");
    assert_eq!(
        (
            folders.file("vo-1"),
            folders.file("sn-2"),
            folders.file("sn-1")
        ),
        ("old".to_owned(), "newer".to_owned(), "old".to_owned())
    );
    folders.write("vo-1", "newest");
    folders.make(&restore).unwrap();
    assert_eq!(folders.file("vo-1"), "newest", "it was restored already");
    assert_eq!(folders.names(), ["sn-1", "sn-2", "vo-1"]);
}

#[test]
fn what_was_killed_in_its_midst_is_not_there_and_is_made_again() {
    let (_data, folders) = volume();
    fs::create_dir(folders.0.join("sn-1.part")).unwrap();
    folders.write("sn-1.part", "ol");
    folders.sweep().unwrap();
    assert_eq!(folders.names(), ["vo-1"]);
    // Also where the agent lives and only the copy failed.
    fs::create_dir(folders.0.join("sn-1.part")).unwrap();
    folders.write("sn-1.part", "ol");
    folders.make(&work("vo-1", "sn-1", "")).unwrap();
    assert_eq!(folders.file("sn-1"), "old");
    assert_eq!(folders.names(), ["sn-1", "vo-1"]);
}

/// Killed before each of the three renames of a restore: then the old files are there, or the new ones, and doing it again ends
/// the same.
#[test]
fn a_restore_is_whole_wherever_it_was_killed() {
    for killed_after in 0..4 {
        let (_data, folders) = volume();
        folders.make(&work("vo-1", "sn-1", "")).unwrap();
        folders.write("vo-1", "newer");
        let path = |name: &str| folders.0.join(name);
        fs::create_dir(path("sn-2.part")).unwrap();
        folders.write("sn-2.part", "old");
        let renames = [
            ("sn-2.part", "sn-2.vo-1"),
            ("vo-1", "sn-2"),
            ("sn-2.vo-1", "vo-1"),
        ];
        for (from, to) in &renames[..killed_after] {
            fs::rename(path(from), path(to)).unwrap();
        }
        folders.sweep().unwrap();
        let expected = if killed_after < 2 { "newer" } else { "old" };
        assert_eq!(folders.file("vo-1"), expected, "after {killed_after}");
        folders.make(&work("sn-1", "vo-1", "sn-2")).unwrap();
        assert_eq!(
            (folders.file("vo-1"), folders.file("sn-2")),
            ("old".to_owned(), "newer".to_owned())
        );
        assert_eq!(folders.names(), ["sn-1", "sn-2", "vo-1"]);
    }
}

#[test]
fn what_fails_or_is_broken_off_leaves_nothing() {
    let (_data, folders) = volume();
    let refused = folders.make(&work("vo-9", "sn-1", "")).unwrap_err();
    assert!(
        refused.to_string().contains("vo-9 has no files"),
        "{refused}"
    );
    let ended = CancellationToken::new();
    ended.cancel();
    let own = |part: &Path| files::private_folder(part).map(|()| None);
    let broken = folders.copy(&work("vo-1", "sn-1", ""), own, &ended);
    assert_eq!(broken.unwrap_err().kind(), io::ErrorKind::Interrupted);
    assert_eq!(folders.names(), ["vo-1"]);
}
