//! The connection to NATS and the streams on it.

use std::sync::Arc;
use std::time::Duration;

use async_nats::HeaderMap;
use async_nats::jetstream::{self, stream};
use async_nats::{ConnectOptions, ServerAddr};
use chassis::address::is_loopback;
use chassis::config::BusConfig;
use chassis::tls::Trust;
use kernel::Timestamp;
use secrecy::ExposeSecret as _;

use crate::{permissions, subject};

/// Oldest server that is good enough.
const FLOOR: (u64, u64) = (2, 9);
/// JetStream is transport, nobody's archive.
pub(crate) const KEPT: Duration = Duration::from_secs(7 * 24 * 3_600);
/// How long the server drops an event that comes again.
pub(crate) const DUPLICATES: Duration = Duration::from_secs(120);
/// How often the making of a stream is tried again, and the pause before.
const REFUSED: u32 = 5;
const AGAIN: Duration = Duration::from_millis(50);

/// The bus cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum BusError {
    /// The server does not answer or refuses.
    #[error("the event bus at {url}: {problem}")]
    Connect {
        /// Where it should be.
        url: String,
        /// What it said.
        problem: String,
    },
    /// It cannot be reached as configured.
    #[error("bus.{field}: {problem}")]
    Config {
        /// The key.
        field: &'static str,
        /// What is wrong and what would be right.
        problem: String,
    },
    /// The server is too old.
    #[error("the event bus is NATS {found}; at least {}.{} is needed", FLOOR.0, FLOOR.1)]
    TooOld {
        /// Its version.
        found: String,
    },
    /// The server stored something else than was asked.
    #[error("the event bus keeps {what} otherwise than asked: {difference}")]
    NotAsAsked {
        /// Stream or consumer.
        what: String,
        /// The setting, asked and stored.
        difference: String,
    },
    /// An operation failed.
    #[error("{doing} on the event bus: {problem}")]
    Failed {
        /// What was being done.
        doing: &'static str,
        /// What went wrong.
        problem: String,
    },
}

impl BusError {
    pub(crate) fn failed(doing: &'static str, problem: impl std::fmt::Display) -> Self {
        Self::Failed {
            doing,
            problem: problem.to_string(),
        }
    }
}

impl From<BusError> for chassis::Error {
    fn from(error: BusError) -> Self {
        Self::internal("using the event bus", error)
    }
}

/// A connection to the event bus.
#[derive(Clone, Debug)]
pub struct Bus {
    name: Arc<str>,
    client: async_nats::Client,
    jetstream: jetstream::Context,
}

impl Bus {
    /// Connects as `name`, checks the server's version, and makes those of its streams that are missing. The connection mends
    /// itself.
    ///
    /// # Errors
    /// [`BusError`] when it would be reached in the clear off loopback, does not answer, is too old, or keeps streams otherwise than asked.
    pub async fn connect(config: &BusConfig, name: &str) -> Result<Self, BusError> {
        let server = server(&config.url)?;
        let mut options = secured(&server, config)?.name(name);
        if !config.user.is_empty() {
            options = options
                .user_and_password(
                    config.user.clone(),
                    config.password.expose_secret().to_owned(),
                )
                .custom_inbox_prefix(permissions::inbox(&config.user));
        }
        let client = options
            .connect(&server)
            .await
            .map_err(|error| BusError::Connect {
                url: shown(&server),
                problem: chassis::error::chain(&error),
            })?;
        check_version(&client.server_info().version)?;
        let bus = Self {
            name: name.into(),
            jetstream: jetstream::new(client.clone()),
            client,
        };
        bus.ensure_streams().await?;
        Ok(bus)
    }

    /// Makes the streams of this program that are missing: at the start, and after somebody wiped the server's folder. Those of
    /// others are made by their owners.
    ///
    /// # Errors
    /// [`BusError`] when the server refuses or stores something else.
    pub async fn ensure_streams(&self) -> Result<(), BusError> {
        for (name, subjects) in permissions::streams(&self.name) {
            self.ensure_stream(&name, subjects).await?;
        }
        Ok(())
    }

