//! A private PostgreSQL with a fresh database for each test: one that all tests of a program share, or one of a test's own, which
//! may be killed. By way of `setpriv` it runs as a plain user and ends with the program.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use tempfile::TempDir;

use crate::program::Program;
use crate::{Authority, free_port, wait_for};

/// `nobody`: PostgreSQL refuses to run as root, and as a user whom the system does not know.
const PLAIN_USER: u32 = 65_534;

/// Names of the folders of servers begin so; the number of the process that they are for follows.
const PREFIX: &str = "quire-test-postgres-";

/// A private PostgreSQL server.
#[derive(Debug)]
pub struct Postgres {
    program: Program,
    folder: TempDir,
    port: u16,
    disk: Disk,
    /// What its URLs ask for.
    parameters: String,
    databases: AtomicU32,
}

/// Whether a commit waits for the disk.
#[derive(Clone, Copy, Debug)]
enum Disk {
    /// Tests kill the server, never the machine.
    Lax,
    Durable,
}

static SERVER: OnceLock<Postgres> = OnceLock::new();

fn binaries() -> PathBuf {
    let versions = fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .flatten();
    let newest = versions.map(|entry| entry.path().join("bin")).max();
    newest.unwrap_or_else(|| panic!("PostgreSQL is not installed; scripts/test installs it"))
}

/// A command that runs as a plain user and ends with the thread that starts it.
fn as_plain_user(program: &Path) -> Command {
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "KILL"]);
    if is_root() {
        let id = PLAIN_USER.to_string();
        command.args(["--reuid", &id, "--regid", &id, "--clear-groups"]);
    }
    command.arg(program);
    command
}

fn is_root() -> bool {
    fs::metadata("/proc/self").is_ok_and(|meta| std::os::unix::fs::MetadataExt::uid(&meta) == 0)
}

impl Postgres {
    /// The server of this test program, started at the first call. It ends with the program.
    ///
    /// # Panics
    /// When PostgreSQL is not installed or does not start.
    pub fn shared() -> &'static Self {
        SERVER.get_or_init(Self::start)
    }

    /// Starts a server of its own.
    ///
    /// # Panics
    /// When PostgreSQL is not installed or does not start.
    pub fn start() -> Self {
        Self::start_with(None, Disk::Lax)
    }

    /// Starts a server of its own that waits for the disk at each commit, as one of an installation does: for measurements.
    ///
    /// # Panics
    /// When PostgreSQL is not installed or does not start.
    pub fn start_durable() -> Self {
        Self::start_with(None, Disk::Durable)
    }

    /// Starts a server of its own that takes TLS only, with a certificate of `authority` for 127.0.0.1.
    ///
    /// # Panics
    /// When PostgreSQL is not installed or does not start.
    pub fn start_secure(authority: &Authority) -> Self {
        Self::start_with(Some(authority), Disk::Lax)
    }

    fn start_with(authority: Option<&Authority>, disk: Disk) -> Self {
        remove_deserted();
        let prefix = format!("{PREFIX}{}-", std::process::id());
        let folder = tempfile::Builder::new().prefix(&prefix).tempdir();
        let folder = folder.expect("a temporary folder");
        let data = data(&folder);
        fs::create_dir(&data).expect("a folder for the database");
        if is_root() {
            fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755))
                .expect("permissions");
            chown(&data, Some(PLAIN_USER), Some(PLAIN_USER)).expect("an owner for the database");
        }
        let made = as_plain_user(&binaries().join("initdb"))
            .args(["--no-sync", "--auth=trust", "--username=quire"])
            .args(["--encoding=UTF8", "--locale=C", "-D"])
            .arg(&data)
            .stdout(Stdio::null())
            .status();
        assert!(made.is_ok_and(|status| status.success()), "initdb failed");
        let port = free_port();
        let parameters = authority.map_or_else(String::new, |authority| secure(&data, authority));
        let mut server = Self {
            program: launch(&data, port, disk),
            disk,
            folder,
            port,
            parameters,
            databases: AtomicU32::new(0),
        };
        server.wait_until_it_answers();
        server
    }

    /// The port that it listens on, also after a restart.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Kills it; [`Postgres::restart`] starts it again. What was committed stays.
    pub fn stop(&mut self) {
        self.program.kill();
    }

    /// Kills it, if it runs, and starts it again on the same data and port.
    ///
    /// # Panics
    /// When it does not start.
    pub fn restart(&mut self) {
        self.stop();
        self.program = launch(&data(&self.folder), self.port, self.disk);
        self.wait_until_it_answers();
    }

    /// After a crash a server refuses to start as long as processes of the one before live.
    fn wait_until_it_answers(&mut self) {
        wait_for("PostgreSQL", || {
            if self.program.has_ended() {
                self.program = launch(&data(&self.folder), self.port, self.disk);
            }
            self.query("postgres", "SELECT 1").map(|_| ())
        });
    }

    /// URL of a fresh database.
    ///
    /// # Panics
    /// When it cannot be made.
    pub fn database(&self) -> String {
        let name = format!("test_{}", self.databases.fetch_add(1, Ordering::Relaxed));
        let made = self.query("postgres", &format!("CREATE DATABASE {name}"));
        assert!(made.is_some(), "creating database {name}");
        format!(
            "postgres://quire@127.0.0.1:{}/{name}{}",
            self.port, self.parameters
        )
    }

    /// The rows that a statement gives in the database with this name or URL, as text; `None` when the server refuses or is away.
    pub fn query(&self, database: &str, statement: &str) -> Option<Vec<Vec<String>>> {
        let name = database.split('?').next()?.rsplit('/').next()?;
        let output = Command::new(binaries().join("psql"))
            .args(["-h", "127.0.0.1", "-U", "quire", "-qAt", "-F", "\t"])
            .args(["-v", "ON_ERROR_STOP=1", "-p", &self.port.to_string()])
            .args(["-d", name, "-c", statement])
            .output()
            .ok()
            .filter(|output| output.status.success())?;
        let text = String::from_utf8(output.stdout).ok()?;
        let row = |line: &str| line.split('\t').map(str::to_owned).collect();
        Some(text.lines().map(row).collect())
    }
}

