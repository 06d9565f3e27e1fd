//! People of teams and projects, in Paperspace's shapes.

use serde_json::json;

use crate::house::{House, OWNER, VIEWER};
use crate::notebook::FULL;

#[tokio::test]
async fn memberships_change_and_end() {
    let house = House::start().await;
    let client = &house.client;
    let (team, viewer) = (&house.identity.team, &house.identity.viewer);
    let path = format!("/v1/teams/{team}/users/{viewer}");
    let put = async |admin: bool| {
        let body = json!({ "isAdmin": admin }).to_string();
        client.send("PUT", &path, OWNER, &body).await.ok()
    };
    let made = put(true).await;
    assert_eq!(
        (&made["isAdmin"], &made["isOwner"]),
        (&json!(true), &json!(false))
    );
    assert!(made["dtConfirmed"].is_string() && made.get("dtDeleted").is_none());
    // A viewer is no admin: to be told so changes nothing.
    assert_eq!(put(false).await["isAdmin"], false);

    let removed = client.send("DELETE", &path, OWNER, "").await.ok();
    assert!(removed["dtDeleted"].is_string(), "{removed}");
    let owner = format!("/v1/teams/{team}/users/{}", house.identity.owner);
    let last = client.send("DELETE", &owner, OWNER, "").await;
    assert!(
        last.failed(412, "PRECONDITION_FAILED")
            .contains("last owner")
    );
    let denied = client.send("DELETE", &path, VIEWER, "").await;
    denied.failed(403, "FORBIDDEN");
    let nobody = format!("/v1/teams/{team}/users/us-nobody");
    let body = json!({ "isAdmin": true }).to_string();
    client
        .send("PUT", &nobody, OWNER, &body)
        .await
        .failed(404, "NOT_FOUND");
    let other = format!(
        "/v1/teams/{}/users/{viewer}",
        kernel::id::TeamId::generate()
    );
    for method in ["PUT", "DELETE"] {
        let body = if method == "PUT" { body.as_str() } else { "" };
        client
            .send(method, &other, OWNER, body)
            .await
            .failed(404, "NOT_FOUND");
    }
}

#[tokio::test]
async fn collaborators_are_who_has_a_role_in_the_project() {
    let house = House::start().await;
    let client = &house.client;
    let path = "/v1/projects/p/collaborators";
    let listed = client.get(path, VIEWER).await.ok();
    let items = listed["items"].as_array().unwrap();
    assert_eq!(items.len(), 1, "who is shut out is none: {listed}");
    assert_eq!(
        items[0]["user"],
        json!({ "id": "us-3", "email": "3@quire.test" })
    );
    assert!(items[0]["dtCreated"].is_string());
    // Who has a role there keeps it; others become members.
    let known = json!({ "userId": "us-3" }).to_string();
    assert_eq!(client.post(path, OWNER, &known).await.ok(), items[0]);
    let new = json!({ "userId": "us-9" }).to_string();
    let added = client.post(path, OWNER, &new).await.ok();
    assert_eq!(added["user"]["email"], "us-9");
    client
        .post(path, VIEWER, &new)
        .await
        .failed(403, "FORBIDDEN");
    let gone = client
        .send("DELETE", &format!("{path}/us-3"), OWNER, "")
        .await;
    assert_eq!(gone.ok(), json!({ "userId": "us-3" }));
}

#[tokio::test]
async fn projects_are_renamed_and_deleted() {
    let house = House::start().await;
    let client = &house.client;
    let made = client
        .post("/v1/projects", OWNER, "{\"name\": \"p\"}")
        .await
        .ok();
    let renamed = client
        .send("PUT", "/v1/projects/p", OWNER, "{\"name\": \"q\"}")
        .await;
    let renamed = renamed.ok();
    assert_eq!(
        (&renamed["name"], &renamed["id"]),
        (&json!("q"), &made["id"])
    );
    let unknown = client
        .send("PUT", "/v1/projects/p", OWNER, "{\"name\": \"q\"}")
        .await;
    unknown.failed(404, "NOT_FOUND");
    let gone = client
        .send("DELETE", "/v1/projects/q", OWNER, "")
        .await
        .ok();
    assert_eq!(gone["name"], "q");
    assert!(gone["dtDeleted"].is_string(), "{gone}");
    let full = client
        .send("DELETE", &format!("/v1/projects/{FULL}"), OWNER, "")
        .await;
    assert!(
        full.failed(412, "PRECONDITION_FAILED")
            .contains("still has notebooks")
    );
}

#[tokio::test]
async fn one_node_is_found_by_identifier_or_name() {
    let house = House::start().await;
    let client = &house.client;
    let listed = client.get("/v1/nodes", OWNER).await.ok()["items"][0].clone();
    for key in ["id", "name"] {
        let path = format!("/v1/nodes/{}", listed[key].as_str().unwrap());
        assert_eq!(client.get(&path, OWNER).await.ok(), listed);
    }
    client
        .get("/v1/nodes/none", OWNER)
        .await
        .failed(404, "NOT_FOUND");
}
