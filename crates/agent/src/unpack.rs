//! `stage unpack`: writes an archive into a folder, as the user and in the sandbox of an errand. Each file is there whole or as it was
//! before: it grows under another name beside its place, and is renamed. What went wrong ends it at once; files that came whole stay.

use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::io::{self, Read, Write as _};
use std::path::{Component, Path, PathBuf};

use tar::{Archive, Entry, EntryType};

/// Beginning of the names under which files grow.
const GROWING: &str = ".quire-arriving-";

/// Unpacks standard input below the folder that is the one argument, which is made where it is not there.
pub(crate) fn main(mut args: impl Iterator<Item = OsString>) -> io::Result<()> {
    let target = args.next().unwrap_or_else(|| OsString::from("."));
    unpack(io::stdin().lock(), Path::new(&target))
}

fn unpack(input: impl Read, target: &Path) -> io::Result<()> {
    fs::create_dir_all(target).map_err(|error| about(target, &error))?;
    let mut archive = Archive::new(input);
    let mut folders = Vec::new();
    for entry in archive.entries()? {
        let mut entry = entry?;
        let name = below(&entry.path()?)?;
        let place = target.join(&name);
        if entry.header().entry_type() == EntryType::Directory {
            fs::create_dir_all(&place).map_err(|error| about(&name, &error))?;
            // Once everything is in them: one that may not be written to would take nothing, and each new name changes its time.
            folders.push((place, entry.header().mode()?, entry.header().mtime()?));
        } else {
            put(&mut entry, &place).map_err(|error| about(&name, &error))?;
        }
    }
    for (place, mode, changed) in folders.into_iter().rev() {
        dress(&File::open(&place)?, mode, changed)?;
    }
    Ok(())
}

/// The name of a thing, without what would lead out of the folder.
fn below(path: &Path) -> io::Result<PathBuf> {
    let mut name = PathBuf::new();
    for part in path.components() {
        match part {
            Component::Normal(part) => name.push(part),
            Component::CurDir | Component::RootDir => {}
            Component::ParentDir | Component::Prefix(_) => {
                let problem = format!("{} leads out of the folder", path.display());
                return Err(io::Error::new(io::ErrorKind::InvalidInput, problem));
            }
        }
    }
    Ok(name)
}

/// Puts a file or a link in its place, in one step.
fn put<R: Read>(entry: &mut Entry<'_, R>, place: &Path) -> io::Result<()> {
    let folder = place.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(folder)?;
    let name = place.file_name().unwrap_or(OsStr::new(""));
    if name.is_empty() {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    let growing = folder.join(format!("{GROWING}{}", std::process::id()));
    remove(&growing)?;
    let grown = grow(entry, &growing).and_then(|()| fs::rename(&growing, place));
    if grown.is_err() {
        remove(&growing)?;
    }
    grown
}

fn grow<R: Read>(entry: &mut Entry<'_, R>, growing: &Path) -> io::Result<()> {
    match entry.header().entry_type() {
        EntryType::Regular | EntryType::Continuous => {
            let (mode, changed) = (entry.header().mode()?, entry.header().mtime()?);
            let mut file = File::options().write(true).create_new(true).open(growing)?;
            let written = io::copy(entry, &mut file)?;
            if written < entry.size() {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            file.flush()?;
            dress(&file, mode, changed)
        }
        EntryType::Symlink => {
            let to = entry.link_name()?.ok_or(io::ErrorKind::InvalidData)?;
            std::os::unix::fs::symlink(to, growing)
        }
        other => Err(io::Error::other(format!(
            "is neither a file nor a folder nor a link ({other:?}), and is not taken"
        ))),
    }
}

fn dress(file: &File, mode: u32, changed: u64) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    // What would run as its owner for everybody is not for copies to make.
    file.set_permissions(fs::Permissions::from_mode(mode & 0o777))?;
    let changed = std::time::UNIX_EPOCH + std::time::Duration::from_secs(changed);
    file.set_modified(changed)
}

fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

fn about(path: &Path, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{}: {error}", path.display()))
}

#[cfg(test)]
mod tests;
