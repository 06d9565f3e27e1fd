//! What a workload can see and reach, looked at from inside. Needs root: without it `degraded` asserts what is said instead.

use std::os::unix::fs::MetadataExt as _;
use std::path::PathBuf;

use contracts::inventory::v1::Edge;
use contracts::scheduler::v1::AttemptEnd;
use kernel::id::VolumeId;
use testkit::eventually;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpListener;

use crate::node::{Node, is_root, job, logged, script, skip, spec};

/// Tries to connect to all at once, and says which of them answered.
const CONNECT: &str = r#"
import concurrent.futures, socket, sys
def connect(target):
    host, port = target.rsplit(":", 1)
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_STREAM) as s:
            s.settimeout(2)
            s.connect((host, int(port)))
        return f"{target} open"
    except OSError as error:
        return f"{target} closed: {error}"
with concurrent.futures.ThreadPoolExecutor(64) as pool:
    for line in pool.map(connect, sys.argv[1:]):
        print(line)
"#;

/// Asks for a name that nobody may have (RFC 6761), and says with which error that failed.
const ASK_FOR_A_NAME: &str = r#"
import socket
try:
    socket.getaddrinfo("quire.invalid", 443)
except OSError as error:
    print(error.errno == socket.EAI_NONAME)
"#;

async fn run(node: &Node, attempt: &contracts::agent::v1::Assignment) -> String {
    node.control.assign(attempt).await;
    let report = node.control.ended(attempt).await;
    let log = node.log(attempt).await;
    assert_eq!(report.end(), AttemptEnd::Completed, "{report:?}\n{log}");
    log
}