impl Drop for Postgres {
    /// Its processes must be gone before its folder can go.
    fn drop(&mut self) {
        as_plain_user(&binaries().join("pg_ctl"))
            .args(["stop", "-s", "-m", "immediate", "-D"])
            .arg(data(&self.folder))
            .stderr(Stdio::null())
            .status()
            .ok();
    }
}

/// Has the server on `data` take TLS only, and gives what URLs ask for.
fn secure(data: &Path, authority: &Authority) -> String {
    let issued = authority.issue(&["127.0.0.1"]);
    let place = |from: Option<PathBuf>, name: &str| {
        let path = data.join(name);
        fs::copy(from.expect("a file of the authority"), &path).expect("a copy of it");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).expect("permissions");
        if is_root() {
            chown(&path, Some(PLAIN_USER), Some(PLAIN_USER)).expect("an owner");
        }
    };
    place(issued.certificate, "server.crt");
    place(issued.key, "server.key");
    fs::write(
        data.join("pg_hba.conf"),
        "hostssl all all 127.0.0.1/32 trust\n",
    )
    .expect("its rules of access");
    let mut settings = fs::OpenOptions::new()
        .append(true)
        .open(data.join("postgresql.conf"))
        .expect("its settings");
    settings.write_all(b"ssl = on\n").expect("its settings");
    let file = authority.file();
    format!("?sslmode=verify-full&sslrootcert={}", file.display())
}

/// Removes the folders of servers whose test program has ended: a shared one ends with the program, and nobody is left to tidy up.
fn remove_deserted() {
    let entries = fs::read_dir(std::env::temp_dir());
    for entry in entries.into_iter().flatten().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let process = name
            .strip_prefix(PREFIX)
            .and_then(|rest| rest.split('-').next());
        let deserted = process.is_some_and(|process| !Path::new("/proc").join(process).is_dir());
        if deserted {
            fs::remove_dir_all(entry.path()).ok();
        }
    }
}

fn data(folder: &TempDir) -> PathBuf {
    folder.path().join("data")
}

fn launch(data: &Path, port: u16, disk: Disk) -> Program {
    let mut command = as_plain_user(&binaries().join("postgres"));
    command.arg("-D").arg(data).args(["-p", &port.to_string()]);
    for setting in [
        "listen_addresses=127.0.0.1",
        match disk {
            Disk::Lax => "fsync=off",
            Disk::Durable => "fsync=on",
        },
        "unix_socket_directories=",
        "max_connections=300",
    ] {
        command.args(["-c", setting]);
    }
    Program::start_to_last(command)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_committed_outlives_a_kill() {
        let mut server = Postgres::start();
        let url = server.database();
        let written = "CREATE TABLE kept (n INT); INSERT INTO kept VALUES (7), (8)";
        assert!(server.query(&url, written).is_some());
        server.stop();
        assert_eq!(server.query(&url, "SELECT 1"), None);
        server.restart();
        let rows = server.query(&url, "SELECT n, n + 1 FROM kept ORDER BY n");
        let row = |a: &str, b: &str| vec![a.to_owned(), b.to_owned()];
        assert_eq!(rows, Some(vec![row("7", "8"), row("8", "9")]));
        assert_eq!(server.query(&url, "SELECT nonsense"), None);
    }
}
