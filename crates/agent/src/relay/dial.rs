//! The way to one edge: dialled with this node's certificate, kept, and dialled again.

use std::time::Duration;

use chassis::{Error, Result, tls};
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio::time::Instant;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::Relay;
use crate::credentials::Credentials;

/// Time to connect and to show each other's certificates.
const DIAL: Duration = Duration::from_secs(5);
/// Pauses between connections: the first, and the longest.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);
/// After a connection that lasted so long, pauses begin anew.
const STEADY: Duration = Duration::from_secs(10);

/// The way to one edge.
#[derive(Debug)]
pub(super) struct Way {
    pub(super) relay: Relay,
    /// Read before each try, because certificates are renewed.
    pub(super) credentials: Credentials,
    /// `host:port`
    pub(super) edge: String,
}

impl Way {
    /// Keeps a connection to the edge for as long as `wanted` says so when one has ended.
    pub(super) async fn keep(self, wanted: impl Fn() -> bool) {
        let (mut pause, mut said) = (FIRST_PAUSE, String::new());
        loop {
            let began = Instant::now();
            let problem = match self.converse().await {
                Ok(()) => "the edge hung up".to_owned(),
                Err(error) => chassis::error::chain(&error),
            };
            if !wanted() {
                return;
            }
            if began.elapsed() > STEADY {
                (pause, said) = (FIRST_PAUSE, String::new());
            }
            // Said once, however often it is tried.
            if problem != said {
                tracing::warn!(problem, "the way to an edge is broken; trying again");
                said = problem;
            }
            tokio::time::sleep(pause.mul_f64(rand::random_range(0.5..1.5))).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    /// One connection, from its beginning to its end.
    async fn converse(&self) -> Result<()> {
        let connection = self.dial().await.inspect_err(|_| {
            self.relay.metrics.dial_failures.add(1, &[]);
        })?;
        let _open = self.relay.metrics.connection();
        tracing::debug!("an edge is connected");
        let answered = self.relay.clone().answer(connection).await;
        answered.map_err(|error| Error::Unavailable(chassis::error::chain(&error)))
    }

    async fn dial(&self) -> Result<TlsStream<TcpStream>> {
        let unavailable = |problem: &dyn std::fmt::Display| {
            Error::Unavailable(format!("dialling {}: {problem}", self.edge))
        };
        let connector = TlsConnector::from(self.credentials.trust()?.client_config(&[tls::H2])?);
        let name = server_name(&self.edge)?;
        let connecting = async {
            let stream = TcpStream::connect(&self.edge).await?;
            stream.set_nodelay(true)?;
            connector.connect(name, stream).await
        };
        tokio::time::timeout(DIAL, connecting)
            .await
            .map_err(|late| unavailable(&late))?
            .map_err(|error| unavailable(&error))
    }
}

/// The name that an edge's certificate must be for.
fn server_name(edge: &str) -> Result<ServerName<'static>> {
    let host = edge.rsplit_once(':').map_or(edge, |(host, _)| host);
    let host = host.trim_start_matches('[').trim_end_matches(']');
    ServerName::try_from(host.to_owned())
        .map_err(|_| Error::invalid("relay_address", format!("{host:?} is no name of a host")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_edge_is_known_by_its_name_or_number() {
        for (edge, name) in [
            ("edge.example.org:7702", "edge.example.org"),
            ("10.0.0.1:7702", "10.0.0.1"),
            ("[fd00::1]:7702", "fd00::1"),
        ] {
            assert_eq!(server_name(edge).unwrap().to_str(), name);
        }
        assert!(server_name("ed ge:7702").is_err());
    }
}
