//! Connections to programs that listen on the loopback of a workload's own network.

use std::fs::File;
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream as Connected};
use std::os::fd::AsFd as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use tokio::net::TcpStream;
use tokio::sync::oneshot;

/// How long a program that listens and takes nobody in is waited for.
const PATIENCE: Duration = Duration::from_secs(3);

/// Connects to a port in `network`. A thread of its own goes there, and ends: a connection stays where it was made.
///
/// # Errors
/// Those of the system.
pub(super) async fn connect(network: PathBuf, port: u16) -> io::Result<TcpStream> {
    let (tell, told) = oneshot::channel();
    let goes = std::thread::Builder::new().name("port".to_owned());
    goes.spawn(move || tell.send(inside(&network, port)).ok())?;
    let connected = told.await.map_err(io::Error::other)??;
    connected.set_nonblocking(true)?;
    TcpStream::from_std(connected)
}

fn inside(network: &Path, port: u16) -> io::Result<Connected> {
    let namespace = File::open(network)?;
    move_into_link_name_space(namespace.as_fd(), Some(LinkNameSpaceType::Network))?;
    let connect = |address: SocketAddr| Connected::connect_timeout(&address, PATIENCE);
    connect((Ipv4Addr::LOCALHOST, port).into())
        .or_else(|refused| connect((Ipv6Addr::LOCALHOST, port).into()).map_err(|_| refused))
}
