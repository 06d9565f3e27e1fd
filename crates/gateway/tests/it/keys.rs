//! Keys and tokens at the door.

use chrono::TimeDelta;

use crate::house::{House, OWNER};

const MESSAGE: &str = "You must be logged in to access this method.";

#[tokio::test]
async fn what_is_no_key_and_a_key_that_does_not_work_are_told() {
    let house = House::start().await;
    for key in ["", "qs_service", "nonsense", &"x".repeat(5_000)] {
        for path in [
            "/v1/auth/session",
            "/v1/notebooks",
            "/v1/notebooks/nb-1/status",
            "/v1/prices",
        ] {
            let answer = house.client.get(path, key).await;
            assert_eq!(answer.failed(401, "UNAUTHORIZED"), MESSAGE, "{key} {path}");
        }
    }
    let answer = house.client.get("/v1/notebooks", "qk_unknown").await;
    let message = answer.failed(401, "UNAUTHORIZED");
    assert_eq!(message, "authorization: the key is unknown");
    // Who is not logged in learns nothing about the body either.
    let answer = house.client.post("/v1/projects", "", "{").await;
    answer.failed(401, "UNAUTHORIZED");
}

#[tokio::test]
async fn a_revoked_key_ends_soon() {
    let house = House::start().await;
    for _ in 0..3 {
        house.client.get("/v1/auth/session", OWNER).await.ok();
    }
    assert_eq!(house.identity.exchanges(), 1);

    house.identity.revoke(OWNER);
    house.clock.advance(TimeDelta::seconds(59));
    house.client.get("/v1/auth/session", OWNER).await.ok();
    house.clock.advance(TimeDelta::seconds(1));
    let answer = house.client.get("/v1/auth/session", OWNER).await;
    let message = answer.failed(401, "UNAUTHORIZED");
    assert_eq!(message, "authorization: the key is unknown");
    // A refusal is not kept: a key that is made a moment later works at once.
    house
        .client
        .get("/v1/auth/session", OWNER)
        .await
        .failed(401, "UNAUTHORIZED");
    assert_eq!(house.identity.exchanges(), 3);
}

#[tokio::test]
async fn tokens_pass_as_they_are_until_they_expire() {
    let house = House::start().await;
    let token = house.identity.token(OWNER);
    let session = house.client.get("/v1/auth/session", &token).await.ok();
    assert_eq!(session["user"]["email"], "ada@example.org");
    assert_eq!(house.identity.exchanges(), 0);

    let forged = format!("{token}x");
    house
        .client
        .get("/v1/auth/session", &forged)
        .await
        .failed(401, "UNAUTHORIZED");
    house.clock.advance(chassis::auth::TOKEN_LIFETIME);
    let answer = house.client.get("/v1/auth/session", &token).await;
    let message = answer.failed(401, "UNAUTHORIZED");
    assert!(message.contains("expired"), "{message}");
}

#[tokio::test]
async fn identity_that_is_away_is_not_a_wrong_key() {
    let house = House::start().await;
    house.client.get("/v1/auth/session", OWNER).await.ok();
    house.end_service("identity");
    house.clock.advance(TimeDelta::seconds(61));
    let gone = testkit::eventually("identity to be away", || async {
        let answer = house.client.get("/v1/auth/session", OWNER).await;
        (answer.status != 200).then_some(answer)
    });
    let message = gone.await.failed(503, "INTERNAL_SERVER_ERROR");
    assert!(
        message.contains("try again") && !message.contains("127.0.0.1"),
        "{message}"
    );
}
