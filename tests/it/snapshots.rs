//! What files were: kept by `quire volume snapshot`, put back by `quire volume restore`, under a real Jupyter.

use serde_json::Value;

use crate::installation::Installation;

#[tokio::test(flavor = "multi_thread")]
async fn a_snapshot_brings_old_files_back() {
    let quire = Installation::shared();
    let made = quire.quire(&["notebook", "create", "--name", "rewound"]);
    let jupyter = quire.jupyter(&made);
    let mut kernel = jupyter.kernel().await;
    let write = "import os; os.makedirs('data'); open('data/text', 'w').write('old'); \
        os.symlink('/etc/passwd', 'link'); os.mkfifo('pipe'); print('ok')";
    assert_eq!(kernel.run(write).await, Ok("ok".to_owned()));

    let volumes = quire.quire(&["volume", "list"]);
    let volume = volumes
        .as_array()
        .unwrap()
        .iter()
        .find(|volume| volume["ownerName"] == "rewound")
        .and_then(|volume| volume["id"].as_str())
        .unwrap();
    let snapshot = &["volume", "snapshot", volume, "--name", "first"];
    let refused = quire.refusal(snapshot);
    assert!(refused.contains("stop the notebook first"), "{refused}");
    quire.quire(&["notebook", "stop", "rewound"]);
    assert_eq!(quire.quire(snapshot)["state"], "ready");

    quire.quire(&["notebook", "start", "rewound"]);
    let mut kernel = jupyter.kernel().await;
    let change = "import os; open('data/text', 'w').write('new'); os.remove('link'); print('ok')";
    assert_eq!(kernel.run(change).await, Ok("ok".to_owned()));
    // Kept with the stop, and whole when the stop is over.
    let stop = ["notebook", "stop", "rewound", "--snapshot", "second"];
    let stopped = quire.quire(&stop);
    let reason = stopped["reason"].as_str().unwrap();
    assert!(reason.ends_with("kept as snapshot \"second\""), "{reason}");
    let kept = quire.quire(&["volume", "restore", &format!("{volume}@first")]);
    let before = kept["name"].as_str().unwrap();
    assert!(before.starts_with("before-restore-"), "{before}");
    let look = "import os; print(open('data/text').read(), os.readlink('link'), os.path.exists('pipe'), \
        os.access('data/text', os.W_OK))";
    quire.quire(&["notebook", "start", "rewound"]);
    let mut kernel = jupyter.kernel().await;
    let old = kernel.run(look).await;
    assert_eq!(old, Ok("old /etc/passwd False True".to_owned()));

    // What the restore took away can be had back the same way.
    quire.quire(&["notebook", "stop", "rewound"]);
    quire.quire(&["volume", "restore", &format!("{volume}@{before}")]);
    quire.quire(&["notebook", "start", "rewound"]);
    let mut kernel = jupyter.kernel().await;
    let new = kernel.run("print(open('data/text').read())").await;
    assert_eq!(new, Ok("new".to_owned()));

    quire.quire(&[
        "volume",
        "snapshot-delete",
        &format!("{volume}@first"),
        "--yes",
    ]);
    let shown = quire.quire(&["volume", "show", volume]);
    let ready: Vec<&Value> = shown["snapshots"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|snapshot| snapshot["state"] == "ready")
        .map(|snapshot| &snapshot["name"])
        .collect();
    assert_eq!(
        ready.len(),
        3,
        "what both restores kept, and \"second\": {shown}"
    );
    assert!(!ready.contains(&&Value::from("first")));
    quire.quire(&["notebook", "delete", "rewound", "--yes"]);
}
