//! Notebooks that start in a sandbox which waited for them, as their users see it.

use std::collections::BTreeSet;
use std::time::Duration;

use kernel::Clock as _;
use kernel::time::SystemClock;
use serde_json::Value;
use testkit::wait_long_for;

use crate::installation::Installation;

/// A sandbox imports a whole server, twice, beside whatever else this machine does.
const MADE_WITHIN: Duration = Duration::from_secs(120);
/// When the kernel's parent, which is the notebook's server, was begun: seconds of the calendar.
const SERVER_BEGUN: &str = "import os, time\n\
    up = float(open('/proc/uptime').read().split()[0])\n\
    ticks = int(open(f'/proc/{os.getppid()}/stat').read().rsplit(')', 1)[1].split()[19])\n\
    print(time.time() - up + ticks / os.sysconf('SC_CLK_TCK'))";

/// Seconds of the calendar.
fn now_seconds() -> f64 {
    SystemClock.now().timestamp_micros() as f64 / 1e6
}

fn node(quire: &Installation) -> Value {
    let name = quire.quire(&["node", "list"])[0]["name"].clone();
    quire.quire(&["node", "show", name.as_str().unwrap()])
}

/// Pools are as the last heartbeat said: one that is waiting there may have been taken since. The next heartbeat may be on its
/// way already; the one after that speaks of a moment after this call.
fn wait_for_waiting(quire: &Installation) -> Value {
    let mut seen = BTreeSet::new();
    wait_long_for(MADE_WITHIN, "a sandbox that waits", || {
        let node = node(quire);
        seen.insert(node["lastSeenAt"].as_str()?.to_owned());
        let waits = node["warm"]["pools"][0]["ready"].as_u64()? >= 1;
        (seen.len() > 2 && waits).then(|| node["warm"].clone())
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_notebook_takes_over_a_server_that_was_there_before_it() {
    let quire = Installation::start();
    let first = quire.quire(&[
        "notebook",
        "create",
        "--name",
        "first",
        "--machine-type",
        "C2",
    ]);
    let warm = wait_for_waiting(&quire);
    assert_eq!(warm["pools"][0]["environment"], "python");
    assert_eq!(
        (&warm["most"], &warm["reservedMib"]),
        (&Value::from(2), &Value::from(512))
    );
    let used = warm["pools"][0]["memoryMib"].as_u64().unwrap();
    assert!((32..256).contains(&used), "{warm}");

    let asked = now_seconds();
    let notebook = quire.quire(&[
        "notebook",
        "create",
        "--name",
        "warm",
        "--machine-type",
        "C2",
    ]);
    let mut kernel = quire.jupyter(&notebook).kernel().await;
    let begun: f64 = kernel.run(SERVER_BEGUN).await.unwrap().parse().unwrap();
    assert!(
        begun < asked,
        "the server was begun at {begun}, the notebook asked for at {asked}"
    );
    let other = quire.jupyter(&first);
    assert_eq!(
        other.get("/api/contents").await["content"],
        Value::Array(Vec::new())
    );

    // Its files are there in whatever sandbox it starts next.
    kernel
        .run("open('kept.txt', 'w').write('kept')")
        .await
        .unwrap();
    quire.quire(&["notebook", "stop", "warm"]);
    wait_for_waiting(&quire);
    let asked = now_seconds();
    let again = quire.quire(&["notebook", "start", "warm"]);
    let mut kernel = quire.jupyter(&again).kernel().await;
    let begun: f64 = kernel.run(SERVER_BEGUN).await.unwrap().parse().unwrap();
    assert!(
        begun < asked,
        "the server was begun at {begun}, its start asked for at {asked}"
    );
    assert_eq!(
        kernel.run("print(open('kept.txt').read())").await.unwrap(),
        "kept"
    );
    let owner = "import os\nprint(os.stat('kept.txt').st_uid == os.getuid())";
    assert_eq!(kernel.run(owner).await.unwrap(), "True");
    let usage = quire.quire(&["usage"]);
    assert!(!usage["lines"].as_array().unwrap().is_empty(), "{usage}");
    quire.quire(&["audit"]);
}
