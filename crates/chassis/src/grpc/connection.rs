//! An accepted connection, of whatever kind the listener is.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use rustix::net::sockopt;
use rustls::pki_types::CertificateDer;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpStream, UnixStream};
use tokio_rustls::server::TlsStream;
use tonic::transport::server::Connected;

/// A peer that is silent so long is asked whether it is there.
const PROBE: Duration = Duration::from_secs(60);

/// An accepted connection.
#[derive(Debug)]
pub struct Connection {
    stream: Stream,
    peer: Option<SocketAddr>,
}

#[derive(Debug)]
enum Stream {
    Tcp(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
    Unix(UnixStream),
}

impl Connection {
    pub(super) fn tcp(stream: TcpStream, peer: SocketAddr) -> Self {
        prepare(&stream);
        Self {
            stream: Stream::Tcp(stream),
            peer: Some(peer),
        }
    }

    pub(super) fn tls(stream: TlsStream<TcpStream>, peer: SocketAddr) -> Self {
        Self {
            stream: Stream::Tls(Box::new(stream)),
            peer: Some(peer),
        }
    }

    pub(super) fn unix(stream: UnixStream) -> Self {
        Self {
            stream: Stream::Unix(stream),
            peer: None,
        }
    }

    /// Where it comes from; `None` for a unix socket.
    pub fn peer(&self) -> Option<SocketAddr> {
        self.peer
    }

    /// The certificate that the peer showed and that was verified; `None` where none is asked for.
    pub fn certificate(&self) -> Option<&CertificateDer<'static>> {
        match &self.stream {
            Stream::Tls(tls) => tls.get_ref().1.peer_certificates()?.first(),
            Stream::Tcp(_) | Stream::Unix(_) => None,
        }
    }

    fn stream(self: Pin<&mut Self>) -> Pin<&mut dyn ReadWrite> {
        match &mut self.get_mut().stream {
            Stream::Tcp(stream) => Pin::new(stream),
            Stream::Tls(stream) => Pin::new(stream.as_mut()),
            Stream::Unix(stream) => Pin::new(stream),
        }
    }
}

/// Small messages go out at once, and peers that vanished are noticed.
pub(super) fn prepare(stream: &TcpStream) {
    let set = stream
        .set_nodelay(true)
        .and_then(|()| Ok(sockopt::set_socket_keepalive(stream, true)?))
        .and_then(|()| Ok(sockopt::set_tcp_keepidle(stream, PROBE)?));
    if let Err(error) = set {
        tracing::debug!(%error, "setting up a connection");
    }
}

trait ReadWrite: AsyncRead + AsyncWrite + Unpin {}

impl<T: AsyncRead + AsyncWrite + Unpin> ReadWrite for T {}

impl AsyncRead for Connection {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.stream().poll_read(context, buffer)
    }
}

impl AsyncWrite for Connection {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.stream().poll_write(context, bytes)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.stream().poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        // All three can.
        true
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.stream().poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.stream().poll_shutdown(context)
    }
}

impl Connected for Connection {
    type ConnectInfo = ();

    fn connect_info(&self) {}
}
