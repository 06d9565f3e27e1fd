//! SQLite or PostgreSQL by URL; one way to open, migrate and begin.

use backon::{ExponentialBuilder, Retryable};
use sea_orm::sqlx::Error as SqlxError;
use sea_orm::sqlx::postgres::{PgConnectOptions, PgSslMode};
use sea_orm::{
    ColumnTrait, ConnectOptions, ConnectionTrait, DatabaseConnection, DatabaseTransaction, DbErr,
    EntityTrait, QuerySelect, RuntimeErr, Select, SqliteTransactionMode, TransactionOptions,
    TransactionTrait, TryGetable,
};
use sea_orm_migration::{MigrationName, MigrationTrait, MigratorTrait, SchemaManager};
use secrecy::{ExposeSecret, SecretString};
use std::io::ErrorKind;
use std::time::Duration;

use crate::address::is_loopback;
use crate::{Error, Result};

/// Key of the PostgreSQL advisory lock that migrations hold ("quire" as a number).
const MIGRATION_LOCK: i64 = 0x71_75_69_72_65;
const POSTGRES_CONNECTIONS: u32 = 16;
const SQLITE_CONNECTIONS: u32 = 4;
const BUSY_TIMEOUT: Duration = Duration::from_secs(10);

/// How long a program that begins waits for a database that is away.
const START: Duration = Duration::from_secs(30);
/// How often it asks one that is away, or that another program is opening.
const OPENING: ExponentialBuilder = ExponentialBuilder::new()
    .with_min_delay(Duration::from_millis(20))
    .with_max_delay(Duration::from_millis(500))
    .with_max_times(200);

/// An open database of one service.
#[derive(Clone, Debug)]
pub struct Database {
    connection: DatabaseConnection,
}

impl Database {
    /// Opens the database at `url` and brings its schema up to date, one program at a time. Waits half a minute for a database
    /// that is away.
    ///
    /// # Errors
    /// Those of the database, and a wrong URL; [`Error::Invalid`] when it leads off this machine and asks for less than verified
    /// TLS.
    pub async fn open<M: MigratorTrait>(url: &SecretString) -> Result<Self> {
        let url = url.expose_secret();
        let sqlite = url.starts_with("sqlite:");
        if !sqlite {
            check_transport(url)?;
        }
        let mut options = ConnectOptions::new(url);
        options
            .max_connections(if sqlite {
                SQLITE_CONNECTIONS
            } else {
                POSTGRES_CONNECTIONS
            })
            .sqlx_logging(false)
            .map_sqlx_sqlite_opts(|options| {
                use sea_orm::sqlx::sqlite::{SqliteJournalMode, SqliteSynchronous};
                options
                    .create_if_missing(true)
                    .journal_mode(SqliteJournalMode::Wal)
                    .synchronous(SqliteSynchronous::Full)
                    .busy_timeout(BUSY_TIMEOUT)
                    .foreign_keys(true)
            });
        // A host that vanishes in the middle of a transaction must not hold its locks for as long as TCP believes in it.
        options.map_sqlx_postgres_opts(|options| {
            options.options([
                ("idle_in_transaction_session_timeout", "10s"),
                ("lock_timeout", "10s"),
            ])
        });
        let open = || async {
            let connection = sea_orm::Database::connect(options.clone()).await?;
            let database = Self { connection };
            database.migrate::<M>(sqlite).await?;
            Ok(database)
        };
        // SQLite changes to its write-ahead log without waiting for who opens the same file at the same moment.
        let passes = |error: &DbErr| is_busy(error) || is_away(error);
        let opening = open
            .retry(OPENING)
            .when(passes)
            .notify(|error, _| tracing::warn!(%error, "waiting for the database"));
        // Whoever starts a program is told why, also when it may pass.
        let opened = tokio::time::timeout(START, opening).await.map_err(away)?;
        opened.map_err(|cause: DbErr| Error::internal("opening the database", cause))
    }

    async fn migrate<M: MigratorTrait>(&self, sqlite: bool) -> Result<(), DbErr> {
        // One transaction for the lock and all migrations: a crash leaves the schema as it was, and nobody waits for a lock
        // whose holder is gone.
        let transaction = self.begin().await?;
        if !sqlite {
            let lock = format!("SELECT pg_advisory_xact_lock({MIGRATION_LOCK})");
            transaction.execute_unprepared(&lock).await?;
        }
        M::up(&transaction, None).await?;
        transaction.commit().await
    }

