//! That no notebook reaches the control plane, tried from inside on the host's own addresses, where everything else is open: with
//! all services in one process that answers others by TLS, and with each in a process of its own.

use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::time::Duration;

use chassis::tls::Trust;
use serde_json::Value;

use crate::installation::Installation;
use crate::jupyter::Jupyter;
use crate::sandbox::{HOST_ADDRESS, says};

/// Tries all of `targets` at once and prints those that can be connected to.
const CONNECT: &str = "import concurrent.futures, socket\n\
    def is_open(target):\n    try: socket.create_connection(target, timeout=2).close(); return True\n    except OSError: return False\n\
    with concurrent.futures.ThreadPoolExecutor(64) as pool: print([t for t, found in zip(targets, pool.map(is_open, targets)) if found])";

/// An abstract socket: it has a name without a file, so that folders keep nobody from it.
const LISTEN: &str = "import socket\nserver = socket.socket(socket.AF_UNIX); server.bind('\\0quire-test-neighbour'); server.listen(); print('listens')";
const LISTED: &str = "print('@quire-test-neighbour' in open('/proc/net/unix').read())";
const KNOCK: &str = "import socket\n\
    try: socket.socket(socket.AF_UNIX).connect('\\0quire-test-neighbour'); print('open')\n\
    except OSError: print('closed')";

#[tokio::test(flavor = "multi_thread")]
async fn one_process_that_answers_others_is_out_of_reach() {
    let quire = Installation::start_with_tls();
    let authority = quire.data_dir().join("authority/authority.pem");
    let trust = Trust::from_file(Some(&authority)).unwrap();
    let configuration = std::fs::read_to_string(quire.data_dir().join("nats/nats.conf")).unwrap();
    let nats = configuration.split_once("127.0.0.1:").unwrap().1;
    let nats: u16 = nats.split_once('"').unwrap().0.parse().unwrap();
    let ports = vec![quire.gateway, quire.edge, quire.relay, nats];
    nobody_is_reached(&quire, &trust, &ports).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn services_of_their_own_are_out_of_reach() {
    let mut quire = Installation::start_split();
    let ports = quire.split().ports();
    assert_eq!(
        ports.len(),
        11,
        "seven services, gateway, edge, NATS, PostgreSQL"
    );
    let trust = quire.trust();
    nobody_is_reached(&quire, &trust, &ports).await;
}

async fn nobody_is_reached(quire: &Installation, trust: &Trust, ports: &[u16]) {
    let make = |name: &str| -> Value {
        let machine = ["--machine-type", "C3"];
        quire.quire(&[&["notebook", "create", "--name", name][..], &machine].concat())
    };
    let (one, other) = (make("one"), make("other"));
    let mut one = Jupyter::new(&one, trust).kernel().await;
    let mut other = Jupyter::new(&other, trust).kernel().await;

    let link = says(&mut one, &format!("{HOST_ADDRESS}\nprint(host)")).await;
    let hosts: [IpAddr; 2] = [own_address(), link.parse().unwrap()];
    let targets: Vec<SocketAddr> = hosts
        .iter()
        .flat_map(|host| ports.iter().map(|port| SocketAddr::new(*host, *port)))
        .collect();
    // Where a program listens on loopback only, somebody careless listens here: from the host all are open, so that nothing but
    // the sandbox stands between.
    let _careless: Vec<_> = targets.iter().map(TcpListener::bind).collect();
    for target in &targets {
        let open = TcpStream::connect_timeout(target, Duration::from_secs(2));
        assert!(
            open.is_ok(),
            "{target} should be open on the host: {open:?}"
        );
    }
    let tried: Vec<String> = targets
        .iter()
        .chain(
            &ports
                .iter()
                .map(|port| ([127, 0, 0, 1], *port).into())
                .collect::<Vec<_>>(),
        )
        .map(|target| format!("('{}', {})", target.ip(), target.port()))
        .collect();
    let code = format!("targets = [{}]\n{CONNECT}", tried.join(", "));
    assert_eq!(says(&mut one, &code).await, "[]", "these can be reached");

    assert_eq!(says(&mut one, LISTEN).await, "listens");
    assert_eq!(says(&mut one, LISTED).await, "True", "it is really there");
    assert_eq!(says(&mut other, LISTED).await, "False");
    assert_eq!(says(&mut one, KNOCK).await, "open");
    assert_eq!(says(&mut other, KNOCK).await, "closed");
}

/// The address by which this machine reaches others; to connect a datagram socket sends nothing.
fn own_address() -> IpAddr {
    let socket = UdpSocket::bind("0.0.0.0:0").unwrap();
    socket.connect("192.0.2.1:9").unwrap();
    socket.local_addr().unwrap().ip()
}
