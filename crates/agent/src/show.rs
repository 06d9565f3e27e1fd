//! `stage show`: shows a folder of the host inside a sandbox that is there already, with the sandbox's user as the owner of
//! what belongs to the folder's. Files keep their owner on the disk: the mount translates, one user each way (an id-mapped
//! mount, Linux 5.12). The sandbox can see nothing on the way: the mount is complete before it is moved there.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, Read as _, Write as _};
use std::os::fd::{AsFd as _, AsRawFd as _, BorrowedFd};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use rustix::fs::CWD;
use rustix::mount::{MountAttrFlags, MoveMountFlags, OpenTreeFlags, move_mount, open_tree};
use rustix::thread::{LinkNameSpaceType, UnshareFlags, move_into_link_name_space};

/// What is shown where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Show {
    /// A process in the sandbox.
    pub(crate) process: u32,
    /// Owner of the files on the disk.
    pub(crate) owner: u32,
    /// Their owner in the sandbox.
    pub(crate) user: u32,
    /// The folder of the host.
    pub(crate) source: PathBuf,
    /// Where the sandbox sees it; a folder is there.
    pub(crate) target: PathBuf,
}

impl Show {
    /// Arguments for the agent's own program.
    pub(crate) fn args(&self) -> Vec<OsString> {
        let mut args: Vec<OsString> = vec!["stage".into(), "show".into()];
        let numbers = [self.process, self.owner, self.user];
        args.extend(numbers.map(|number| number.to_string().into()));
        args.extend([self.source.clone().into(), self.target.clone().into()]);
        args
    }

    /// Reads the arguments after `show` back.
    pub(crate) fn parse(args: impl Iterator<Item = OsString>) -> io::Result<Self> {
        let args: Vec<OsString> = args.collect();
        let wrong = || {
            let problem = "stage show: PROCESS OWNER USER SOURCE TARGET are expected";
            io::Error::new(io::ErrorKind::InvalidInput, problem)
        };
        let [process, owner, user, source, target] = args.as_slice() else {
            return Err(wrong());
        };
        let number = |text: &OsString| {
            let number = text.to_str().and_then(|text| text.parse().ok());
            number.ok_or_else(wrong)
        };
        Ok(Self {
            process: number(process)?,
            owner: number(owner)?,
            user: number(user)?,
            source: source.into(),
            target: target.into(),
        })
    }

    /// Does it. This process is in the sandbox's mounts afterwards, and has to end.
    pub(crate) fn run(&self) -> io::Result<()> {
        let flags = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC;
        let tree = open_tree(CWD, &self.source, flags)?;
        let users = user_namespace(self.owner, self.user)?;
        translate(tree.as_fd(), users.as_fd())?;
        let of_process = Path::new("/proc").join(self.process.to_string());
        let namespace = File::open(of_process.join("ns/mnt"))?;
        // Its number may be another process's by now, and the sandbox another's; no two sandboxes have the same user.
        if fs::metadata(&of_process)?.uid() != self.user {
            return Err(io::Error::other("the sandbox has ended"));
        }
        move_into_link_name_space(namespace.as_fd(), Some(LinkNameSpaceType::Mount))?;
        let flags = MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH;
        Ok(move_mount(&tree, "", CWD, &self.target, flags)?)
    }
}

/// Becomes a process in a user namespace of its own, says so, and waits for the end of its input. For [`user_namespace`].
#[expect(
    deprecated,
    reason = "the new way is unsafe because of what it does to open files; this one leaves them alone"
)]
pub(crate) fn hold_user_namespace() -> io::Result<()> {
    rustix::thread::unshare(UnshareFlags::NEWUSER)?;
    io::stdout().write_all(b"\n")?;
    io::stdout().flush()?;
    io::stdin().read_to_end(&mut Vec::new()).map(drop)
}

/// A user namespace that says nothing but that `owner` is seen as `user`. One is made with a process, which others may not see.
fn user_namespace(owner: u32, user: u32) -> io::Result<File> {
    let mut holder = Command::new("/proc/self/exe")
        .args(["stage", "user-namespace"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()?;
    let namespace = (|| {
        let said = holder.stdout.as_mut().map(|said| said.read(&mut [0; 1]));
        if !matches!(said, Some(Ok(1))) {
            return Err(io::Error::other("no user namespace can be made"));
        }
        let of_holder = |file: &str| Path::new("/proc").join(holder.id().to_string()).join(file);
        let map = format!("{owner} {user} 1\n");
        fs::write(of_holder("uid_map"), &map)?;
        fs::write(of_holder("gid_map"), &map)?;
        File::open(of_holder("ns/user"))
    })();
    // The end of its input ends it; the open file keeps the namespace.
    drop(holder.stdin.take());
    holder.wait()?;
    namespace
}

/// Arguments of the system call, as the kernel has them (`struct mount_attr`).
#[repr(C)]
struct Attributes {
    set: u64,
    clear: u64,
    propagation: u64,
    user_namespace: u64,
}

/// Makes a mount that is not shown yet translate owners, without devices and without programs that change the user.
#[expect(
    unsafe_code,
    reason = "no library has a safe way to call mount_setattr; the kernel only reads what is passed"
)]
fn translate(tree: BorrowedFd<'_>, users: BorrowedFd<'_>) -> io::Result<()> {
    let flags = MountAttrFlags::MOUNT_ATTR_IDMAP
        | MountAttrFlags::MOUNT_ATTR_NOSUID
        | MountAttrFlags::MOUNT_ATTR_NODEV;
    let attributes = Attributes {
        set: flags.bits().into(),
        clear: 0,
        propagation: 0,
        user_namespace: u64::try_from(users.as_raw_fd()).unwrap_or(u64::MAX),
    };
    // SAFETY: the path is a constant text that ends with NUL, and the structure outlives the call and has the size that is told.
    let done = unsafe {
        libc::syscall(
            libc::SYS_mount_setattr,
            tree.as_raw_fd(),
            c"".as_ptr(),
            libc::AT_EMPTY_PATH,
            &raw const attributes,
            size_of::<Attributes>(),
        )
    };
    if done == 0 {
        return Ok(());
    }
    Err(io::Error::last_os_error())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_told_is_understood() {
        let show = Show {
            process: 7,
            owner: 200_000,
            user: 200_001,
            source: "/data/volumes/vo-1".into(),
            target: "/notebooks".into(),
        };
        let told = show.args().into_iter().skip(2);
        assert_eq!(Show::parse(told).unwrap(), show);
        for wrong in [
            vec![],
            vec!["1", "2", "3", "/a"],
            vec!["x", "2", "3", "/a", "/b"],
        ] {
            assert!(
                Show::parse(wrong.iter().map(OsString::from)).is_err(),
                "{wrong:?}"
            );
        }
    }
}
