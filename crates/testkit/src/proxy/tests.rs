use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::sync::Mutex;
use std::thread;
use std::time::Instant;

use bus::{Bus, Consumer, Delivery, Handler};
use chassis::config::BusConfig;
use contracts::inventory::v1::{Node, NodeChanged};
use tokio_util::sync::CancellationToken;

use super::*;
use crate::{Nats, eventually};

/// Answers each byte with `name`, until the end of the test; gives where.
fn answering(name: u8) -> Address {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            thread::spawn(move || {
                let (mut stream, mut byte) = (stream, [0]);
                while stream.read_exact(&mut byte).is_ok() && stream.write_all(&[name]).is_ok() {}
            });
        }
    });
    Address::Http(address)
}

/// Where nobody listens.
fn deserted() -> Address {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    Address::Http(listener.local_addr().unwrap().to_string())
}

fn ask(stream: &mut (impl std::io::Read + std::io::Write)) -> std::io::Result<u8> {
    let mut answer = [0];
    stream.write_all(b"?")?;
    stream.read_exact(&mut answer)?;
    Ok(answer[0])
}

fn connected(proxy: &Proxy) -> TcpStream {
    let stream = TcpStream::connect(("127.0.0.1", proxy.port())).unwrap();
    stream
        .set_read_timeout(Some(Duration::from_secs(10)))
        .unwrap();
    stream
}

#[test]
fn replicas_take_turns_and_the_dead_are_left_out() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("front.sock");
    let backs = vec![answering(b'a'), deserted(), answering(b'b')];
    let _proxy = Proxy::start(&Address::Unix(path.clone()), backs);
    let answers: Vec<u8> = (0..6)
        .map(|_| ask(&mut UnixStream::connect(&path).unwrap()).unwrap())
        .collect();
    assert_eq!(answers, b"abbabb");
}

#[test]
fn connections_are_cut_and_come_back() {
    let proxy = Proxy::start(&local(), vec![answering(b'x')]);
    let mut before = connected(&proxy);
    assert_eq!(ask(&mut before).unwrap(), b'x');

    proxy.sever();
    assert!(ask(&mut before).is_err(), "severed");
    assert_eq!(ask(&mut connected(&proxy)).unwrap(), b'x');

    proxy.cut();
    assert!(ask(&mut connected(&proxy)).is_err(), "cut");
    proxy.mend();
    assert_eq!(ask(&mut connected(&proxy)).unwrap(), b'x');
    assert_eq!(proxy.connections(), 3, "what was refused does not count");
}

#[test]
fn bytes_are_held_and_slowed() {
    let proxy = Proxy::start(&local(), vec![answering(b'x')]);
    let mut stream = connected(&proxy);
    proxy.slow(Duration::from_millis(100));
    let started = Instant::now();
    assert_eq!(ask(&mut stream).unwrap(), b'x');
    assert!(
        started.elapsed() >= Duration::from_millis(200),
        "once each way"
    );

    proxy.mend();
    proxy.hold();
    stream
        .set_read_timeout(Some(Duration::from_millis(100)))
        .unwrap();
    assert!(ask(&mut stream).is_err(), "held");
    proxy.mend();
    stream
        .set_read_timeout(Some(Duration::from_secs(10)))
        .unwrap();
    let mut answer = [0];
    stream.read_exact(&mut answer).unwrap();
    assert_eq!(answer, *b"x", "what was held is not lost");
}

/// Notes the names of the nodes that it is told of.
#[derive(Debug, Default)]
struct Told(Mutex<Vec<String>>);

#[async_trait::async_trait]
impl Handler for Told {
    async fn handle(&self, delivery: &Delivery) -> chassis::Result<bool> {
        let changed: NodeChanged = delivery.decode()?.unwrap();
        self.0.lock().unwrap().push(changed.node.unwrap().name);
        Ok(true)
    }
}

/// What a consumer is told that is connected through a proxy with `faults`, of three events.
async fn told_of_three(faults: Faults, expected: usize) -> (Vec<String>, Happened) {
    let nats = Nats::start();
    let proxy = Proxy::nats(nats.port(), faults);
    let url = format!("nats://127.0.0.1:{}", proxy.port());
    let bus = Bus::connect(
        &BusConfig {
            url,
            ..nats.config()
        },
        "test",
    )
    .await
    .unwrap();
    for name in ["one", "two", "three"] {
        let node = Some(Node {
            name: name.to_owned(),
            ..Node::default()
        });
        let event = NodeChanged {
            node,
            ..NodeChanged::default()
        };
        nats.publish(&event, name).await;
    }
    let (told, cancel) = (Arc::<Told>::default(), CancellationToken::new());
    let _end = cancel.clone().drop_guard();
    tokio::spawn(Consumer::new(bus, "test", "inventory", told.clone()).run(cancel));
    let told = || told.0.lock().unwrap().clone();
    eventually("all events", || async {
        (told().len() >= expected).then_some(())
    })
    .await;
    (told(), proxy.happened())
}

const NONE: Faults = Faults {
    seed: 7,
    twice: 0.0,
    late: 0.0,
    swapped: 0.0,
    longest_delay: Duration::from_millis(300),
};

#[tokio::test(flavor = "multi_thread")]
async fn events_come_twice() {
    let (told, happened) = told_of_three(Faults { twice: 1.0, ..NONE }, 6).await;
    assert_eq!(told, ["one", "one", "two", "two", "three", "three"]);
    assert_eq!(
        happened,
        Happened {
            twice: 3,
            ..Happened::default()
        }
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn events_come_in_another_order() {
    let (told, happened) = told_of_three(
        Faults {
            swapped: 1.0,
            ..NONE
        },
        3,
    )
    .await;
    assert_eq!(told, ["two", "one", "three"]);
    assert_eq!((happened.swapped, happened.passed), (2, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn events_come_late_but_they_come() {
    let (mut told, happened) = told_of_three(Faults { late: 1.0, ..NONE }, 3).await;
    told.sort();
    assert_eq!(told, ["one", "three", "two"]);
    assert_eq!(happened.late, 3);
}
