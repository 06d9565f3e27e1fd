//! A private PostgreSQL, one per test program, with a fresh database for each test. By way of `setpriv` it
//! runs as a plain user and ends with the program.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{OnceLock, mpsc};
use std::thread;

use tempfile::TempDir;

use crate::{Authority, Program, wait_for};

/// `nobody`: PostgreSQL refuses to run as root, and as a user whom the system does not know.
const PLAIN_USER: u32 = 65_534;

/// A private PostgreSQL server.
#[derive(Debug)]
pub struct Postgres {
    _program: Program,
    _folder: TempDir,
    port: u16,
    /// What its URLs ask for.
    query: String,
    databases: AtomicU32,
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
        SERVER.get_or_init(|| {
            // The server ends with the thread that starts it: not with one test, but with all of them.
            let (started, server) = mpsc::channel();
            thread::spawn(move || {
                started.send(Self::start()).ok();
                loop {
                    thread::park();
                }
            });
            server.recv().expect("PostgreSQL")
        })
    }

    /// Starts a server of its own.
    ///
    /// # Panics
    /// When PostgreSQL is not installed or does not start.
    pub fn start() -> Self {
        Self::start_with(None)
    }

    /// Starts a server of its own that takes TLS only, with a certificate of `authority` for 127.0.0.1.
    ///
    /// # Panics
    /// When PostgreSQL is not installed or does not start.
    pub fn start_secure(authority: &Authority) -> Self {
        Self::start_with(Some(authority))
    }

    fn start_with(authority: Option<&Authority>) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let data = folder.path().join("data");
        fs::create_dir(&data).expect("a folder for the database");
        if is_root() {
            fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755))
                .expect("permissions");
            chown(&data, Some(PLAIN_USER), Some(PLAIN_USER)).expect("an owner for the database");
        }
        let made = as_plain_user(&binaries().join("initdb"))
            .args([
                "--no-sync",
                "--auth=trust",
                "--username=quire",
                "--encoding=UTF8",
                "--locale=C",
                "-D",
            ])
            .arg(&data)
            .stdout(Stdio::null())
            .status();
        assert!(made.is_ok_and(|status| status.success()), "initdb failed");
        let port = free_port();
        let (tls, query) =
            authority.map_or_else(Default::default, |authority| secure(&data, authority));
        let program = Program::start(
            as_plain_user(&binaries().join("postgres"))
                .arg("-D")
                .arg(&data)
                .args([
                    "-p",
                    &port.to_string(),
                    "-c",
                    "listen_addresses=127.0.0.1",
                    "-c",
                    "fsync=off",
                ])
                .args([
                    "-c",
                    "unix_socket_directories=",
                    "-c",
                    "max_connections=300",
                ])
                .args(tls)
                .stderr(Stdio::null()),
        );
        let server = Self {
            _program: program,
            _folder: folder,
            port,
            query,
            databases: AtomicU32::new(0),
        };
        wait_for("PostgreSQL", || server.psql("SELECT 1").then_some(()));
        server
    }

    /// URL of a fresh database.
    ///
    /// # Panics
    /// When it cannot be made.
    pub fn database(&self) -> String {
        let name = format!("test_{}", self.databases.fetch_add(1, Ordering::Relaxed));
        assert!(
            self.psql(&format!("CREATE DATABASE {name}")),
            "creating database {name}"
        );
        format!(
            "postgres://quire@127.0.0.1:{}/{name}{}",
            self.port, self.query
        )
    }

    fn psql(&self, statement: &str) -> bool {
        Command::new(binaries().join("psql"))
            .args([
                "-h",
                "127.0.0.1",
                "-U",
                "quire",
                "-d",
                "postgres",
                "-qc",
                statement,
                "-p",
            ])
            .arg(self.port.to_string())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .is_ok_and(|status| status.success())
    }
}

/// Takes TLS only: the options of the server on `data`, and what URLs ask for.
fn secure(data: &Path, authority: &Authority) -> (Vec<String>, String) {
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
    let options = ["-c", "ssl=on"].map(str::to_owned).to_vec();
    let file = authority.file();
    let query = format!("?sslmode=verify-full&sslrootcert={}", file.display());
    (options, query)
}

fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("its address").port()
}