    /// When the stream of this program's own events was made; `None` for programs that have none.
    pub(crate) async fn own_stream_since(&self) -> Result<Option<Timestamp>, BusError> {
        if !subject::AREAS.contains(&&*self.name) {
            return Ok(None);
        }
        let stream = self
            .jetstream
            .get_stream(subject::stream_name(&self.name))
            .await
            .map_err(|error| BusError::failed("reading a stream", error))?;
        Ok(Some(stream.cached_info().created))
    }

    /// Publishes and waits until the server has stored it.
    pub(crate) async fn publish(
        &self,
        doing: &'static str,
        subject: String,
        headers: HeaderMap,
        payload: bytes::Bytes,
    ) -> Result<(), BusError> {
        self.jetstream
            .publish_with_headers(subject, headers, payload)
            .await
            .map_err(|error| BusError::failed(doing, error))?
            .await
            .map_err(|error| BusError::failed(doing, error))?;
        Ok(())
    }

    async fn ensure_stream(&self, name: &str, subjects: String) -> Result<(), BusError> {
        let asked = stream::Config {
            name: name.to_owned(),
            subjects: vec![subjects],
            max_age: KEPT,
            duplicate_window: DUPLICATES,
            storage: stream::StorageType::File,
            num_replicas: 1,
            ..stream::Config::default()
        };
        self.ensure(asked).await
    }

    /// Makes one stream and compares what the server stored with what was asked: old servers drop what they do not know.
    pub(crate) async fn ensure(&self, asked: stream::Config) -> Result<(), BusError> {
        let mut found = self.find_or_make(&asked).await?;
        let stored = &found
            .info()
            .await
            .map_err(|error| BusError::failed("reading a stream", error))?
            .config;
        let settings = [
            (
                "subjects",
                format!("{:?}", asked.subjects),
                format!("{:?}", stored.subjects),
            ),
            (
                "max_age",
                format!("{:?}", asked.max_age),
                format!("{:?}", stored.max_age),
            ),
            (
                "max_messages_per_subject",
                limit(asked.max_messages_per_subject),
                limit(stored.max_messages_per_subject),
            ),
            (
                "duplicate_window",
                format!("{:?}", asked.duplicate_window),
                format!("{:?}", stored.duplicate_window),
            ),
            (
                "retention",
                format!("{:?}", asked.retention),
                format!("{:?}", stored.retention),
            ),
            (
                "storage",
                format!("{:?}", asked.storage),
                format!("{:?}", stored.storage),
            ),
            (
                "num_replicas",
                asked.num_replicas.max(1).to_string(),
                stored.num_replicas.max(1).to_string(),
            ),
            (
                "discard",
                format!("{:?}", asked.discard),
                format!("{:?}", stored.discard),
            ),
            (
                "deny_delete",
                asked.deny_delete.to_string(),
                stored.deny_delete.to_string(),
            ),
            (
                "allow_rollup",
                asked.allow_rollup.to_string(),
                stored.allow_rollup.to_string(),
            ),
            (
                "allow_direct",
                asked.allow_direct.to_string(),
                stored.allow_direct.to_string(),
            ),
        ];
        for (setting, asked_value, stored_value) in settings {
            if asked_value != stored_value {
                return Err(BusError::NotAsAsked {
                    what: format!("stream {}", asked.name),
                    difference: format!("{setting}: asked {asked_value}, stored {stored_value}"),
                });
            }
        }
        Ok(())
    }

