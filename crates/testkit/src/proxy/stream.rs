//! Sockets of both kinds, TCP and in the file system.

use std::io;

use chassis::Address;
use tokio::io::{ReadHalf, WriteHalf};
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};
use tokio::runtime::Handle;

use super::Duplex;

/// A connection.
pub(super) type Stream = Box<dyn Duplex>;
/// What comes from it.
pub(super) type Reading = ReadHalf<Stream>;
/// What goes to it.
pub(super) type Writing = WriteHalf<Stream>;

/// Where connections come in.
#[derive(Debug)]
pub(super) enum Entrance {
    Tcp(TcpListener, Address),
    Unix(UnixListener, Address),
}

impl Entrance {
    /// Listens at `address`; its connections belong to `runtime`.
    pub(super) fn open(address: &Address, runtime: &Handle) -> io::Result<Self> {
        let _inside = runtime.enter();
        match address {
            Address::Unix(path) => Ok(Self::Unix(UnixListener::bind(path)?, address.clone())),
            Address::Http(authority) | Address::Https(authority) => {
                let listener = std::net::TcpListener::bind(authority)?;
                listener.set_nonblocking(true)?;
                let bound = listener.local_addr()?.to_string();
                let bound = match address {
                    Address::Https(_) => Address::Https(bound),
                    _ => Address::Http(bound),
                };
                Ok(Self::Tcp(TcpListener::from_std(listener)?, bound))
            }
        }
    }

    /// Where it is.
    pub(super) fn address(&self) -> Address {
        match self {
            Self::Tcp(_, address) | Self::Unix(_, address) => address.clone(),
        }
    }

    pub(super) async fn accept(&self) -> io::Result<Stream> {
        Ok(match self {
            Self::Tcp(listener, _) => {
                let (stream, _) = listener.accept().await?;
                stream.set_nodelay(true)?;
                Box::new(stream)
            }
            Self::Unix(listener, _) => Box::new(listener.accept().await?.0),
        })
    }
}

pub(super) async fn connect(address: &Address) -> io::Result<Stream> {
    Ok(match address {
        Address::Unix(path) => Box::new(UnixStream::connect(path).await?),
        Address::Http(authority) | Address::Https(authority) => {
            let stream = TcpStream::connect(authority).await?;
            stream.set_nodelay(true)?;
            Box::new(stream)
        }
    })
}
