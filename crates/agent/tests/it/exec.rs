//! Commands inside a workload that runs: with its files, its limits and its user, and no way out.

use std::time::Duration;

use agent::exec::{Begin, Frame, Frames, Size, Terminal};
use bytes::Bytes;
use contracts::agent::v1::Assignment;
use futures::StreamExt as _;
use http_body_util::{BodyExt as _, StreamBody};
use hyper::body::{Frame as Part, Incoming};
use hyper_util::rt::TokioIo;
use tokio::net::UnixStream;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;

use crate::node::{Node, is_root, job, logged, script, skip, spec};

/// A command that runs inside a workload.
struct Running {
    input: mpsc::UnboundedSender<Frame>,
    output: Incoming,
    frames: Frames,
}

/// What a command said, and its exit code.
#[derive(Debug, Default, PartialEq, Eq)]
struct Said {
    output: String,
    errors: String,
    code: Option<u8>,
}

impl Running {
    async fn begin(node: &Node, within: &Assignment, begin: Begin) -> Result<Self, u16> {
        let relay = &node.config.relay_dir;
        let relay = relay.join(format!("{}.sock", node.control.node));
        let stream = UnixStream::connect(relay).await.unwrap();
        let handshake = hyper::client::conn::http1::handshake(TokioIo::new(stream));
        let (mut sender, connection) = handshake.await.unwrap();
        tokio::spawn(connection);
        let (input, records) = mpsc::unbounded_channel::<Frame>();
        input.send(Frame::Begin(begin)).unwrap();
        let records = futures::stream::unfold(records, |mut records| async {
            let frame = records.recv().await?;
            let part = Part::data(Bytes::from(frame.encode()));
            Some((Ok::<_, std::io::Error>(part), records))
        });
        let path = format!("/v1/workloads/{}/1/exec", within.workload_id);
        let request = http::Request::post(path)
            .header("host", "relay")
            .body(StreamBody::new(records.boxed()))
            .unwrap();
        let answer = sender.send_request(request).await.unwrap();
        match answer.status().as_u16() {
            200 => Ok(Self {
                input,
                output: answer.into_body(),
                frames: Frames::default(),
            }),
            status => Err(status),
        }
    }

    async fn next(&mut self) -> Option<Frame> {
        loop {
            if let Some(frame) = self.frames.pop().unwrap() {
                return Some(frame);
            }
            let waited = tokio::time::timeout(Duration::from_secs(30), self.output.frame());
            let part = waited.await.expect("it says something")?.unwrap();
            self.frames.push(&part.into_data().unwrap());
        }
    }

    async fn end(mut self) -> Said {
        let mut said = Said::default();
        while let Some(frame) = self.next().await {
            match frame {
                Frame::Output(bytes) => said.output += &String::from_utf8_lossy(&bytes),
                Frame::Errors(bytes) => said.errors += &String::from_utf8_lossy(&bytes),
                Frame::Exit(code) => said.code = Some(code),
                Frame::Taken(_) => {}
                other => panic!("{other:?}"),
            }
        }
        said
    }
}

fn plain(command: &[&str]) -> Begin {
    Begin {
        command: command.iter().map(|word| (*word).to_owned()).collect(),
        terminal: None,
    }
}

async fn says(node: &Node, within: &Assignment, text: &str) -> Said {
    let running = Running::begin(node, within, plain(&["sh", "-c", text])).await;
    let running = running.unwrap();
    running.input.send(Frame::InputEnd).unwrap();
    running.end().await
}

