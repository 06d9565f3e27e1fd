//! A notebook made from a template: its environment and its files, which run and belong to its people from then on.

use serde_json::Value;

use crate::installation::Installation;

#[tokio::test(flavor = "multi_thread")]
async fn a_template_is_there_and_stays_what_its_people_make_of_it() {
    let quire = Installation::shared();
    let listed = quire.quire(&["template", "list"]);
    let names: Vec<_> = listed
        .as_array()
        .unwrap()
        .iter()
        // Other tests make those of the team here.
        .filter(|one| one["id"].is_null())
        .map(|one| one["name"].clone())
        .collect();
    let wanted = [
        "diffusion",
        "fine-tune",
        "pytorch",
        "rapids",
        "scikit-learn",
        "scratch",
    ];
    assert_eq!(names, wanted.map(Value::from));

    let made = quire.quire(&[
        "notebook",
        "create",
        "--name",
        "sketch",
        "--template",
        "scratch",
    ]);
    assert_eq!(
        (&made["environment"], &made["template"]),
        (&"python".into(), &"scratch".into())
    );
    let shown = quire.quire(&["template", "show", "scratch"]);
    let content = shown["files"][0]["content"].as_str().unwrap();
    let mut kernel = quire.jupyter(&made).kernel().await;
    let same = format!("print(open('start.ipynb').read() == {content:?})");
    assert_eq!(kernel.run(&same).await, Ok("True".to_owned()));
    // The code of its cells runs in its environment.
    let cells = "import json\nfor cell in json.load(open('start.ipynb'))['cells']:\n    if cell['cell_type'] == 'code': exec(''.join(cell['source']))";
    let ran = kernel.run(cells).await.unwrap();
    assert!(ran.starts_with("Python 3."), "{ran}");

    let change = "import os; os.remove('start.ipynb'); print('done')";
    assert_eq!(kernel.run(change).await, Ok("done".to_owned()));
    quire.quire(&["notebook", "restart", "sketch"]);
    let mut kernel = quire.jupyter(&made).kernel().await;
    let gone = kernel
        .run("import os; print(os.path.exists('start.ipynb'))")
        .await;
    assert_eq!(gone, Ok("False".to_owned()));
    quire.quire(&["notebook", "delete", "sketch", "--yes"]);

    for (name, told) in [
        ("nothing", "template \"nothing\" not found"),
        ("rapids", "template: rapids needs a GPU"),
    ] {
        let create = ["notebook", "create", "--name", "sketch", "--template", name];
        let refused = quire.refusal(&create);
        assert!(refused.contains(told), "{refused}");
    }
}

/// Writes what a template is made of, and what must stay out of it.
const WORKSHOP: &str = "\
import os, hashlib
os.makedirs('lessons/one')
open('lessons/one/a b.txt', 'w').write('hello')
open('setup.sh', 'w').write('echo setting up; wc -c <large.bin >size.txt; id -u >user.txt; command -v jupyter >where.txt')
os.chmod('setup.sh', 0o755)
large = os.urandom(7 << 20)
open('large.bin', 'wb').write(large)
open('.secret', 'w').write('key')
os.symlink('/etc/passwd', 'lessons/link')
print(hashlib.sha256(large).hexdigest())";

/// What is there of it in a notebook that was made from the template.
const FOUND: &str = "\
import os, hashlib
def text(path): return open(path).read().strip()
print(hashlib.sha256(open('large.bin', 'rb').read()).hexdigest())
print(text('lessons/one/a b.txt'), oct(os.stat('setup.sh').st_mode)[-3:], text('size.txt'))
print(text('user.txt') == str(os.getuid()), text('where.txt') != '')
print([path for path in ('.secret', 'lessons/link', '.quire/template') if os.path.lexists(path)])";

#[tokio::test(flavor = "multi_thread")]
async fn a_team_makes_a_template_of_a_stopped_notebook_and_notebooks_of_that() {
    let quire = Installation::shared();
    let made = quire.quire(&["notebook", "create", "--name", "workshop"]);
    let mut kernel = quire.jupyter(&made).kernel().await;
    let digest = kernel.run(WORKSHOP).await.unwrap();
    quire.quire(&["notebook", "stop", "workshop"]);

    let create_from = ["template", "create-from", "workshop"];
    let refused = quire.refusal(&[&create_from[..], &["--path", "nothing.py"]].concat());
    assert!(
        refused.contains("paths: \"nothing.py\" is not there"),
        "{refused}"
    );
    let named = ["--name", "course", "--command", "sh setup.sh"];
    let template = quire.quire(&[&create_from[..], &named].concat());
    let paths: Vec<_> = template["files"]
        .as_array()
        .unwrap()
        .iter()
        .map(|file| file["path"].as_str().unwrap())
        .collect();
    assert_eq!(paths, ["large.bin", "lessons/one/a b.txt", "setup.sh"]);
    let id = template["id"].as_str().unwrap();
    let tail = ["event", "tail", "--object", id, "--no-follow"];
    testkit::wait_for("the template in the timeline", || {
        let told = quire.try_quire(&tail).stdout;
        let told = String::from_utf8_lossy(&told);
        told.contains("template \"course\" was made f")
            .then_some(())
    });
    quire.quire(&["notebook", "delete", "workshop", "--yes"]);

    let made = quire.quire(&[
        "notebook",
        "create",
        "--name",
        "pupil",
        "--template",
        "course",
    ]);
    assert_eq!(made["template"], "course");
    let found = |digest: &str| format!("{digest}\nhello 755 7340032\nTrue True\n[]");
    let mut kernel = quire.jupyter(&made).kernel().await;
    assert_eq!(kernel.run(FOUND).await, Ok(found(&digest)));
    let logs = quire.try_quire(&["notebook", "logs", "pupil"]).stdout;
    let logs = String::from_utf8_lossy(&logs);
    assert!(logs.contains("setting up"), "{logs}");

    quire.quire(&["template", "delete", "course", "--yes"]);
    let refused = quire.refusal(&["template", "show", "course"]);
    assert!(
        refused.contains("template \"course\" not found"),
        "{refused}"
    );
    // Another start may have another user, so that only the files are compared.
    quire.quire(&["notebook", "restart", "pupil"]);
    let mut kernel = quire.jupyter(&made).kernel().await;
    let kept = kernel.run(FOUND).await.unwrap();
    assert!(kept.starts_with(&format!("{digest}\nhello 755 ")), "{kept}");

    // A command that fails is the reason, and Jupyter is not started.
    let fails = "echo no luck today >&2; exit 3";
    quire.quire(&[
        "template",
        "create-from",
        "pupil",
        "--name",
        "broken",
        "--path",
        "lessons",
        "--command",
        fails,
    ]);
    let create = [
        "notebook",
        "create",
        "--name",
        "unlucky",
        "--template",
        "broken",
    ];
    let refused = quire.refusal(&create);
    let told = "no luck today | the command of the template ended with exit code 3";
    assert!(refused.contains(told), "{refused}");
    for delete in [
        ["template", "delete", "broken", "--yes"],
        ["notebook", "delete", "unlucky", "--yes"],
        ["notebook", "delete", "pupil", "--yes"],
    ] {
        quire.quire(&delete);
    }
}