    /// Begins a transaction. On SQLite it takes the one write lock at once, so what it reads stays true until it commits; on
    /// PostgreSQL rows that matter are locked by the statements themselves.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn begin(&self) -> Result<DatabaseTransaction, DbErr> {
        self.connection
            .begin_with_options(TransactionOptions {
                sqlite_transaction_mode: Some(SqliteTransactionMode::Immediate),
                ..TransactionOptions::default()
            })
            .await
    }

    /// Tells `seen` the SQL of each statement from now on: for whoever counts or times them.
    #[must_use]
    pub fn watched(mut self, seen: impl Fn(&str) + Send + Sync + 'static) -> Self {
        self.connection
            .set_metric_callback(move |info| seen(&info.statement.sql));
        self
    }

    /// For reads outside a transaction.
    pub fn reader(&self) -> &DatabaseConnection {
        &self.connection
    }
}

/// Does what a program has to do with its database before it serves, again while the database is away.
///
/// # Errors
/// Those of `act`; [`Error::Unavailable`] when the database was away for half a minute.
pub async fn at_start<T, F: Future<Output = Result<T>>>(act: impl FnMut() -> F) -> Result<T> {
    let asking = act.retry(OPENING).when(|error| error.code().is_retryable());
    tokio::time::timeout(START, asking).await.map_err(away)?
}

fn away(_: tokio::time::error::Elapsed) -> Error {
    let seconds = START.as_secs();
    Error::Unavailable(format!("the database did not answer for {seconds} s"))
}

/// Whether the database cannot be reached, is starting or is going down: the same may succeed soon. Codes of PostgreSQL's
/// appendix A: class 08, and 57P01 to 57P03.
pub(crate) fn is_away(error: &DbErr) -> bool {
    let (DbErr::Conn(cause) | DbErr::Exec(cause) | DbErr::Query(cause)) = error else {
        return matches!(error, DbErr::ConnectionAcquire(_));
    };
    let RuntimeErr::SqlxError(cause) = cause else {
        return false;
    };
    match cause.as_ref() {
        SqlxError::PoolTimedOut | SqlxError::WorkerCrashed => true,
        // Not the others: a certificate that is refused is one of them.
        SqlxError::Io(cause) => matches!(
            cause.kind(),
            ErrorKind::ConnectionRefused
                | ErrorKind::ConnectionReset
                | ErrorKind::ConnectionAborted
                | ErrorKind::BrokenPipe
                | ErrorKind::UnexpectedEof
                | ErrorKind::NotFound
                | ErrorKind::TimedOut
        ),
        SqlxError::Database(refusal) => refusal.code().is_some_and(|code| {
            code.starts_with("08") || ["57P01", "57P02", "57P03"].contains(&code.as_ref())
        }),
        _ => false,
    }
}

/// Whether SQLite refused because another connection holds the file (`SQLITE_BUSY`).
fn is_busy(error: &DbErr) -> bool {
    let DbErr::Conn(RuntimeErr::SqlxError(cause)) = error else {
        return false;
    };
    cause
        .as_database_error()
        .and_then(|refusal| refusal.code())
        .is_some_and(|code| code == "5")
}

/// Refuses to reach a PostgreSQL off this machine without knowing that it is the right one.
fn check_transport(url: &str) -> Result<()> {
    // The error of the parser is not passed on: it may quote the URL, which may hold a password.
    let options: PgConnectOptions = url.parse().map_err(|_| {
        let expected =
            "is not a URL of a database; expected sqlite:///path or postgres://user@host/name";
        Error::invalid("database", expected)
    })?;
    let host = options.get_host();
    let stays_here = options.get_socket().is_some() || host.starts_with('/') || is_loopback(host);
    if stays_here || matches!(options.get_ssl_mode(), PgSslMode::VerifyFull) {
        return Ok(());
    }
    let problem = format!(
        "refusing to use PostgreSQL at {host} without verified TLS: add sslmode=verify-full to the URL, and sslrootcert=FILE for an authority of your own"
    );
    Err(Error::invalid("database", problem))
}

/// A migration that is a file of SQL which both engines understand.
#[derive(Clone, Copy, Debug)]
pub struct SqlMigration {
    /// Name that records that it was applied; never changes.
    pub name: &'static str,
    /// The statements, separated by semicolons.
    pub sql: &'static str,
}

impl MigrationName for SqlMigration {
    fn name(&self) -> &str {
        self.name
    }
}

