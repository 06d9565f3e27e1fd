//! A way between programs that a test can break: a proxy that holds bytes back or cuts connections, that finds one of several
//! replicas, and that knows NATS well enough to deliver events twice, late or in another order without tearing its protocol.

mod events;
mod frame;
mod stream;

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use chassis::Address;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::runtime::Runtime;
use tokio::sync::watch;

use events::Chance;
pub use events::Faults;
use stream::{Entrance, Reading, Writing};

/// Bytes that are read at once.
const CHUNK: usize = 64 << 10;

/// A proxy; connections through it end with this value. It runs on a thread of its own.
#[derive(Debug)]
pub struct Proxy {
    /// Only absent while this value ends.
    runtime: Option<Runtime>,
    front: Address,
    control: watch::Sender<Control>,
    counts: Arc<Counts>,
}

/// What a test wants of the way.
#[derive(Clone, Copy, Debug, Default)]
struct Control {
    /// Connections that were made under a lower number end.
    cuts: u64,
    /// New connections are ended at once.
    closed: bool,
    /// Bytes wait.
    held: bool,
    /// Bytes are passed on so much later.
    delay: Duration,
}

/// What a proxy has done to events.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Happened {
    /// Events passed on as they were.
    pub passed: u64,
    /// Events delivered twice.
    pub twice: u64,
    /// Events delivered late.
    pub late: u64,
    /// Events delivered after the one that followed them.
    pub swapped: u64,
}

#[derive(Debug, Default)]
struct Counts {
    connections: AtomicU64,
    passed: AtomicU64,
    twice: AtomicU64,
    late: AtomicU64,
    swapped: AtomicU64,
}

/// What one connection needs to know.
struct Connection {
    control: watch::Receiver<Control>,
    /// Present where events are to be mistreated.
    chance: Option<Chance>,
    counts: Arc<Counts>,
}

impl Proxy {
    /// Passes connections to `front` on to `backs`, in turn, those that do not accept left out. Port 0 lets the system choose.
    ///
    /// # Panics
    /// When it cannot listen.
    pub fn start(front: &Address, backs: Vec<Address>) -> Self {
        Self::launch(front, backs, None)
    }

    /// Passes connections on to the `nats-server` at this port of this machine and mistreats the events that it delivers. What
    /// happens to the first, second, … event of the first, second, … connection depends on `faults` alone.
    ///
    /// # Panics
    /// When it cannot listen.
    pub fn nats(port: u16, faults: Faults) -> Self {
        let back = Address::Http(format!("127.0.0.1:{port}"));
        Self::launch(&local(), vec![back], Some(faults))
    }

    /// Passes connections on to this port of this machine.
    ///
    /// # Panics
    /// When it cannot listen.
    pub fn tcp(port: u16) -> Self {
        Self::start(&local(), vec![Address::Http(format!("127.0.0.1:{port}"))])
    }

