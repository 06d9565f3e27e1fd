use std::fs;
use std::os::unix::fs::{FileExt as _, MetadataExt as _, PermissionsExt as _, chown, symlink};
use std::time::{Duration, SystemTime};

use super::*;

fn copied(owner: Option<u32>, fill: impl FnOnce(&Path)) -> (tempfile::TempDir, io::Result<()>) {
    let folder = tempfile::tempdir().unwrap();
    let (from, to) = (folder.path().join("from"), folder.path().join("to"));
    fs::create_dir(&from).unwrap();
    fs::create_dir(&to).unwrap();
    fill(&from);
    let cancel = CancellationToken::new();
    let tree = Tree {
        owner,
        cancel: &cancel,
    };
    let done = tree.copy(&from, &to);
    (folder, done)
}

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

#[test]
fn content_modes_and_times_are_kept() {
    let then = SystemTime::UNIX_EPOCH + Duration::from_micros(1_600_000_000_123_456);
    let (folder, done) = copied(None, |from| {
        fs::create_dir_all(from.join("deep/er")).unwrap();
        fs::write(from.join("deep/er/gr\u{f6}\u{df}e"), vec![7; 3_000_000]).unwrap();
        fs::write(from.join("run"), "#!").unwrap();
        fs::set_permissions(from.join("run"), fs::Permissions::from_mode(0o751)).unwrap();
        let run = fs::File::options().write(true).open(from.join("run"));
        run.unwrap().set_modified(then).unwrap();
        fs::set_permissions(from.join("deep"), fs::Permissions::from_mode(0o555)).unwrap();
    });
    done.unwrap();
    let to = folder.path().join("to");
    assert_eq!(
        fs::read(to.join("deep/er/gr\u{f6}\u{df}e")).unwrap(),
        vec![7; 3_000_000]
    );
    let run = fs::metadata(to.join("run")).unwrap();
    assert_eq!(
        (run.mode() & 0o7777, run.modified().unwrap()),
        (0o751, then)
    );
    assert_eq!(
        fs::metadata(to.join("deep")).unwrap().mode() & 0o7777,
        0o555
    );
    assert_eq!(length(&to).unwrap(), 3_000_002);
    for deep in [folder.path().join("from/deep"), to.join("deep")] {
        fs::set_permissions(deep, fs::Permissions::from_mode(0o755)).unwrap();
    }
}

#[test]
fn links_are_copied_and_never_followed() {
    let outside = tempfile::tempdir().unwrap();
    fs::write(outside.path().join("secret"), "theirs").unwrap();
    let (folder, done) = copied(None, |from| {
        symlink(outside.path(), from.join("folder")).unwrap();
        symlink(outside.path().join("secret"), from.join("file")).unwrap();
        symlink("nowhere", from.join("dangling")).unwrap();
    });
    done.unwrap();
    let to = folder.path().join("to");
    assert_eq!(fs::read_link(to.join("folder")).unwrap(), outside.path());
    assert!(fs::symlink_metadata(to.join("file")).unwrap().is_symlink());
    assert_eq!(
        fs::read_link(to.join("dangling")).unwrap().to_str(),
        Some("nowhere")
    );
    assert_eq!(length(&to).unwrap(), 0, "nothing of what they lead to");
}

#[test]
fn pipes_and_devices_are_left_out() {
    let (folder, done) = copied(None, |from| {
        fs::write(from.join("file"), "1").unwrap();
        let pipe = FileType::Fifo;
        rustix::fs::mknodat(rustix::fs::CWD, from.join("pipe"), pipe, PRIVATE, 0).unwrap();
        if is_root() {
            let null = rustix::fs::makedev(1, 3);
            let device = FileType::CharacterDevice;
            // A sandbox may be kept from making one even as root; the pipe is there in any case.
            rustix::fs::mknodat(rustix::fs::CWD, from.join("null"), device, PRIVATE, null).ok();
        }
    });
    done.unwrap();
    let names: Vec<_> = fs::read_dir(folder.path().join("to")).unwrap().collect();
    assert_eq!(names.len(), 1, "{names:?}");
}

#[test]
fn holes_stay_holes() {
    let length = 1_u64 << 40;
    let (folder, done) = copied(None, |from| {
        let file = fs::File::create(from.join("sparse")).unwrap();
        file.write_all_at(b"far", 1 << 30).unwrap();
        file.set_len(length).unwrap();
    });
    done.unwrap();
    let copy = fs::File::open(folder.path().join("to/sparse")).unwrap();
    let seen = copy.metadata().unwrap();
    assert_eq!(seen.len(), length);
    assert!(seen.blocks() * 512 < 1 << 20, "{} blocks", seen.blocks());
    let mut far = [0; 4];
    copy.read_exact_at(&mut far, 1 << 30).unwrap();
    assert_eq!(&far, b"far\0");
}

#[test]
fn owners_are_kept_or_all_one() {
    if !is_root() {
        return; // only root may give files away
    }
    let fill = |from: &Path| {
        fs::write(from.join("file"), "1").unwrap();
        symlink("file", from.join("link")).unwrap();
        for name in ["file", "link"] {
            std::os::unix::fs::lchown(from.join(name), Some(300_007), Some(300_008)).unwrap();
        }
        chown(from, Some(300_007), Some(300_007)).unwrap();
    };
    for (owner, expected) in [
        (None, [300_007, 300_008]),
        (Some(300_009), [300_009, 300_009]),
    ] {
        let (folder, done) = copied(owner, fill);
        done.unwrap();
        for name in ["file", "link"] {
            let seen = fs::symlink_metadata(folder.path().join("to").join(name)).unwrap();
            assert_eq!([seen.uid(), seen.gid()], expected, "{name}");
        }
        let root = fs::metadata(folder.path().join("to")).unwrap();
        assert_eq!(root.uid(), expected[0]);
    }
}

#[test]
fn what_is_nested_without_end_is_refused() {
    let (_folder, done) = copied(None, |from| {
        let mut deep = from.to_owned();
        for _ in 0..=DEEPEST + 1 {
            deep.push("d");
        }
        fs::create_dir_all(deep).unwrap();
    });
    let refused = done.unwrap_err().to_string();
    assert!(
        refused.contains("deeper in each other than 200"),
        "{refused}"
    );
}
