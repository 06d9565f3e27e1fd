//! A program that uses the REST interface and does not give up: what can be asked again safely is asked until it is answered.

use std::time::{Duration, Instant};

use chassis::tls::{HTTP1, Trust};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::installation::Installation;
use crate::jupyter::Jupyter;

/// Longest time that something may take while programs crash.
pub(crate) const PATIENCE: Duration = Duration::from_secs(180);
/// Pause before something is asked again.
const AGAIN: Duration = Duration::from_millis(150);

/// A user of the REST interface.
#[derive(Clone, Debug)]
pub(crate) struct Rest {
    http: reqwest::Client,
    server: String,
    edge: u16,
    /// Whom its users trust.
    trust: Trust,
    key: String,
}

/// Gives `condition`'s value once there is one.
///
/// # Panics
/// When there is none for [`PATIENCE`].
pub(crate) async fn patiently<T, F: Future<Output = Option<T>>>(
    what: &str,
    mut condition: impl FnMut() -> F,
) -> T {
    let started = Instant::now();
    loop {
        if let Some(value) = condition().await {
            return value;
        }
        assert!(
            started.elapsed() < PATIENCE,
            "waited {PATIENCE:?} for {what}"
        );
        tokio::time::sleep(AGAIN).await;
    }
}

impl Rest {
    pub(crate) fn of(quire: &Installation) -> Self {
        let trust = quire.trust();
        let tls = trust.client_config(&[HTTP1]).unwrap();
        let http = reqwest::Client::builder()
            .tls_backend_preconfigured((*tls).clone())
            .timeout(Duration::from_secs(20));
        Self {
            http: http.build().unwrap(),
            server: quire.server(),
            edge: quire.edge,
            trust,
            key: quire.key.clone(),
        }
    }

    /// A notebook, from the interface's JSON, as its user reaches it.
    pub(crate) fn jupyter(&self, notebook: &Value) -> Jupyter {
        let scheme = self.server.split(':').next().unwrap();
        let host = notebook["fqdn"].as_str().unwrap();
        let url = format!("{scheme}://{host}:{}/", self.edge);
        let reached = json!({"url": url, "token": notebook["token"]});
        Jupyter::new(&reached, &self.trust)
    }

    /// One answer; `None` when nobody answers, or only that it cannot be answered now.
    async fn ask(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> Option<(StatusCode, Value)> {
        let url = format!("{}{path}", self.server);
        let request = self.http.request(method, url).bearer_auth(&self.key);
        let request = match body {
            Some(body) => request.json(body),
            None => request,
        };
        let response = request.send().await.ok()?;
        let status = response.status();
        let later = [StatusCode::REQUEST_TIMEOUT, StatusCode::TOO_MANY_REQUESTS];
        let passing = status.is_server_error() || later.contains(&status);
        let answer = response.json().await.ok()?;
        (!passing).then_some((status, answer))
    }

    /// Asks until there is an answer.
    pub(crate) async fn insist(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> (StatusCode, Value) {
        let what = format!("an answer to {method} {path}");
        patiently(&what, || self.ask(method.clone(), path, body)).await
    }

    async fn succeed(&self, method: Method, path: &str, body: Option<&Value>) -> Value {
        let (status, answer) = self.insist(method, path, body).await;
        assert_eq!(status, StatusCode::OK, "{path}: {answer}");
        answer
    }

    /// Makes a notebook; the same name gives the same one.
    pub(crate) async fn create(&self, name: &str) -> Value {
        let new =
            json!({"name": name, "machineType": "C3", "environment": "python", "requestId": name});
        self.succeed(Method::POST, "/v1/notebooks", Some(&new))
            .await
    }

    pub(crate) async fn start(&self, id: &str) {
        self.succeed(
            Method::POST,
            &format!("/v1/notebooks/{id}/start"),
            Some(&json!({})),
        )
        .await;
    }

    pub(crate) async fn stop(&self, id: &str) {
        self.succeed(
            Method::POST,
            &format!("/v1/notebooks/{id}/stop"),
            Some(&json!({})),
        )
        .await;
    }

    /// Waits until a notebook is in this state; another state in which it would rest ends the test.
    pub(crate) async fn wait_for(&self, id: &str, wanted: &str) {
        let path = format!("/v1/notebooks/{id}/status");
        patiently(&format!("{id} to be {wanted}"), || async {
            let (status, answer) = self.ask(Method::GET, &path, None).await?;
            assert_eq!(status, StatusCode::OK, "{answer}");
            let state = answer["state"].as_str().unwrap_or_default();
            let lost = ["Failed", "Error", "Cancelled"].contains(&state);
            assert!(!lost, "{id} should be {wanted}: {answer}");
            (state == wanted).then_some(())
        })
        .await;
    }

    /// Deletes a notebook and waits until nobody knows it.
    pub(crate) async fn delete(&self, id: &str) {
        let path = format!("/v1/notebooks/{id}");
        let (status, answer) = self.insist(Method::DELETE, &path, None).await;
        // Asked twice it may be gone already.
        let known = [StatusCode::OK, StatusCode::NOT_FOUND];
        assert!(known.contains(&status), "{answer}");
        patiently(&format!("{id} to be gone"), || async {
            let (status, _) = self.ask(Method::GET, &path, None).await?;
            (status == StatusCode::NOT_FOUND).then_some(())
        })
        .await;
    }

    /// What billing recomputed: the differences.
    pub(crate) async fn audit(&self) -> Value {
        self.succeed(Method::POST, "/v1/audit", Some(&json!({})))
            .await["differences"]
            .clone()
    }

    pub(crate) async fn usage(&self) -> Value {
        self.succeed(Method::GET, "/v1/usage", None).await["lines"].clone()
    }
}

/// Writes a file of a notebook, through the edge.
pub(crate) async fn write_file(jupyter: &Jupyter, text: &str) {
    let body = json!({"type": "file", "format": "text", "content": text});
    patiently("a written file", || async {
        let sent = jupyter.try_put("/api/contents/kept.txt", &body).await;
        sent.is_ok_and(|answer| answer.status().is_success())
            .then_some(())
    })
    .await;
}

/// Reads it.
pub(crate) async fn read_file(jupyter: &Jupyter) -> String {
    patiently("a file to read", || async {
        let answer = jupyter.try_get("/api/contents/kept.txt").await.ok()?;
        // The edge says 404 of a notebook that it does not know yet; only Jupyter speaks of a file.
        let file: Value = answer.json().await.ok()?;
        let message = file["message"].as_str().unwrap_or_default();
        assert!(
            !message.contains("No such file"),
            "the file is lost: {file}"
        );
        file["content"].as_str().map(str::to_owned)
    })
    .await
}
