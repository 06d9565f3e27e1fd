//! Connections to programs that listen on the loopback of a workload's own network.

use std::fs::File;
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::os::fd::AsFd as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use tokio::net::{TcpSocket, TcpStream};
use tokio::sync::oneshot;

/// How long a program that listens and takes nobody in is waited for.
const PATIENCE: Duration = Duration::from_secs(2);

/// Connects to a port in `network`. A thread of its own goes there, makes the sockets, and ends: a socket stays in the network in
/// which it was made.
///
/// # Errors
/// Those of the system.
pub(super) async fn connect(network: PathBuf, port: u16) -> io::Result<TcpStream> {
    let (tell, told) = oneshot::channel();
    let goes = std::thread::Builder::new().name("port".to_owned());
    goes.spawn(move || tell.send(sockets(&network)).ok())?;
    let (v4, v6) = told.await.map_err(io::Error::other)??;
    let refused = match within(v4.connect((Ipv4Addr::LOCALHOST, port).into())).await {
        Ok(connected) => return Ok(connected),
        Err(refused) => refused,
    };
    within(v6.connect((Ipv6Addr::LOCALHOST, port).into()))
        .await
        .map_err(|_| refused)
}

async fn within<T>(connecting: impl Future<Output = io::Result<T>>) -> io::Result<T> {
    tokio::time::timeout(PATIENCE, connecting)
        .await
        .map_err(|_| io::ErrorKind::TimedOut)?
}

fn sockets(network: &Path) -> io::Result<(TcpSocket, TcpSocket)> {
    let namespace = File::open(network)?;
    move_into_link_name_space(namespace.as_fd(), Some(LinkNameSpaceType::Network))?;
    Ok((TcpSocket::new_v4()?, TcpSocket::new_v6()?))
}