#[tokio::test(flavor = "multi_thread")]
async fn a_workload_is_nobody_and_sees_only_its_own() {
    if !is_root() {
        return skip("needs root");
    }
    let node = Node::start().await;
    // Whoever started the agent left something open.
    let open = tempfile::NamedTempFile::new().unwrap();
    rustix::io::fcntl_setfd(open.as_file(), rustix::io::FdFlags::empty()).unwrap();
    let lists = script("ls -l /proc/self/fd");
    let seen = run(&node, &lists).await;
    let name = open.path().file_name().unwrap().to_string_lossy();
    assert!(seen.contains("pipe:") && !seen.contains(&*name), "{seen}");
    let volume = VolumeId::generate().to_string();
    let secret = node.config.data_dir.join("node.json");
    let other = node.volume(&VolumeId::generate().to_string());
    std::fs::create_dir_all(&other).unwrap();
    std::fs::write(other.join("secret"), "theirs").unwrap();
    let mut looks = script(
        r#"id -u; id -g; id -G; pwd; echo home=$HOME
        grep -E '^(CapInh|CapPrm|CapEff|CapBnd|CapAmb|NoNewPrivs)' /proc/self/status
        for path in /etc/shadow /root/.profile /etc/ssh "$SECRET" "$OTHER" /var /home /sys/fs/cgroup /proc/1/root/etc; do
            if ls "$path" >/dev/null 2>&1 || cat "$path" >/dev/null 2>&1; then echo "sees $path"; fi
        done
        for path in /usr/x /etc/x /x /dev/x /run/x; do touch "$path" 2>/dev/null && echo "wrote $path"; done
        [ $(ls /proc | grep -c '^[0-9]') -gt 6 ] && echo "sees many processes"
        cat /proc/*/cmdline 2>/dev/null | tr '\0' ' ' | grep -c "$PARENT" && echo "sees the agent"
        unshare -U true 2>/dev/null && echo "sees user namespaces"
        python3 -c 'import ctypes; print("keys", ctypes.CDLL(None).syscall(250, 0, -3, 0))'
        python3 -c 'import threading, multiprocessing as m; t = threading.Thread(target=print, args=("thread",)); t.start(); t.join(); p = m.Process(target=print, args=("child",)); p.start(); p.join()'
        ls /dev; ulimit -c; whoami; hostname
        echo mine > /notebooks/file; echo shared > /dev/shm/x; echo tmp > /tmp/x
        env | sort"#,
    );
    spec(&mut looks).volume_id.clone_from(&volume);
    let env = &mut spec(&mut looks).env;
    env.insert("SECRET".to_owned(), secret.display().to_string());
    env.insert("OTHER".to_owned(), other.display().to_string());
    env.insert("PARENT".to_owned(), "[c]argo".to_owned());
    let log = run(&node, &looks).await;
    let owner = std::fs::metadata(node.volume(&volume)).unwrap().uid();
    assert!(owner >= node.config.first_uid);
    assert!(
        log.starts_with(&format!(
            "{owner}\n{owner}\n{owner}\n/notebooks\nhome=/notebooks\n"
        )),
        "{log}"
    );
    for name in ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"] {
        assert!(
            log.contains(&format!("{name}:\t0000000000000000\n")),
            "{name}: {log}"
        );
    }
    assert!(log.contains("NoNewPrivs:\t1\n"), "{log}");
    assert!(log.contains("keys -1\nthread\nchild\n"), "{log}");
    assert!(!log.contains("sees ") && !log.contains("wrote "), "{log}");
    assert!(
        !log.contains("sda") && !log.contains("kvm") && !log.contains("vda"),
        "{log}"
    );
    assert!(log.contains("\n0\nnotebook\nnotebook\n"), "{log}");
    let known = [
        "CUDA_VISIBLE_DEVICES=\n",
        "LANG=C.UTF-8\n",
        "PIP_TARGET=/notebooks/.quire/site-packages\n",
        "PATH=/notebooks/.quire/site-packages/bin:/usr/local/bin:/usr/bin:/bin\n",
    ];
    assert!(known.iter().all(|line| log.contains(line)), "{log}");
    assert!(
        !log.contains("CARGO") && !log.contains("PYTHONDONTWRITEBYTECODE"),
        "{log}"
    );

    let file = std::fs::metadata(node.volume(&volume).join("file")).unwrap();
    assert_eq!(file.uid(), owner);
    let mut second = script("id -u");
    spec(&mut second).volume_id = VolumeId::generate().to_string();
    assert_ne!(run(&node, &second).await.trim(), owner.to_string());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_workload_reaches_the_world_but_not_the_host() {
    if !is_root() {
        return skip("needs root");
    }
    let node = Node::start().await;
    let missing = wait_for_heartbeat(&node).await;
    if missing.iter().any(|lack| lack.starts_with("network")) {
        return skip("this machine makes no networks, and the agent says so");
    }
    // A door of the host that is open to everybody who can reach it.
    let door = TcpListener::bind("0.0.0.0:0").await.unwrap();
    let port = door.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = door.accept().await {
            stream.write_all(b"host").await.ok();
        }
    });
    let neighbour = job(&[
        "python3",
        "-c",
        "
import http.server, socketserver, socket
with socketserver.TCPServer(('0.0.0.0', 8000), http.server.SimpleHTTPRequestHandler) as server:
    print(open('/proc/net/fib_trie').read(), flush=True)
    print('listening', flush=True)
    server.serve_forever()
",
    ]);
    node.control.assign(&neighbour).await;
    let routes = logged(&node, &neighbour, "listening").await;
    let neighbours = routes
        .lines()
        .map(str::trim)
        .filter_map(|line| line.strip_prefix("|-- 10.231."));
    let neighbours: Vec<String> = neighbours
        .map(|rest| format!("10.231.{rest}:8000"))
        .collect();
    assert!(!neighbours.is_empty(), "{routes}");
    assert!(
        std::process::Command::new("python3")
            .args(["-c", CONNECT, &format!("127.0.0.1:{port}")])
            .output()
            .unwrap()
            .stdout
            .ends_with(b"open\n")
    );

    let mut targets = host_addresses()
        .await
        .iter()
        .map(|host| format!("{host}:{port}"))
        .collect::<Vec<_>>();
    let (_, control) = node
        .control
        .address()
        .to_string()
        .rsplit_once(':')
        .map(|(a, b)| (a.to_owned(), b.to_owned()))
        .unwrap();
    targets.extend([
        format!("127.0.0.1:{control}"),
        "169.254.169.254:80".to_owned(),
        "fe80::1:80".to_owned(),
    ]);
    // The host's end of the workload's own link.
    targets.extend(
        (0..4).flat_map(|link| [1, 2].map(|host| format!("10.231.0.{}:{port}", link * 4 + host))),
    );
    targets.extend(neighbours);
    let mut command = vec!["python3", "-c", CONNECT];
    command.extend(targets.iter().map(String::as_str));
    let log = run(&node, &job(&command)).await;
    assert!(!log.contains(" open"), "{log}");
    assert_eq!(log.lines().count(), targets.len(), "{log}");

    // A name server that answers says that there is no such name; one that is out of reach says nothing.
    let asks = ["python3", "-c", ASK_FOR_A_NAME];
    let host = std::process::Command::new(asks[0])
        .args(&asks[1..])
        .output()
        .unwrap()
        .stdout;
    let log = run(&node, &job(&asks)).await;
    assert_eq!(log, String::from_utf8(host).unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn edges_and_what_the_operator_names_are_denied() {
    if !is_root() {
        return skip("needs root");
    }
    let mut node = Node::stopped().await;
    node.config.denied_networks = vec!["198.51.100.0/24".to_owned()];
    node.start_task().await;
    let missing = wait_for_heartbeat(&node).await;
    if missing.iter().any(|lack| lack.starts_with("network")) {
        return skip("this machine makes no networks, and the agent says so");
    }
    assert!(node.rules().contains("198.51.100.0/24"), "{}", node.rules());
    let edge = |host: u8| Edge {
        id: format!("edge-{host}"),
        relay_address: format!("https://192.0.2.{host}:7702"),
    };
    // Both at last, although the second list lacks the first: what was denied stays so.
    for host in [7, 9] {
        node.control.list_edges(vec![edge(host)]);
        eventually("the edge to be denied", || async {
            let address = format!("192.0.2.{host}");
            node.rules().contains(&address).then_some(())
        })
        .await;
    }
    assert!(node.rules().contains("192.0.2.7"), "{}", node.rules());
}

/// What the agent says it cannot protect.
async fn wait_for_heartbeat(node: &Node) -> Vec<String> {
    eventually("a heartbeat", || async { node.control.heartbeats().pop() })
        .await
        .missing_isolation
}

async fn host_addresses() -> Vec<String> {
    let output = tokio::process::Command::new("ip")
        .args(["-o", "address", "show"])
        .output()
        .await
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let addresses = text
        .lines()
        .filter_map(|line| line.split_whitespace().nth(3)?.split('/').next());
    addresses
        .filter(|address| !address.starts_with("fe80"))
        .map(str::to_owned)
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_workload_cannot_lead_the_host_to_another_socket() {
    let node = Node::start().await;
    let precious: PathBuf = node.config.data_dir.join("precious.sock");
    let listener = tokio::net::UnixListener::bind(&precious).unwrap();
    let mut misleads = script(&format!(
        "ln -s {} $QUIRE_HTTP_SOCKET; echo linked; sleep 1000",
        precious.display()
    ));
    spec(&mut misleads).ready_path = "/".to_owned();
    node.control.assign(&misleads).await;
    logged(&node, &misleads, "linked").await;
    let path = format!("/v1/workloads/{}/1/upstream", misleads.workload_id);
    let asked = async {
        for _ in 0..20 {
            let (status, body) = node.ask(&path).await;
            assert_eq!(status, 404, "{body}");
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    };
    tokio::select! {
        () = asked => {}
        met = listener.accept() => panic!("the agent followed the link: {met:?}"),
    }
}