    fn launch(front: &Address, backs: Vec<Address>, faults: Option<Faults>) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("proxy")
            .enable_all()
            .build()
            .expect("a runtime");
        // Listening does not wait for anything: this works on any thread, also on one of another runtime.
        let entrance = Entrance::open(front, runtime.handle()).expect("a place to listen");
        let (control, watched) = watch::channel(Control::default());
        let counts = Arc::<Counts>::default();
        let front = entrance.address();
        runtime.spawn(accept(entrance, backs, faults, watched, counts.clone()));
        Self {
            runtime: Some(runtime),
            front,
            control,
            counts,
        }
    }

    /// Where it listens.
    pub fn address(&self) -> &Address {
        &self.front
    }

    /// The port that it listens on.
    ///
    /// # Panics
    /// When it listens on a socket of the file system.
    pub fn port(&self) -> u16 {
        let (Address::Http(authority) | Address::Https(authority)) = &self.front else {
            panic!("{} has no port", self.front);
        };
        let address: SocketAddr = authority.parse().expect("an address with a port");
        address.port()
    }

    /// Ends all connections, and refuses new ones until [`Proxy::mend`].
    pub fn cut(&self) {
        self.control.send_modify(|control| {
            control.cuts += 1;
            control.closed = true;
        });
    }

    /// Ends the connections that are open; new ones pass.
    pub fn sever(&self) {
        self.control.send_modify(|control| control.cuts += 1);
    }

    /// Passes nothing on until [`Proxy::mend`]; connections stay open, as when a network swallows all packets.
    pub fn hold(&self) {
        self.control.send_modify(|control| control.held = true);
    }

    /// Passes everything on so much later from now on.
    pub fn slow(&self, delay: Duration) {
        self.control.send_modify(|control| control.delay = delay);
    }

    /// Lets everything pass again.
    pub fn mend(&self) {
        self.control.send_modify(|control| {
            control.closed = false;
            control.held = false;
            control.delay = Duration::ZERO;
        });
    }

    /// Connections that it has passed on so far.
    pub fn connections(&self) -> u64 {
        self.counts.connections.load(Ordering::Relaxed)
    }

    /// What it has done to events so far.
    pub fn happened(&self) -> Happened {
        let counts = &self.counts;
        Happened {
            passed: counts.passed.load(Ordering::Relaxed),
            twice: counts.twice.load(Ordering::Relaxed),
            late: counts.late.load(Ordering::Relaxed),
            swapped: counts.swapped.load(Ordering::Relaxed),
        }
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

fn local() -> Address {
    Address::Http("127.0.0.1:0".to_owned())
}

async fn accept(
    entrance: Entrance,
    backs: Vec<Address>,
    faults: Option<Faults>,
    control: watch::Receiver<Control>,
    counts: Arc<Counts>,
) {
    let turn = AtomicUsize::new(0);
    loop {
        let Ok(front) = entrance.accept().await else {
            continue;
        };
        if control.borrow().closed {
            continue;
        }
        let Some(back) = first_that_accepts(&backs, &turn).await else {
            continue;
        };
        let number = counts.connections.fetch_add(1, Ordering::Relaxed);
        let connection = Connection {
            control: control.clone(),
            chance: faults.map(|faults| faults.of_connection(number)),
            counts: counts.clone(),
        };
        tokio::spawn(connection.carry(front, back));
    }
}

async fn first_that_accepts(backs: &[Address], turn: &AtomicUsize) -> Option<stream::Stream> {
    let first = turn.fetch_add(1, Ordering::Relaxed);
    for index in 0..backs.len() {
        let back = backs.get((first + index) % backs.len())?;
        if let Ok(stream) = stream::connect(back).await {
            return Some(stream);
        }
    }
    None
}

impl Connection {
    async fn carry(self, front: stream::Stream, back: stream::Stream) {
        let (mut control, cuts) = (self.control.clone(), self.control.borrow().cuts);
        let (from_front, to_front) = tokio::io::split(front);
        let (from_back, to_back) = tokio::io::split(back);
        let asked = pass(from_front, to_back, self.control.clone());
        let answered = async {
            match self.chance {
                Some(chance) => {
                    events::deliver(from_back, to_front, self.control, chance, &self.counts).await
                }
                None => pass(from_back, to_front, self.control).await,
            }
        };
        tokio::select! {
            _ = async { tokio::try_join!(asked, answered) } => {}
            _ = control.wait_for(|control| control.cuts != cuts) => {}
        }
    }
}

/// Passes bytes on in one direction.
async fn pass(
    mut from: Reading,
    mut to: Writing,
    mut control: watch::Receiver<Control>,
) -> std::io::Result<()> {
    let mut chunk = vec![0; CHUNK];
    loop {
        let length = from.read(&mut chunk).await?;
        wait_until_open(&mut control).await;
        if length == 0 {
            return to.shutdown().await;
        }
        to.write_all(chunk.get(..length).unwrap_or_default())
            .await?;
    }
}

/// Waits as long as the way is held or slow.
async fn wait_until_open(control: &mut watch::Receiver<Control>) {
    let delay = match control.wait_for(|control| !control.held).await {
        Ok(control) => control.delay,
        // The proxy ends.
        Err(_) => return,
    };
    tokio::time::sleep(delay).await;
}

/// Both ways of a connection.
trait Duplex: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Duplex for T {}

#[cfg(test)]
mod tests;
