//! Idle notebooks: kept alive, and the policies about them.

use serde_json::{Value, json};

use crate::house::{House, OWNER, VIEWER};

#[tokio::test]
async fn a_notebook_is_kept() {
    let house = House::start().await;
    let client = &house.client;
    client
        .post("/v1/notebooks", OWNER, "{\"name\": \"n\"}")
        .await
        .ok();
    let kept = client
        .post("/v1/notebooks/n/extend", OWNER, "{\"seconds\": 7200}")
        .await
        .ok();
    let made = client.get("/v1/notebooks/n", OWNER).await.ok();
    assert_eq!(
        (&kept["id"], &kept["note"]),
        (&made["id"], &json!("as asked"))
    );
    let time =
        |value: &Value| chrono::DateTime::parse_from_rfc3339(value.as_str().unwrap()).unwrap();
    let kept_for = time(&kept["keptUntil"]) - time(&made["dtCreated"]);
    assert_eq!(kept_for.num_seconds(), 7_200);
    for wrong in [
        "",
        "{}",
        "{\"seconds\": -1}",
        "{\"seconds\": 60, \"hours\": 1}",
    ] {
        client
            .post("/v1/notebooks/n/extend", OWNER, wrong)
            .await
            .failed(400, "BAD_REQUEST");
    }
    client
        .post("/v1/notebooks/n/extend", VIEWER, "{\"seconds\": 60}")
        .await
        .failed(403, "FORBIDDEN");
    let status = client.get("/v1/notebooks/n/status", VIEWER).await.ok();
    assert_eq!(
        (&status["stopsAt"], &status["keptUntil"]),
        (&Value::Null, &Value::Null)
    );
}

#[tokio::test]
async fn policies_are_set_listed_and_removed() {
    let house = House::start().await;
    let client = &house.client;
    let set = async |body: Value| {
        client
            .send("PUT", "/v1/idle-policies", OWNER, &body.to_string())
            .await
    };
    let made = set(json!({ "team": true, "timeoutSeconds": 1800, "warnSeconds": 600 }))
        .await
        .ok();
    assert_eq!(
        (&made["team"], &made["projectId"], &made["machineType"]),
        (&json!(true), &Value::Null, &Value::Null)
    );
    set(json!({ "projectId": "p", "timeoutSeconds": 0 }))
        .await
        .ok();
    set(json!({ "machineType": "C3", "timeoutSeconds": 600 }))
        .await
        .ok();
    let listed = client.get("/v1/idle-policies", VIEWER).await.ok();
    let about: Vec<_> = listed["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|policy| {
            (
                policy["timeoutSeconds"].clone(),
                policy["warnSeconds"].clone(),
            )
        })
        .collect();
    assert_eq!(
        about,
        [
            (json!(1800), json!(600)),
            (json!(0), json!(0)),
            (json!(600), json!(0))
        ]
    );
    client
        .send("DELETE", "/v1/idle-policies?machineType=C3", OWNER, "")
        .await
        .ok();
    client
        .send("DELETE", "/v1/idle-policies?team=true", OWNER, "")
        .await
        .ok();
    let listed = client.get("/v1/idle-policies", VIEWER).await.ok();
    assert_eq!(listed["items"].as_array().unwrap().len(), 1);
    assert_eq!(listed["items"][0]["projectId"], "p");

    for wrong in [
        json!({ "timeoutSeconds": 600 }),
        json!({ "team": true, "machineType": "C3", "timeoutSeconds": 600 }),
        json!({ "team": false, "timeoutSeconds": 600 }),
    ] {
        let message = set(wrong).await.failed(400, "BAD_REQUEST");
        assert!(
            message.starts_with("scope: must be exactly one of"),
            "{message}"
        );
    }
    client
        .send(
            "PUT",
            "/v1/idle-policies",
            VIEWER,
            "{\"team\": true, \"timeoutSeconds\": 600}",
        )
        .await
        .failed(403, "FORBIDDEN");
}
