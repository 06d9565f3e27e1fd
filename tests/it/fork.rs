//! `quire notebook fork`, under a real Jupyter: two at once, killed in the middle of the copies, without a byte lost.

use crate::installation::Installation;

/// Ten thousand files in a hundred folders, some of them empty.
const WRITE: &str = "import os\nfor n in range(10_000):\n    os.makedirs(f'data/{n % 100}', exist_ok=True)\n    \
    open(f'data/{n % 100}/{n}', 'w').write(f'{n} ' * (n % 300))\nprint('ok')";
/// One digest of all names and contents.
const DIGEST: &str = "import hashlib, pathlib\nseen = hashlib.sha256()\nfiles = sorted(p for p in pathlib.Path('data').rglob('*') if p.is_file())\n\
    for p in files:\n    seen.update(str(p).encode() + b'\\0' + p.read_bytes())\nprint(len(files), seen.hexdigest())";

#[tokio::test(flavor = "multi_thread")]
async fn no_byte_of_a_fork_is_lost() {
    let mut quire = Installation::start();
    let first = quire.quire(&["notebook", "create", "--name", "first"]);
    let jupyter = quire.jupyter(&first);
    let mut kernel = jupyter.kernel().await;
    assert_eq!(kernel.run(WRITE).await, Ok("ok".to_owned()));
    let written = kernel.run(DIGEST).await.unwrap();
    assert!(written.starts_with("10000 "), "{written}");
    let refused = quire.refusal(&["notebook", "fork", "first"]);
    assert!(refused.contains("stop it first"), "{refused}");
    quire.quire(&["notebook", "stop", "first"]);

    for name in ["left", "right"] {
        quire.quire(&["notebook", "fork", "first", "--name", name, "--no-wait"]);
    }
    testkit::wait_for("a copy that has begun", || {
        let copied = |name: &&&str| {
            let reason = quire.quire(&["notebook", "show", name])["reason"].to_string();
            reason.contains("being copied")
        };
        ["left", "right"].iter().find(copied)
    });
    quire.kill();
    quire.up();
    for name in ["left", "right"] {
        let fork = quire.quire(&["notebook", "start", name]);
        assert_eq!(fork["forkedFrom"], first["id"]);
        let mut kernel = quire.jupyter(&fork).kernel().await;
        assert_eq!(kernel.run(DIGEST).await.as_ref(), Ok(&written), "{name}");
        let change = "open('data/0/0', 'w').write('mine'); print('ok')";
        assert_eq!(kernel.run(change).await, Ok("ok".to_owned()));
    }
    quire.quire(&["notebook", "start", "first"]);
    let mut kernel = jupyter.kernel().await;
    assert_eq!(kernel.run(DIGEST).await, Ok(written), "as it was");
    for name in ["left", "right", "first"] {
        quire.quire(&["notebook", "delete", name, "--yes"]);
    }
}
