//! Serving calls.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, UnixListener};
use tokio_stream::wrappers::UnixListenerStream;
use tokio_util::sync::CancellationToken;
use tonic::service::Routes;
use tonic::transport::server::TcpIncoming;

use crate::auth::{AccessLayer, Verifier};
use crate::{Address, Error, Result};

/// Largest request that is read, in bytes.
const MAX_REQUEST: usize = 4 << 20;

/// An accepted connection, of whatever kind the listener is.
pub trait Connection: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Connection for T {}

/// A bound listener.
#[derive(Debug)]
pub struct Listener {
    kind: Kind,
    address: Address,
}

#[derive(Debug)]
enum Kind {
    Tcp(TcpListener),
    Unix(UnixListener),
}

fn bind_failed(address: &Address, error: &std::io::Error) -> Error {
    Error::Unavailable(format!("cannot listen on {address}: {error}"))
}

impl Listener {
    /// Binds `address`. A socket file that nobody answers on is replaced; what is made is open to this user only.
    ///
    /// # Errors
    /// When the address is taken, not allowed, or needs TLS that is not configured.
    pub async fn bind(address: &Address) -> Result<Self> {
        address
            .check_listener()
            .map_err(|problem| Error::invalid("listen", problem))?;
        match address {
            Address::Unix(path) => Self::bind_unix(path, address).await,
            Address::Http(authority) => {
                let listener = TcpListener::bind(authority)
                    .await
                    .map_err(|error| bind_failed(address, &error))?;
                let local = listener
                    .local_addr()
                    .map_err(|error| bind_failed(address, &error))?;
                Ok(Self {
                    kind: Kind::Tcp(listener),
                    address: Address::Http(local.to_string()),
                })
            }
            Address::Https(_) => Err(Error::invalid(
                "listen",
                "https:// needs certificates, which are not configured",
            )),
        }
    }

    async fn bind_unix(path: &Path, address: &Address) -> Result<Self> {
        if path.exists() {
            if tokio::net::UnixStream::connect(path).await.is_ok() {
                return Err(Error::Unavailable(format!(
                    "cannot listen on {address}: another program answers there"
                )));
            }
            std::fs::remove_file(path).map_err(|error| bind_failed(address, &error))?;
        }
        let listener = UnixListener::bind(path).map_err(|error| bind_failed(address, &error))?;
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))
            .map_err(|error| bind_failed(address, &error))?;
        Ok(Self {
            kind: Kind::Unix(listener),
            address: address.clone(),
        })
    }

    /// Where it listens, with the port that the system chose.
    pub fn address(&self) -> &Address {
        &self.address
    }

    /// The next connection, for doors that speak more than gRPC. Nothing is lost when the future is dropped.
    ///
    /// # Errors
    /// Those of the system; the listener stays usable.
    pub async fn accept(&self) -> std::io::Result<Box<dyn Connection>> {
        match &self.kind {
            Kind::Tcp(tcp) => {
                let (stream, _) = tcp.accept().await?;
                stream.set_nodelay(true)?;
                Ok(Box::new(stream))
            }
            Kind::Unix(unix) => Ok(Box::new(unix.accept().await?.0)),
        }
    }
}

/// A gRPC server with health, reflection, identity and metrics.
#[derive(Debug)]
pub struct Server {
    area: &'static str,
    verifier: Verifier,
    routes: Routes,
}

impl Server {
    /// A server of `area` that checks tokens with `verifier` and serves `routes`.
    pub fn new(area: &'static str, verifier: Verifier, routes: Routes) -> Self {
        Self {
            area,
            verifier,
            routes,
        }
    }

    /// Serves until `cancel`, then finishes what is in flight.
    ///
    /// # Errors
    /// When the listener breaks.
    pub async fn run(self, listener: Listener, cancel: CancellationToken) -> Result<()> {
        let failed = |error| Error::internal("serving calls", error);
        let (health, health_service) = tonic_health::server::health_reporter();
        health
            .set_service_status("", tonic_health::ServingStatus::Serving)
            .await;
        let reflection = tonic_reflection::server::Builder::configure()
            .register_encoded_file_descriptor_set(contracts::DESCRIPTORS)
            .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
            .build_v1()
            .map_err(|error| Error::internal("describing the calls", error))?;
        let router = tonic::transport::Server::builder()
            .layer(AccessLayer::new(self.verifier, self.area))
            .add_routes(self.routes)
            .add_service(health_service.max_decoding_message_size(MAX_REQUEST))
            .add_service(reflection);
        tracing::info!(area = self.area, address = %listener.address, "listening");
        match listener.kind {
            Kind::Tcp(tcp) => {
                router
                    .serve_with_incoming_shutdown(
                        // Small answers at once, not when the one before is acknowledged.
                        TcpIncoming::from(tcp).with_nodelay(Some(true)),
                        cancel.cancelled_owned(),
                    )
                    .await
            }
            Kind::Unix(unix) => {
                router
                    .serve_with_incoming_shutdown(
                        UnixListenerStream::new(unix),
                        cancel.cancelled_owned(),
                    )
                    .await
            }
        }
        .map_err(failed)
    }
}