#[async_trait::async_trait]
impl MigrationTrait for SqlMigration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager
            .get_connection()
            .execute_unprepared(self.sql)
            .await?;
        Ok(())
    }
}

/// Tables of the chassis itself, which every service's migrations begin with.
pub fn foundation() -> Box<dyn MigrationTrait> {
    Box::new(SqlMigration {
        name: "chassis_0001_leases",
        sql: include_str!("migrations/0001_leases.sql"),
    })
}

/// Whether `error` says that a unique constraint was violated.
pub fn is_unique_violation(error: &DbErr) -> bool {
    matches!(
        error.sql_err(),
        Some(sea_orm::SqlErr::UniqueConstraintViolation(_))
    )
}

/// How many rows there are of each value of `column`.
///
/// # Errors
/// Those of the database.
pub async fn count_by<E: EntityTrait, V: TryGetable>(
    rows: Select<E>,
    column: E::Column,
    connection: &impl ConnectionTrait,
) -> Result<Vec<(V, u64)>, DbErr> {
    let counted = rows
        .select_only()
        .column(column)
        .column_as(column.count(), "count")
        .group_by(column)
        .into_tuple::<(V, i64)>()
        .all(connection)
        .await?;
    let unsigned = |(value, count)| (value, u64::try_from(count).unwrap_or(0));
    Ok(counted.into_iter().map(unsigned).collect())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    #[test]
    fn postgresql_off_this_machine_needs_verified_tls() {
        for fine in [
            "postgres://quire@127.0.0.1:5432/a",
            "postgres://quire@localhost/a",
            "postgres://quire@[::1]/a?sslmode=disable",
            "postgres:///a?host=/run/postgresql",
            "postgres://%2Frun%2Fpostgresql/a",
            "postgres://quire:secret@db.lan/a?sslmode=verify-full",
            "postgresql://quire@10.0.0.1/a?sslmode=verify-full&sslrootcert=/etc/quire/authority.pem",
        ] {
            check_transport(fine).unwrap_or_else(|error| panic!("{fine}: {error}"));
        }
        for open in [
            "postgres://quire:hunter2@db.lan/a",
            "postgres://quire:hunter2@10.0.0.1/a?sslmode=require",
            "postgres://quire:hunter2@db.lan/a?sslmode=verify-ca&sslrootcert=/etc/quire/authority.pem",
            "postgres://quire:hunter2@127.0.0.1/a?host=db.lan",
            "postgres://quire:hunter2@db.lan:port/a",
            "hunter2",
        ] {
            let refusal = check_transport(open).unwrap_err().to_string();
            assert!(refusal.starts_with("database: "), "{refusal}");
            assert!(!refusal.contains("hunter2"), "{refusal}");
        }
    }

    #[test]
    fn a_database_that_is_away_is_told_from_one_that_refuses() {
        let query = |cause| DbErr::Query(RuntimeErr::SqlxError(Arc::new(cause)));
        let broken = SqlxError::Io(ErrorKind::ConnectionReset.into());
        for away in [broken, SqlxError::PoolTimedOut] {
            let error = query(away);
            assert!(is_away(&error), "{error:?}");
            assert!(Error::from(error).code().is_retryable());
        }
        for defect in [
            query(SqlxError::Io(ErrorKind::InvalidData.into())),
            query(SqlxError::RowNotFound),
            DbErr::Custom("no".to_owned()),
        ] {
            assert!(!is_away(&defect), "{defect:?}");
            assert!(!Error::from(defect).code().is_retryable());
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_start_waits_for_a_database_that_is_away_and_for_nothing_else() {
        let tries = AtomicU32::new(0);
        let back_after = |most: u32, error: fn() -> Error| {
            tries.store(0, Ordering::Relaxed);
            let tries = &tries;
            at_start(move || async move {
                let tried = tries.fetch_add(1, Ordering::Relaxed);
                if tried < most {
                    Err(error())
                } else {
                    Ok(tried)
                }
            })
        };
        let away = || Error::Unavailable("away".to_owned());
        assert_eq!(back_after(5, away).await.unwrap(), 5);
        let began = tokio::time::Instant::now();
        assert!(back_after(u32::MAX, away).await.is_err());
        let waited = began.elapsed();
        assert!((25..40).contains(&waited.as_secs()), "{waited:?}");
        let wrong = || Error::invalid("url", "is wrong");
        assert!(back_after(1, wrong).await.is_err());
        assert_eq!(tries.load(Ordering::Relaxed), 1);
    }
}
