//! Files into a notebook and out of it by `quire notebook cp`: while it runs and while it is stopped, once more, and against what a
//! hostile notebook would like.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use crate::installation::Installation;

fn cp(quire: &Installation, paths: &[&str]) -> Value {
    quire.quire(&[&["notebook", "cp"][..], paths].concat())
}

fn text(path: &Path) -> String {
    path.display().to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn files_go_in_and_come_back() {
    let quire = Installation::shared();
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    fs::create_dir_all(data.join("deep/er")).unwrap();
    fs::write(data.join("a b.txt"), "one").unwrap();
    fs::write(data.join("deep/er/größe.bin"), vec![7; 3_000_000]).unwrap();
    let upload = text(&data);
    let made = quire.quire(&[
        "notebook", "create", "--name", "carrier", "--upload", &upload,
    ]);
    let jupyter = quire.jupyter(&made);
    let mut kernel = jupyter.kernel().await;
    let look = "import os; print(open('a b.txt').read(), os.path.getsize('deep/er/größe.bin'), os.access('a b.txt', os.W_OK))";
    assert_eq!(kernel.run(look).await, Ok("one 3000000 True".to_owned()));

    // A second time nothing need go; then only what has changed.
    let all = json!({"files": 0, "bytes": 0, "unchanged": 2});
    assert_eq!(
        cp(&quire, &[&format!("{upload}/"), "carrier:input"])["files"],
        2
    );
    assert_eq!(
        cp(&quire, &[&upload, "carrier:input"])["files"],
        2,
        "into what is there"
    );
    assert_eq!(cp(&quire, &[&upload, "carrier:input"]), all);
    fs::write(data.join("a b.txt"), "other").unwrap();
    let one = json!({"files": 1, "bytes": 5, "unchanged": 1});
    assert_eq!(cp(&quire, &[&upload, "carrier:input"]), one);

    // What the notebook wrote comes back, also once it is stopped.
    let write = "import os; os.makedirs('out'); open('out/result', 'w').write('42'); os.symlink('/etc/passwd', 'out/link'); print('ok')";
    assert_eq!(kernel.run(write).await, Ok("ok".to_owned()));
    quire.quire(&["notebook", "stop", "carrier"]);
    let here = folder.path().join("here");
    cp(&quire, &["carrier:out", &text(&here)]);
    assert_eq!(fs::read_to_string(here.join("result")).unwrap(), "42");
    let link = fs::symlink_metadata(here.join("link")).unwrap();
    assert!(link.is_symlink(), "links stay links");
    let single = folder.path().join("single");
    cp(&quire, &["carrier:out/result", &text(&single)]);
    assert_eq!(fs::read_to_string(&single).unwrap(), "42");
    cp(&quire, &[&text(&single), "carrier:new/name"]);
    let back = folder.path().join("back");
    cp(&quire, &["carrier:new/name", &text(&back)]);
    assert_eq!(fs::read_to_string(back).unwrap(), "42");

    for (paths, told) in [
        (["carrier:nowhere", "."], "carrier:nowhere is not there"),
        (["carrier:../..", "."], "leads out of the files"),
        (["carrier:a", "carrier:b"], "not between notebooks"),
        ([upload.as_str(), "."], "write NOTEBOOK:PATH"),
    ] {
        let refused = quire.refusal(&[&["notebook", "cp"][..], &paths].concat());
        assert!(refused.contains(told), "{refused}");
    }
    quire.quire(&["notebook", "start", "carrier"]);
    let mut kernel = jupyter.kernel().await;
    let kept = kernel.run("print(open('new/name').read())").await;
    assert_eq!(kept, Ok("42".to_owned()));
    quire.quire(&["notebook", "delete", "carrier", "--yes"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_notebook_cannot_lead_a_copy_to_the_host() {
    let quire = Installation::shared();
    let made = quire.quire(&["notebook", "create", "--name", "smuggler"]);
    let mut kernel = quire.jupyter(&made).kernel().await;
    let trap = "import os; os.symlink('/etc', 'host'); os.symlink('/root', 'root'); os.symlink('/', 'all'); print('ok')";
    assert_eq!(kernel.run(trap).await, Ok("ok".to_owned()));
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    fs::write(&file, "x").unwrap();
    let taken = folder.path().join("taken");
    // Below the links there is only what the notebook's own sandbox would show.
    for path in ["host/shadow", "root/.bashrc", "all/proc/1/environ"] {
        let refused =
            quire.refusal(&["notebook", "cp", &format!("smuggler:{path}"), &text(&taken)]);
        assert!(!taken.exists(), "{path}: {refused}");
    }
    let refused = quire.refusal(&[
        "notebook",
        "cp",
        &text(&file),
        "smuggler:host/quire-was-here",
    ]);
    assert!(!Path::new("/etc/quire-was-here").exists(), "{refused}");

    // More complaints than a pipe holds: the copy ends all the same, and says so.
    let closed = "import os; os.makedirs('closed')\nfor n in range(3000):\n    os.close(os.open(f'closed/file-with-a-long-name-{n}', os.O_CREAT, 0))\nprint('ok')";
    assert_eq!(kernel.run(closed).await, Ok("ok".to_owned()));
    let refused = quire.refusal(&["notebook", "cp", "smuggler:closed", &text(&taken)]);
    assert!(refused.contains("could not read all"), "{refused}");
    quire.quire(&["notebook", "delete", "smuggler", "--yes"]);
}

/// A quota of 8 MiB: told before it is reached, and what follows when it is.
#[tokio::test(flavor = "multi_thread")]
async fn full_files_are_told_and_nothing_more_is_taken() {
    let quire = Installation::shared();
    let made = quire.quire(&["notebook", "create", "--name", "hoarder"]);
    let volume = made["volumeId"].as_str().unwrap();
    let mut kernel = quire.jupyter(&made).kernel().await;
    let write = |name: &str, bytes: u64| {
        format!("import os; open('{name}', 'wb').write(os.urandom({bytes})); print('ok')")
    };
    let volumes = |wanted: &str| {
        let wanted = wanted.to_owned();
        let quire = &quire;
        async move {
            testkit::eventually("what is known of the files", || async {
                let shown = quire.quire(&["volume", "show", volume]);
                (shown["fill"] == *wanted && shown["usedBytes"] != Value::Null).then_some(shown)
            })
            .await
        }
    };
    let shown = volumes("room").await;
    assert_eq!(shown["quotaBytes"], 20_u64 << 30);
    quire.quire(&["volume", "resize", volume, "--size", "8MiB"]);
    assert_eq!(
        kernel.run(&write("one", 7_700_000)).await,
        Ok("ok".to_owned())
    );
    volumes("nearly full").await;
    let why = testkit::eventually("the warning", || async {
        let why = quire.quire(&["why", "hoarder"]).to_string();
        why.contains("nearly full: they may take 8.0 MiB")
            .then_some(why)
    })
    .await;
    assert!(
        why.contains(&format!("quire volume resize {volume}")),
        "{why}"
    );
    let less = quire.refusal(&["volume", "resize", volume, "--size", "2MiB"]);
    assert!(less.contains("the files take 7."), "{less}");

    // A copy that does not fit leaves nothing, one that fits comes.
    let folder = tempfile::tempdir().unwrap();
    let (large, small) = (folder.path().join("large"), folder.path().join("small"));
    fs::write(&large, vec![1; 3_000_000]).unwrap();
    fs::write(&small, "small").unwrap();
    let refused = quire.refusal(&["notebook", "cp", &text(&large), "hoarder:in/"]);
    assert!(
        refused.contains("of 8.0 MiB") && refused.contains("2.8 MiB more do not fit"),
        "{refused}"
    );
    let nothing = quire.refusal(&["notebook", "cp", "hoarder:in", &text(folder.path())]);
    assert!(nothing.contains("is not there"), "{nothing}");
    cp(&quire, &[&text(&small), "hoarder:in/"]);

    // Full: what runs goes on, what is stopped does not start before there is room.
    assert_eq!(
        kernel.run(&write("two", 2_000_000)).await,
        Ok("ok".to_owned())
    );
    volumes("full").await;
    let refused = quire.refusal(&["notebook", "cp", &text(&small), "hoarder:more"]);
    assert!(
        refused.contains("of 8.0 MiB") && refused.contains("5 B more do not fit"),
        "{refused}"
    );
    assert_eq!(kernel.run("print('on')").await, Ok("on".to_owned()));
    quire.quire(&["notebook", "stop", "hoarder"]);
    let refused = quire.refusal(&["notebook", "start", "hoarder"]);
    assert!(
        refused.contains("quire notebook rm hoarder:PATH"),
        "{refused}"
    );
    quire.quire(&["notebook", "rm", "hoarder:one", "hoarder:two"]);
    let gone = quire.refusal(&["notebook", "rm", "hoarder:one"]);
    assert!(gone.contains("is not there"), "{gone}");
    volumes("room").await;
    quire.quire(&["notebook", "start", "hoarder"]);
    let story = quire.quire(&["event", "tail", "--object", volume, "--no-follow"]);
    for told in [": nearly full", ": full", "there is room again"] {
        assert!(story.to_string().contains(told), "{story}");
    }
    quire.quire(&["notebook", "delete", "hoarder", "--yes"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_team_shares_its_storage_and_another_does_not_see_it() {
    let quire = Installation::shared();
    let one = quire.quire(&["notebook", "create", "--name", "giver"]);
    let two = quire.quire(&["notebook", "create", "--name", "taker"]);
    let mut gives = quire.jupyter(&one).kernel().await;
    let mut takes = quire.jupyter(&two).kernel().await;
    let write = "open('/storage/for-all', 'w').write('ours'); print('ok')";
    assert_eq!(gives.run(write).await, Ok("ok".to_owned()));
    let change = "f = open('/storage/for-all', 'a'); f.write(' too'); f.close(); print(open('/storage/for-all').read())";
    assert_eq!(takes.run(change).await, Ok("ours too".to_owned()));
    let read = "print(open('/storage/for-all').read())";
    assert_eq!(gives.run(read).await, Ok("ours too".to_owned()));

    let other = quire.other_team("store-lab");
    let created = quire.quire_as(
        &other,
        &[
            "notebook", "create", "--name", "stranger", "--output", "json",
        ],
    );
    assert!(created.status.success(), "{created:?}");
    let seen = quire.quire_as(
        &other,
        &[
            "notebook",
            "exec",
            "stranger",
            "--",
            "sh",
            "-c",
            "echo mine > /storage/mine; ls /storage",
        ],
    );
    assert_eq!(
        String::from_utf8_lossy(&seen.stdout).trim(),
        "mine",
        "{seen:?}"
    );
    let volumes = quire.quire(&["volume", "list"]);
    let shared: Vec<_> = volumes
        .as_array()
        .unwrap()
        .iter()
        .filter(|volume| volume["shared"] == true)
        .collect();
    assert_eq!(shared.len(), 1, "{volumes}");
    let id = shared[0]["id"].as_str().unwrap();
    let refused = quire.refusal(&["volume", "delete", id, "--yes"]);
    assert!(refused.contains("stop the team's notebooks"), "{refused}");

    quire.quire_as(&other, &["notebook", "delete", "stranger", "--yes"]);
    for name in ["giver", "taker"] {
        quire.quire(&["notebook", "delete", name, "--yes"]);
    }
}