fn said(output: &str, errors: &str, code: u8) -> Said {
    Said {
        output: output.to_owned(),
        errors: errors.to_owned(),
        code: Some(code),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_runs_beside_the_workload_as_the_workload_does() {
    if !is_root() {
        return skip("only root can give workloads users of their own");
    }
    let node = Node::start().await;
    let facts = "echo $(id -u) $(readlink /proc/self/ns/pid) $(readlink /proc/self/ns/net) $(pwd) $FLAVOUR \
        $(grep -E '^(CapPrm|CapBnd|NoNewPrivs|Seccomp|Seccomp_filters):' /proc/self/status | tr -d '\\t\\n')";
    let mut within = script(&format!("echo mine > file; {facts}; exec sleep 1000"));
    let flavour = ("FLAVOUR".to_owned(), "sweet".to_owned());
    spec(&mut within).env.extend([flavour]);
    node.control.assign(&within).await;
    let own = logged(&node, &within, "sweet").await;

    let same = says(&node, &within, &format!("cat file; {facts}")).await;
    assert_eq!(same, said(&format!("mine\n{own}"), "", 0));
    let groups = says(
        &node,
        &within,
        "cat /proc/1/cgroup; echo; cat /proc/self/cgroup",
    )
    .await;
    let (of_init, of_command) = groups.output.split_once("\n\n").unwrap();
    assert_eq!(of_init.trim(), of_command.trim(), "the same limits");

    let failing = says(&node, &within, "echo out; echo err >&2; exit 3").await;
    assert_eq!(failing, said("out\n", "err\n", 3));
    let ended = says(&node, &within, "kill -9 $$").await;
    assert_eq!(ended.code, Some(137));
    let missing = Running::begin(&node, &within, plain(&["no-such-program"])).await;
    let missing = missing.unwrap().end().await;
    assert_eq!(missing.code, Some(127));
    assert!(missing.errors.contains("no-such-program"), "{missing:?}");
    // What brought its variables and its filter is closed.
    let open = says(&node, &within, "ls -l /proc/self/fd").await;
    for file in ["memfd:", "seccomp"] {
        assert!(!open.output.contains(file), "{open:?}");
    }
    // The filter of system calls is there: none that makes namespaces passes.
    let unshared = says(&node, &within, "unshare --user true").await;
    assert_ne!(unshared.code, Some(0), "{unshared:?}");

    let counting = Running::begin(&node, &within, plain(&["wc", "-c"])).await;
    let mut counting = counting.unwrap();
    for _ in 0..64 {
        counting.input.send(Frame::Input(vec![7; 50_000])).unwrap();
        let mut taken = 0;
        while taken < 50_000 {
            match counting.next().await {
                Some(Frame::Taken(bytes)) => taken += bytes,
                other => panic!("{other:?}"),
            }
        }
    }
    counting.input.send(Frame::InputEnd).unwrap();
    assert_eq!(counting.end().await, said("3200000\n", "", 0));

    node.control.stop(&within, "user").await;
    node.control.ended(&within).await;
    let late = Running::begin(&node, &within, plain(&["true"])).await;
    assert!(matches!(late, Err(404 | 412)), "nothing runs there");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_terminal_is_one_and_a_command_ends_with_its_connection() {
    let Some((node, within)) = resting().await else {
        return;
    };
    let size = |rows, columns| Size { rows, columns };
    let begin = Begin {
        terminal: Some(Terminal {
            kind: "xterm-test".to_owned(),
            size: size(31, 97),
        }),
        ..plain(&["sh"])
    };
    let mut shell = Running::begin(&node, &within, begin).await.unwrap();
    let mut seen = String::new();
    let mut until = async |shell: &mut Running, wanted: &str| {
        while !seen.contains(wanted) {
            match shell.next().await {
                Some(Frame::Output(bytes)) => seen += &String::from_utf8_lossy(&bytes),
                Some(Frame::Taken(_)) => {}
                other => panic!("{other:?} after {seen:?}"),
            }
        }
        seen.clear();
    };
    let send = |shell: &Running, text: &str| {
        let typed = Frame::Input(text.as_bytes().to_vec());
        shell.input.send(typed).unwrap();
    };
    send(&shell, "echo $(stty size) $TERM $(tty | grep -c pts)\n");
    until(&mut shell, "31 97 xterm-test 1\r\n").await;
    shell.input.send(Frame::Resize(size(40, 100))).unwrap();
    send(&shell, "stty size\n");
    until(&mut shell, "40 100\r\n").await;
    // Ctrl-C ends what runs in front, and not the shell.
    send(&shell, "echo begun; sleep 3000\n");
    until(&mut shell, "begun\r\n").await;
    running(&node, &within, "sleep 3000", true).await;
    send(&shell, "\u{3}");
    send(&shell, "echo still\\ here $$\n");
    until(&mut shell, "still here").await;
    // Whoever is gone leaves neither the shell behind nor what runs in front of it.
    send(&shell, "sleep 2000\n");
    running(&node, &within, "sleep 2000", true).await;
    drop(shell);
    running(&node, &within, "sleep 2000", false).await;
}

/// A node and a workload on it that does nothing.
async fn resting() -> Option<(Node, Assignment)> {
    if !is_root() {
        skip("only root can give workloads users of their own");
        return None;
    }
    // As the agent's own program does. Without it, a suite that a shell starts in the background hands down that this signal is
    // ignored, and what ignores it from its start cannot trap it.
    drop(signal(SignalKind::interrupt()).unwrap());
    let node = Node::start().await;
    let within = job(&["sleep", "1000"]);
    node.control.assign(&within).await;
    node.control.running(&within).await;
    Some((node, within))
}

/// Waits until a command with these arguments runs inside, or none does any more.
async fn running(node: &Node, within: &Assignment, arguments: &str, runs: bool) {
    let listed = ["ps", "-e", "-o", "args="];
    testkit::eventually(&format!("{arguments}: {runs}"), || async {
        let list = Running::begin(node, within, plain(&listed)).await.unwrap();
        let list = list.end().await;
        let found = list.output.lines().any(|line| line.trim() == arguments);
        (found == runs).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn signals_are_passed_on_and_nothing_is_left_of_who_is_gone() {
    let Some((node, within)) = resting().await else {
        return;
    };
    let traps = "trap 'echo caught; exit 5' INT; echo ready; while :; do sleep 0.1; done";
    let command = plain(&["sh", "-c", traps]);
    let mut trapping = Running::begin(&node, &within, command).await.unwrap();
    let ready = Frame::Output(b"ready\n".to_vec());
    assert_eq!(trapping.next().await, Some(ready));
    trapping.input.send(Frame::Signal(2)).unwrap();
    assert_eq!(trapping.end().await, said("caught\n", "", 5));

    // Before and after all was said that is to be typed.
    for (number, announced) in [("3001", false), ("3002", true)] {
        let script = format!("sleep {number} & wait");
        let command = plain(&["sh", "-c", &script]);
        let waiting = Running::begin(&node, &within, command).await.unwrap();
        if announced {
            waiting.input.send(Frame::InputEnd).unwrap();
        }
        let sleeps = format!("sleep {number}");
        running(&node, &within, &sleeps, true).await;
        drop(waiting);
        running(&node, &within, &sleeps, false).await;
    }
    // What it does not read holds up neither a signal nor its end.
    let command = plain(&["sleep", "3004"]);
    let full = Running::begin(&node, &within, command).await.unwrap();
    full.input.send(Frame::Input(vec![7; 200_000])).unwrap();
    running(&node, &within, "sleep 3004", true).await;
    full.input.send(Frame::Signal(15)).unwrap();
    assert_eq!(full.end().await.code, Some(128 + 15));
    // What waits for a reader is not lost with the command's end: all of it has left the command, and not all has come here.
    let long = "head -c 60000 /dev/zero; exec head -c 4000000 /dev/zero";
    let mut long = Running::begin(&node, &within, plain(&["sh", "-c", long]))
        .await
        .unwrap();
    let mut came = 0;
    while came < 3_500_000 {
        match long.next().await {
            Some(Frame::Output(bytes)) => came += bytes.len(),
            other => panic!("{other:?}"),
        }
    }
    running(&node, &within, "head -c 4000000 /dev/zero", false).await;
    assert_eq!(came + long.end().await.output.len(), 4_060_000);
    // What it has left running is not heard for ever.
    let noisy = says(&node, &within, "yes & exec sleep 0.1").await;
    assert_eq!(noisy.code, Some(0));
    // What means to stay does.
    let stays = says(
        &node,
        &within,
        "setsid sleep 3003 > /dev/null 2>&1 & echo left",
    )
    .await;
    assert_eq!(stays, said("left\n", "", 0));
    running(&node, &within, "sleep 3003", true).await;
    let denied = Running::begin(&node, &within, plain(&["/etc/passwd"])).await;
    assert_eq!(denied.unwrap().end().await.code, Some(126));
}
