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
