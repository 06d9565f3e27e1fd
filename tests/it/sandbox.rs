//! Two teams' notebooks side by side, and what each can reach, tried from inside by running code in their kernels.

use std::net::TcpListener;

use serde_json::Value;

use crate::installation::Installation;
use crate::jupyter::Kernel;

/// Tries to connect and prints the outcome: `open`, or `closed`.
fn try_connect(address: &str, port: u16) -> String {
    format!(
        "import socket\n\
         try:\n    socket.create_connection(({address}, {port}), timeout=2).close(); print('open')\n\
         except OSError: print('closed')"
    )
}

const OWN_ADDRESS: &str = "import socket\ns = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.connect(('192.0.2.1', 9)); print(s.getsockname()[0])";

/// The host's end of the notebook's network: its default route, little-endian in hexadecimal.
pub(crate) const HOST_ADDRESS: &str = "import socket, struct\n\
    route = next(line.split() for line in open('/proc/net/route') if line.split()[1] == '00000000')\n\
    host = socket.inet_ntoa(struct.pack('<L', int(route[2], 16)))";

/// Runs code, which must not fail, and gives what it printed.
pub(crate) async fn says(kernel: &mut Kernel, code: &str) -> String {
    kernel
        .run(code)
        .await
        .unwrap_or_else(|error| panic!("{code}\n{error}"))
}

fn create(quire: &Installation, profile: Option<&std::path::Path>, name: &str) -> Value {
    let arguments = [
        "notebook",
        "create",
        "--name",
        name,
        "--machine-type",
        "C3",
        "--output",
        "json",
    ];
    let output = match profile {
        Some(profile) => quire.quire_as(profile, &arguments),
        None => quire.try_quire(&arguments),
    };
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    serde_json::from_slice(&output.stdout).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn workloads_reach_neither_each_other_nor_the_host() {
    let quire = Installation::shared();
    let node = &quire.quire(&["node", "list"])[0];
    assert_eq!(
        node["missingIsolation"],
        serde_json::json!([]),
        "this machine can isolate in full"
    );

    let team = quire.quire(&["team", "create", "neighbours"]);
    let profile = quire.profile("neighbours");
    let login = quire.login(&profile, team["key"].as_str().unwrap());
    assert!(login.status.success());

    let one = create(&quire, None, "one");
    let other = create(&quire, Some(&profile), "other");
    assert!(
        quire
            .refusal(&["notebook", "show", "other"])
            .contains("not found")
    );
    let foreign = ["notebook", "show", one["id"].as_str().unwrap()];
    let foreign = quire.quire_as(&profile, &foreign);
    assert!(!foreign.status.success());
    assert!(String::from_utf8_lossy(&foreign.stderr).contains("not found"));
    let mut one = quire.jupyter(&one).kernel().await;
    let mut other = quire.jupyter(&other).kernel().await;

    own_user_and_processes(&mut one, &mut other).await;
    no_files_of_others(&quire, &mut one, &mut other).await;
    no_way_over_the_network(&quire, &mut one, &mut other).await;
    let install = "import subprocess\nprint(subprocess.run(['pip', 'install', '-q', 'six==1.17.0'], capture_output=True, text=True).returncode)";
    assert_eq!(
        says(&mut one, install).await,
        "0",
        "packages can be installed"
    );

    quire.quire(&["notebook", "delete", "one", "--yes"]);
    quire.quire_as(&profile, &["notebook", "delete", "other", "--yes"]);
}

async fn own_user_and_processes(one: &mut Kernel, other: &mut Kernel) {
    let identity = "import os\nprint(os.getuid())";
    let (first, second) = (says(one, identity).await, says(other, identity).await);
    assert_ne!(first, "0");
    assert_ne!(first, second, "each has a user of its own");
    let powers = "print(next(line.split()[1] for line in open('/proc/self/status') if line.startswith('CapEff')))";
    assert_eq!(says(one, powers).await, "0000000000000000");

    // A process with a name that nobody else has, looked for from the other side.
    let marked = "import subprocess\nmarked = subprocess.Popen(['sleep', '98765'])";
    says(one, marked).await;
    let seen = "import glob\ndef line(path):\n    try: return open(path).read()\n    except OSError: return ''\nprint(any('98765' in line(path) for path in glob.glob('/proc/[0-9]*/cmdline')))";
    assert_eq!(says(one, seen).await, "True");
    assert_eq!(says(other, seen).await, "False");
    says(one, "marked.kill()").await;
}

async fn no_files_of_others(quire: &Installation, one: &mut Kernel, other: &mut Kernel) {
    says(one, "open('/notebooks/secret.txt', 'w').write('one'); open('/tmp/secret.txt', 'w').write('one')").await;
    let look = "import os\nprint([path for path in ('/notebooks/secret.txt', '/tmp/secret.txt') if os.path.exists(path)])";
    assert_eq!(says(other, look).await, "[]");
    let host = [
        quire.data_dir().join("secrets.toml"),
        quire.data_dir().join("agent/volumes"),
        quire.data_dir().join("run"),
        "/etc/shadow".into(),
        "/root/.ssh".into(),
    ];
    for path in host {
        let path = path.display();
        let code = format!("import os\nprint(os.path.exists('{path}'))");
        assert_eq!(
            says(one, &code).await,
            "False",
            "{path} can be seen from inside"
        );
    }
    let write = "try:\n    open('/usr/bin/planted', 'w'); print('written')\nexcept OSError: print('refused')";
    assert_eq!(says(one, write).await, "refused");
}

async fn no_way_over_the_network(quire: &Installation, one: &mut Kernel, other: &mut Kernel) {
    // Something of the host that listens everywhere, as a careless operator's program would.
    let careless = TcpListener::bind("0.0.0.0:0").unwrap();
    let port = careless.local_addr().unwrap().port();
    let to_host = format!("{HOST_ADDRESS}\n{}", try_connect("host", port));
    assert_eq!(
        says(one, &to_host).await,
        "closed",
        "the host can be reached"
    );
    for port in [quire.gateway, quire.edge] {
        assert_eq!(says(one, &try_connect("'127.0.0.1'", port)).await, "closed");
    }
    assert_eq!(
        says(one, &try_connect("'169.254.169.254'", 80)).await,
        "closed"
    );

    let listen =
        "import socket\nserver = socket.create_server(('0.0.0.0', 7777)); print('listens')";
    assert_eq!(says(other, listen).await, "listens");
    let address = says(other, OWN_ADDRESS).await;
    assert_eq!(
        says(one, &try_connect(&format!("'{address}'"), 7777)).await,
        "closed",
        "a neighbour can be reached"
    );
    assert_eq!(
        says(other, &try_connect(&format!("'{address}'"), 7777)).await,
        "open",
        "it really listens"
    );
}
