//! What is asked for wrongly, over REST: each answer names the field or the header, and nothing is made.

use std::time::Duration;

use kernel::Clock as _;
use kernel::time::SystemClock;
use reqwest::header::CONTENT_TYPE;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::installation::Installation;
use crate::rest::patiently;

/// How long the key lives that is to expire.
const SHORT: Duration = Duration::from_secs(2);

/// A caller who takes the first answer.
struct Asker {
    http: reqwest::Client,
    server: String,
}

impl Asker {
    async fn send(&self, method: Method, path: &str, key: &str, body: Body) -> (StatusCode, Value) {
        let url = format!("{}{path}", self.server);
        let request = self.http.request(method, url).bearer_auth(key);
        let request = match body {
            Body::None => request,
            Body::Of(kind, text) => request.header(CONTENT_TYPE, kind).body(text),
        };
        let response = request.send().await.unwrap();
        (response.status(), response.json().await.unwrap())
    }

    async fn get(&self, path: &str, key: &str) -> (StatusCode, Value) {
        self.send(Method::GET, path, key, Body::None).await
    }

    /// Identifiers of what there is.
    async fn ids(&self, path: &str, key: &str) -> Vec<String> {
        let (status, list) = self.get(path, key).await;
        assert_eq!(status, StatusCode::OK, "{path}: {list}");
        let items = list["items"].as_array().unwrap().iter();
        items
            .map(|item| item["id"].as_str().unwrap().to_owned())
            .collect()
    }
}

enum Body {
    None,
    /// Its content type, and itself.
    Of(&'static str, String),
}

fn notebook(with: &Value) -> Body {
    Body::Of("application/json", with.to_string())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_is_named_and_nothing_is_made() {
    let quire = Installation::shared();
    let asker = Asker {
        http: reqwest::Client::new(),
        server: quire.server(),
    };
    // A team of its own: nobody else makes anything in it.
    let team = quire.quire(&["team", "create", "wrong-lab"]);
    let key = team["key"].as_str().unwrap().to_owned();
    let lists = ["/v1/notebooks?limit=120", "/v1/projects?limit=120"];
    let mut before = Vec::new();
    for list in lists {
        before.push(asker.ids(list, &key).await);
    }

    let json = "application/json";
    let long = "x".repeat(1_000_000);
    let larger = "x".repeat(2_000_000);
    let cases = [
        (
            notebook(&json!({"machineType": "Z9"})),
            400,
            "machineType: \"Z9\" is unknown",
        ),
        (
            notebook(&json!({"environment": "nope"})),
            400,
            "environment: \"nope\" is unknown",
        ),
        (
            notebook(&json!({"name": long})),
            400,
            "name: has 1000000 characters; 1 to 100 are allowed",
        ),
        (
            notebook(&json!({"name": larger})),
            413,
            "body: is larger than 1048576 bytes",
        ),
        (
            notebook(&json!({"projectId": "pr-foreign"})),
            404,
            "project \"pr-foreign\" not found",
        ),
        (
            Body::Of(json, "{\"name\": \"half".to_owned()),
            400,
            "body: is not JSON: ",
        ),
        (
            Body::Of(json, "name: first\n".to_owned()),
            400,
            "body: is not JSON: ",
        ),
        (
            Body::Of("application/yaml", "name: [first\n".to_owned()),
            415,
            "content-type: \"application/yaml\" is not taken; send JSON",
        ),
    ];
    for (body, status, names) in cases {
        let (answered, said) = asker.send(Method::POST, "/v1/notebooks", &key, body).await;
        let message = said["message"].as_str().unwrap_or_default();
        assert!(
            answered.as_u16() == status && message.starts_with(names),
            "{names}: {answered} {said}"
        );
        assert!(message.len() < 2_500, "{names}: {} bytes", message.len());
    }
    check_keys(&quire, &asker).await;

    for (list, before) in lists.into_iter().zip(before) {
        assert_eq!(asker.ids(list, &key).await, before, "{list}");
    }
}

/// A key that nobody has, and one that worked and has expired.
async fn check_keys(quire: &Installation, asker: &Asker) {
    let path = "/v1/notebooks";
    let wrong = asker.get(path, "qk_wrong").await;
    assert_eq!(wrong.0, StatusCode::UNAUTHORIZED);
    let said = wrong.1["message"].as_str().unwrap().to_owned();
    assert!(
        said.starts_with("authorization: the key is unknown"),
        "{said}"
    );

    let ends = (SystemClock.now() + SHORT).to_rfc3339();
    let made = quire.quire(&["api-key", "create", "short", "--expires", &ends]);
    let key = made["key"].as_str().unwrap();
    // In the last second of a key its token may have ended already, which is told as that.
    patiently("a key to expire", || async {
        let (_, answer) = asker.get(path, key).await;
        let message = answer["message"].as_str().unwrap_or_default();
        message
            .starts_with("authorization: the key expired at ")
            .then_some(())
    })
    .await;
    let make = notebook(&json!({"name": "too late"}));
    let (status, answer) = asker.send(Method::POST, path, key, make).await;
    assert_eq!(status, StatusCode::UNAUTHORIZED, "{answer}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_another_teams_is_not_found() {
    let quire = Installation::shared();
    let asker = Asker {
        http: reqwest::Client::new(),
        server: quire.server(),
    };
    let made = quire.quire(&["team", "create", "foreign-lab"]);
    let foreign = made["key"].as_str().unwrap();
    let own = quire.quire(&["project", "create", "not for others"]);
    let id = own["id"].as_str().unwrap();
    let (status, said) = asker.get(&format!("/v1/projects/{id}"), foreign).await;
    assert_eq!(status, StatusCode::NOT_FOUND, "{said}");
    let make = notebook(&json!({"name": "stolen", "projectId": id}));
    let (status, said) = asker
        .send(Method::POST, "/v1/notebooks", foreign, make)
        .await;
    let message = said["message"].as_str().unwrap_or_default();
    assert_eq!(status, StatusCode::NOT_FOUND, "{said}");
    assert!(
        message.contains("project") && message.contains(id),
        "{said}"
    );
    let made = asker.ids("/v1/notebooks", foreign).await;
    assert!(made.is_empty(), "{made:?}");
}
