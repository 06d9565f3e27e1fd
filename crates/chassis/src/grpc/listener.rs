//! Where connections come in: a unix socket, TCP on loopback, or TLS.

use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use futures::Stream;
use rustls::ServerConfig;
use tokio::net::{TcpListener, TcpStream, UnixListener};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

use super::connection::{Connection, prepare};
use crate::config::TlsConfig;
use crate::tls::{self, Clients};
use crate::{Address, Error, Result};

/// Longest time for the handshake of TLS.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// Handshakes at once; who comes then waits until one has ended.
const HANDSHAKES: usize = 1_024;
/// Pause after the system would not give a connection, such as when all file descriptors are in use.
const ACCEPT_AGAIN: Duration = Duration::from_millis(100);

/// A bound listener.
#[derive(Debug)]
pub struct Listener {
    kind: Kind,
    address: Address,
}

#[derive(Debug)]
enum Kind {
    Tcp(TcpListener),
    Tls(Box<TlsListener>),
    Unix(UnixListener),
}

impl Listener {
    /// Binds `address`; `https://` shows the certificate of `tls`. A socket file that nobody answers on is replaced; what is
    /// made is open to this user only.
    ///
    /// # Errors
    /// When the address is taken, not allowed, or needs certificates that are not there.
    pub async fn bind(address: &Address, tls: &TlsConfig) -> Result<Self> {
        Self::bind_for(address, tls, Clients::Anyone).await
    }

    /// [`Listener::bind`], with a say in who may connect. Without TLS all are let in who reach the address.
    ///
    /// # Errors
    /// Those of [`Listener::bind`].
    pub async fn bind_for(address: &Address, tls: &TlsConfig, clients: Clients) -> Result<Self> {
        address
            .check_listener()
            .map_err(|problem| Error::invalid("listen", problem))?;
        let (kind, address) = match address {
            Address::Unix(path) => (Kind::Unix(bind_unix(path, address).await?), address.clone()),
            Address::Http(authority) => {
                let (tcp, local) = bind_tcp(authority, address).await?;
                (Kind::Tcp(tcp), Address::Http(local))
            }
            Address::Https(authority) => {
                let config = tls::server_config(tls, clients, &[tls::H2, tls::HTTP1])?;
                let (tcp, local) = bind_tcp(authority, address).await?;
                let listener = TlsListener {
                    tcp,
                    config,
                    handshakes: JoinSet::new(),
                };
                (Kind::Tls(Box::new(listener)), Address::Https(local))
            }
        };
        Ok(Self { kind, address })
    }

    /// Where it listens, with the port that the system chose.
    pub fn address(&self) -> &Address {
        &self.address
    }

    /// The next connection. Nothing is lost when the future is dropped.
    ///
    /// # Errors
    /// Those of the system; the listener stays usable.
    pub async fn accept(&mut self) -> io::Result<Connection> {
        match &mut self.kind {
            Kind::Tcp(tcp) => {
                let (stream, peer) = tcp.accept().await?;
                Ok(Connection::tcp(stream, peer))
            }
            Kind::Tls(tls) => tls.accept().await,
            Kind::Unix(unix) => Ok(Connection::unix(unix.accept().await?.0)),
        }
    }

    /// All connections; never ends, and goes on after what the system could not give.
    pub(super) fn incoming(self) -> impl Stream<Item = io::Result<Connection>> {
        futures::stream::unfold(self, async |mut listener| {
            loop {
                match listener.accept().await {
                    Ok(connection) => return Some((Ok(connection), listener)),
                    Err(error) => {
                        tracing::warn!(%error, "taking a connection in");
                        tokio::time::sleep(ACCEPT_AGAIN).await;
                    }
                }
            }
        })
    }
}

/// Accepts at once and shakes hands aside: who is slow with it keeps nobody else waiting.
#[derive(Debug)]
struct TlsListener {
    tcp: TcpListener,
    config: Arc<ServerConfig>,
    handshakes: JoinSet<Option<Connection>>,
}

impl TlsListener {
    async fn accept(&mut self) -> io::Result<Connection> {
        loop {
            tokio::select! {
                Some(ended) = self.handshakes.join_next() => {
                    if let Ok(Some(connection)) = ended {
                        return Ok(connection);
                    }
                }
                accepted = self.tcp.accept(), if self.handshakes.len() < HANDSHAKES => {
                    let (stream, peer) = accepted?;
                    let acceptor = TlsAcceptor::from(self.config.clone());
                    self.handshakes.spawn(shake_hands(acceptor, stream, peer));
                }
            }
        }
    }
}

async fn shake_hands(
    acceptor: TlsAcceptor,
    stream: TcpStream,
    peer: SocketAddr,
) -> Option<Connection> {
    prepare(&stream);
    match tokio::time::timeout(HANDSHAKE, acceptor.accept(stream)).await {
        Ok(Ok(stream)) => return Some(Connection::tls(stream, peer)),
        Ok(Err(error)) => tracing::debug!(%peer, %error, "a TLS handshake failed"),
        Err(_) => tracing::debug!(%peer, "a TLS handshake took too long"),
    }
    None
}

fn bind_failed(address: &Address, error: &io::Error) -> Error {
    Error::Unavailable(format!("cannot listen on {address}: {error}"))
}

/// The listener, and where it is with the port that the system chose.
async fn bind_tcp(authority: &str, address: &Address) -> Result<(TcpListener, String)> {
    let failed = |error| bind_failed(address, &error);
    let listener = TcpListener::bind(authority).await.map_err(failed)?;
    let local = listener.local_addr().map_err(failed)?;
    Ok((listener, local.to_string()))
}

async fn bind_unix(path: &Path, address: &Address) -> Result<UnixListener> {
    let failed = |error| bind_failed(address, &error);
    if path.exists() {
        if tokio::net::UnixStream::connect(path).await.is_ok() {
            return Err(Error::Unavailable(format!(
                "cannot listen on {address}: another program answers there"
            )));
        }
        std::fs::remove_file(path).map_err(failed)?;
    }
    let listener = UnixListener::bind(path).map_err(failed)?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).map_err(failed)?;
    Ok(listener)
}
