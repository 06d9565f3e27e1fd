//! A notebook that is shared: by a link to look at it, with a person of another team to work in it, and taken back.

use reqwest::{Method, Url};
use serde_json::{Value, json};
use testkit::wait_for;

use crate::installation::Installation;
use crate::jupyter::Jupyter;

/// Whoever has a link, as a browser reads it.
fn by_link(quire: &Installation, link: &str) -> Jupyter {
    let mut url: Url = link.parse().unwrap();
    let token = url.query_pairs().find(|(name, _)| name == "token");
    let token = token.unwrap().1.into_owned();
    url.set_query(None);
    quire.jupyter(&json!({"url": url.as_str(), "token": token}))
}

/// A file, and a notebook with something that it said.
async fn fill(jupyter: &Jupyter) {
    let file = json!({"type": "file", "format": "text", "content": "a,b\n1,2\n"});
    let said = json!({"output_type": "stream", "name": "stdout", "text": "the answer is 42"});
    let cell = json!({"cell_type": "code", "source": "print('the answer is', 42)", "metadata": {}, "execution_count": 1, "outputs": [said]});
    let page = json!({"cells": [cell], "metadata": {}, "nbformat": 4, "nbformat_minor": 4});
    let page = json!({"type": "notebook", "content": page});
    for (path, content) in [("a b.csv", file), ("work.ipynb", page)] {
        let path = format!("/api/contents/{path}");
        let answer = jupyter.try_put(&path, &content).await.unwrap();
        assert_eq!(answer.status(), 201, "{path}");
    }
}

async fn text(jupyter: &Jupyter, path: &str) -> (u16, String) {
    let answer = jupyter.try_get(path).await.unwrap();
    (answer.status().as_u16(), answer.text().await.unwrap())
}

async fn a_link_shows_and_runs_nothing(quire: &Installation, owner: &Jupyter) {
    let made = quire.quire(&["notebook", "share", "open", "--for", "1d"]);
    assert_eq!(
        (&made["access"], &made["email"]),
        (&json!("view"), &Value::Null)
    );
    let looks = by_link(quire, made["link"].as_str().unwrap());
    let (status, page) = text(&looks, "/").await;
    assert!(status == 200 && page.contains("Shared notebook"), "{page}");
    let listed = looks.get("/api/contents/").await;
    let names: Vec<_> = listed["content"]
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| &entry["name"])
        .collect();
    assert!(names.contains(&&json!("work.ipynb")), "{names:?}");
    assert_eq!(
        text(&looks, "/files/a b.csv").await,
        (200, "a,b\n1,2\n".to_owned())
    );
    let (status, page) = text(&looks, "/nbconvert/html/work.ipynb").await;
    assert!(
        status == 200 && page.contains("the answer is 42"),
        "{status} {page}"
    );
    for (method, path) in [
        (Method::GET, "/lab"),
        (Method::GET, "/api/kernels"),
        (Method::POST, "/api/kernels"),
        (Method::POST, "/api/terminals"),
        (Method::DELETE, "/api/contents/work.ipynb"),
        (Method::POST, "/.quire/exec"),
    ] {
        let refused = looks.request(method.clone(), path, Some(json!({}))).await;
        assert_eq!(refused.status(), 403, "{method} {path}");
    }
    // The key by which ssh knows the notebook lies among its files, and is not shown.
    let hidden = text(&looks, "/files/.quire/ssh/host_key").await;
    assert_eq!(hidden.0, 404, "{hidden:?}");
    assert_eq!(
        owner.get("/api/kernels").await,
        json!([]),
        "nothing was started"
    );

    let id = made["id"].as_str().unwrap();
    quire.quire(&["notebook", "share", "open", "--revoke", id]);
    assert_eq!(text(&looks, "/").await.0, 401);
}

async fn a_person_of_another_team_works_in_it(quire: &Installation) {
    let mate = quire.quire(&["team", "create", "mates", "--owner", "mate@mates.example"]);
    let profile = quire.profile("mate");
    let login = quire.login(&profile, mate["key"].as_str().unwrap());
    assert!(login.status.success(), "{login:?}");
    let shared = || -> Value {
        let output = quire.quire_as(&profile, &["notebook", "shared", "--output", "json"]);
        serde_json::from_slice(&output.stdout).unwrap()
    };
    assert_eq!(shared(), json!([]));
    let with = ["--with", "mate@mates.example", "--access", "use"];
    quire.quire(&[&["notebook", "share", "open"][..], &with].concat());
    let found = shared();
    assert_eq!(
        (&found[0]["name"], &found[0]["access"]),
        (&json!("open"), &json!("use"))
    );
    let works = by_link(quire, found[0]["url"].as_str().unwrap());
    let mut kernel = works.kernel().await;
    assert_eq!(kernel.run("print(6 * 7)").await, Ok("42".to_owned()));
    let listed = quire.quire(&["notebook", "share", "open", "--list"]);
    assert_eq!(listed[0]["email"], "mate@mates.example");

    // Taken back while they work: what is open is closed.
    quire.quire(&["notebook", "share", "open", "--revoke", "mate@"]);
    while kernel.hear().await {}
    assert_eq!(text(&works, "/api/kernels").await.0, 401);
    assert_eq!(shared(), json!([]));
    let unknown = quire.refusal(&[
        "notebook",
        "share",
        "open",
        "--with",
        "nobody@mates.example",
    ]);
    assert!(unknown.contains("not found"), "{unknown}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_notebook_is_opened_to_others_and_closed_again() {
    let quire = Installation::shared();
    let made = quire.quire(&["notebook", "create", "--name", "open"]);
    let owner = quire.jupyter(&made);
    fill(&owner).await;
    a_link_shows_and_runs_nothing(&quire, &owner).await;
    a_person_of_another_team_works_in_it(&quire).await;
    let told = "notebook \"open\" is not shared with mate@mates.example any more (use)";
    wait_for(told, || {
        let events = quire.quire(&[
            "event",
            "tail",
            "--no-follow",
            "--object",
            made["id"].as_str().unwrap(),
        ]);
        let mut events = events.as_array().unwrap().iter();
        events.any(|event| event["summary"] == told).then_some(())
    });
    quire.quire(&["notebook", "delete", "open", "--yes"]);
}