    async fn find_or_make(&self, asked: &stream::Config) -> Result<stream::Stream, BusError> {
        let mut refused = 0;
        loop {
            match self.jetstream.get_or_create_stream(asked.clone()).await {
                Ok(found) => return Ok(found),
                // Programs that start together make the same stream: the server may refuse the second, which finds it then.
                Err(_) if refused < REFUSED => refused += 1,
                Err(error) => return Err(BusError::failed("making a stream", error)),
            }
            tokio::time::sleep(AGAIN).await;
        }
    }

    /// Name of the program.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Number of the connection to the server: another one after each break.
    pub(crate) fn connection(&self) -> u64 {
        self.client
            .statistics()
            .connects
            .load(std::sync::atomic::Ordering::Relaxed)
    }

    /// JetStream on this connection.
    pub fn jetstream(&self) -> &jetstream::Context {
        &self.jetstream
    }

    /// The plain connection, for live state that need not last.
    pub fn client(&self) -> &async_nats::Client {
        &self.client
    }
}

/// The server writes "no limit" as -1, whoever asks leaves 0.
fn limit(count: i64) -> String {
    count.max(0).to_string()
}

fn server(url: &str) -> Result<ServerAddr, BusError> {
    // The parser's own error is not passed on: it may quote the URL, and with it a password.
    let wrong = |problem: String| BusError::Config {
        field: "url",
        problem,
    };
    let server: ServerAddr = url.parse().map_err(|_| {
        wrong("is not an address; expected nats://host:port or tls://host:port".to_owned())
    })?;
    if server.has_user_pass() || server.password().is_some() {
        let problem = "has a user in it; bus.user and bus.password are the places for that";
        return Err(wrong(problem.to_owned()));
    }
    if server.tls_required() || is_loopback(server.host()) {
        return Ok(server);
    }
    Err(wrong(format!(
        "refusing to reach the event bus at {} without TLS: use tls://",
        shown(&server)
    )))
}

fn shown(server: &ServerAddr) -> String {
    format!("{}://{}:{}", server.scheme(), server.host(), server.port())
}

fn secured(server: &ServerAddr, config: &BusConfig) -> Result<ConnectOptions, BusError> {
    if !server.tls_required() {
        // A server on loopback may name others that are not.
        return Ok(ConnectOptions::new().ignore_discovered_servers());
    }
    let tls = Trust::from_file(config.authority.as_deref())
        .and_then(|trust| trust.client_config(&[]))
        .map_err(|error| BusError::Config {
            field: "authority",
            problem: error.to_string(),
        })?;
    Ok(ConnectOptions::new()
        .require_tls(true)
        .tls_client_config((*tls).clone()))
}

fn check_version(version: &str) -> Result<(), BusError> {
    let mut numbers = version
        .split('.')
        .map_while(|part| part.parse::<u64>().ok());
    let found = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
    if found < FLOOR {
        return Err(BusError::TooOld {
            found: version.to_owned(),
        });
    }
    if found < (2, 10) {
        tracing::warn!(
            version,
            "this NATS release is out of support upstream; 2.10 or newer is recommended in production"
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_clear_stays_on_loopback() {
        for fine in [
            "nats://127.0.0.1:4222",
            "nats://localhost",
            "nats://[::1]:4222",
            "tls://bus.lan:4222",
            "tls://10.0.0.1:4222",
        ] {
            server(fine).unwrap();
        }
        for wrong in [
            "nats://bus.lan:4222",
            "bus.lan:4222",
            "nats://10.0.0.1:4222",
            "wss://bus.lan",
            "nats://quire:hunter2@127.0.0.1",
            "http://127.0.0.1",
            "",
        ] {
            let error = server(wrong).unwrap_err().to_string();
            assert!(error.starts_with("bus.url: "), "{wrong}: {error}");
            assert!(!error.contains("hunter2"), "{error}");
        }
    }

    #[test]
    fn old_servers_are_refused() {
        assert!(check_version("2.9.10").is_ok());
        assert!(check_version("2.15.1").is_ok());
        assert!(check_version("2.8.4").is_err());
        assert!(check_version("garbage").is_err());
    }
}
