//! Requests that are wrong, and what they are told.

use crate::house::{House, OWNER};

#[tokio::test]
async fn wrong_paths_methods_and_bodies_say_what_is_wrong() {
    let house = House::start().await;
    for (method, path) in [
        ("GET", "/v1/nothing"),
        ("GET", "/v2/projects"),
        ("PATCH", "/v1/projects"),
        ("DELETE", "/v1/auth/session"),
        ("POST", "/v1/notebooks/nb-1"),
        ("GET", "/v1/notebooks/nb-1/start"),
        ("OPTIONS", "/v1/projects"),
        ("GET", "/metrics"),
    ] {
        let answer = house.client.send(method, path, OWNER, "").await;
        assert_eq!(
            answer.failed(404, "NOT_FOUND"),
            "Not found",
            "{method} {path}"
        );
    }
    for (body, code, word) in [
        ("{\"name\": ", "PARSE_ERROR", "line 1 column 9"),
        ("[]", "BAD_REQUEST", "body: "),
        ("{}", "BAD_REQUEST", "name: missing field"),
        ("", "BAD_REQUEST", "name: missing field"),
        (
            "{\"name\": 3}",
            "BAD_REQUEST",
            "name: invalid type: integer `3`",
        ),
        (
            "{\"name\": \"a\", \"nmae\": \"b\"}",
            "BAD_REQUEST",
            "nmae: unknown field",
        ),
        (
            "{\"name\": \"\"}",
            "BAD_REQUEST",
            "name: has 0 characters; 1 to 100 are allowed",
        ),
    ] {
        let message = house
            .client
            .post("/v1/projects", OWNER, body)
            .await
            .failed(400, code);
        assert!(message.contains(word), "{body}: {message}");
    }
    for (query, word) in [
        ("limit=0", "limit: "),
        ("limit=121", "120"),
        ("order=up", "asc or desc"),
        ("orderBy=x", "dtCreated"),
    ] {
        let message = house
            .client
            .get(&format!("/v1/projects?{query}"), OWNER)
            .await
            .failed(400, "BAD_REQUEST");
        assert!(message.contains(word), "{query}: {message}");
    }
    let message = house
        .client
        .post("/v1/notebooks", OWNER, "{\"container\": \"x\"}")
        .await
        .failed(400, "BAD_REQUEST");
    assert!(
        message.starts_with("container: ") && message.contains("environment"),
        "{message}"
    );
    let long = format!("/v1/notebooks/{}", "x".repeat(300));
    house
        .client
        .get(&long, OWNER)
        .await
        .failed(400, "BAD_REQUEST");
    house
        .client
        .get("/v1/notebooks/%ff", OWNER)
        .await
        .failed(400, "BAD_REQUEST");
}
