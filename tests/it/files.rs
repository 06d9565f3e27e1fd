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
    quire.quire(&["notebook", "delete", "smuggler", "--yes"]);
}
