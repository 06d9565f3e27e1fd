//! Paperspace's nouns in Paperspace's shapes: key by key as its public OpenAPI document (version 1) and its command line's
//! types name them.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::house::{House, OWNER, SCOPED, VIEWER};

/// Checks that an object has all of `required`, and besides at most `optional`.
fn has_keys(value: &Value, required: &[&str], optional: &[&str]) {
    let found: BTreeSet<&str> = value
        .as_object()
        .unwrap()
        .keys()
        .map(String::as_str)
        .collect();
    let required: BTreeSet<&str> = required.iter().copied().collect();
    let allowed: BTreeSet<&str> = required
        .iter()
        .copied()
        .chain(optional.iter().copied())
        .collect();
    assert!(
        found.is_superset(&required),
        "missing {:?} in {value}",
        required.difference(&found)
    );
    assert!(
        found.is_subset(&allowed),
        "unknown {:?} in {value}",
        found.difference(&allowed)
    );
}

fn is_time(value: &Value) {
    let text = value.as_str().unwrap();
    assert!(
        text.len() == 24 && text.ends_with('Z') && text.as_bytes()[19] == b'.',
        "{text}"
    );
}

const USER_OPTIONAL: [&str; 4] = [
    "firstName",
    "lastName",
    "publicProfileImageUrl",
    "lastActive",
];
const PROJECT_OPTIONAL: [&str; 4] = ["dtDeleted", "repoNodeId", "repoName", "repoUrl"];
const NOTEBOOK: [&str; 12] = [
    "id",
    "name",
    "projectId",
    "notebookRepoId",
    "machineType",
    "state",
    "fqdn",
    "token",
    "startedByUser",
    "dtCreated",
    "dtModified",
    "dtStarted",
];

#[tokio::test]
async fn the_session_has_paperspaces_shape() {
    let house = House::start().await;
    let session = house
        .client
        .get("/v1/auth/session?json=true", OWNER)
        .await
        .ok();
    has_keys(&session, &["user", "team"], &[]);
    let user = &session["user"];
    has_keys(
        user,
        &[
            "firstName",
            "lastName",
            "email",
            "dtCreated",
            "dtConfirmed",
            "teamMemberships",
            "isPhoneVerified",
            "isPasswordAuthEnabled",
            "isQrCodeBasedMfaEnabled",
            "isQrCodeBasedMfaConfirmed",
            "id",
            "analyticsId",
            "metadata",
        ],
        &["preferences"],
    );
    has_keys(
        &session["team"],
        &["namespace", "isPrivate", "maxMachines", "id", "analyticsId"],
        &[],
    );
    let membership = &user["teamMemberships"][0];
    has_keys(membership, &["team", "isOwner", "isAdmin"], &[]);
    let optional = ["publicProfileImageUrl"];
    has_keys(
        &membership["team"],
        &["name", "id", "namespace", "isUserTeam", "dtCreated"],
        &optional,
    );
    assert_eq!(
        (
            &user["isPhoneVerified"],
            &user["preferences"],
            &user["metadata"]
        ),
        (&json!(false), &json!({}), &json!({}))
    );
    assert_eq!(
        (&user["firstName"], &user["lastName"]),
        (&json!("Ada Lovelace"), &json!(null))
    );
    assert_eq!(
        (&membership["isOwner"], &membership["isAdmin"]),
        (&json!(true), &json!(true))
    );
    is_time(&user["dtCreated"]);

    let viewer = house.client.get("/v1/auth/session", VIEWER).await.ok();
    assert_eq!(
        viewer["user"]["teamMemberships"][0]["isAdmin"],
        json!(false)
    );
}

#[tokio::test]
async fn team_members_have_paperspaces_shape() {
    let house = House::start().await;
    let path = format!("/v1/teams/{}/users", house.identity.team);
    let list = house.client.get(&path, VIEWER).await.ok();
    has_keys(&list, &["hasMore", "items"], &["nextPage"]);
    for item in list["items"].as_array().unwrap() {
        has_keys(item, &["isAdmin", "isOwner", "user"], &["dtConfirmed"]);
        has_keys(&item["user"], &["id", "email"], &USER_OPTIONAL);
    }
    let owners = house
        .client
        .get(&format!("{path}?role=owner"), VIEWER)
        .await
        .ok();
    assert_eq!(owners["items"].as_array().unwrap().len(), 1);
    assert_eq!(owners["items"][0]["user"]["email"], "ada@example.org");
    house
        .client
        .get(&format!("{path}?role=boss"), VIEWER)
        .await
        .failed(400, "BAD_REQUEST");

    let other = format!("/v1/teams/{}/users", kernel::id::TeamId::generate());
    house
        .client
        .get(&other, VIEWER)
        .await
        .failed(404, "NOT_FOUND");
}

#[tokio::test]
async fn projects_have_paperspaces_shape_and_pages() {
    let house = House::start().await;
    for number in 0..5 {
        let body = json!({ "name": format!("project {number}") }).to_string();
        let project = house.client.post("/v1/projects", OWNER, &body).await.ok();
        has_keys(&project, &["id", "name", "dtCreated"], &PROJECT_OPTIONAL);
        house.clock.advance(chrono::TimeDelta::seconds(1));
    }
    let mut names = Vec::new();
    let mut path = "/v1/projects?limit=2&surprise=1".to_owned();
    loop {
        let list = house.client.get(&path, OWNER).await.ok();
        has_keys(&list, &["hasMore", "items"], &["nextPage"]);
        assert_eq!(
            list["hasMore"].as_bool().unwrap(),
            list.get("nextPage").is_some()
        );
        names.extend(
            list["items"]
                .as_array()
                .unwrap()
                .iter()
                .map(|item| item["name"].as_str().unwrap().to_owned()),
        );
        let Some(next) = list["nextPage"].as_str() else {
            break;
        };
        path = format!("/v1/projects?limit=2&after={next}");
    }
    assert_eq!(
        names,
        [
            "project 4",
            "project 3",
            "project 2",
            "project 1",
            "project 0"
        ]
    );
    let oldest = house
        .client
        .get("/v1/projects?order=asc&orderBy=dtCreated&limit=1", OWNER)
        .await
        .ok();
    assert_eq!(oldest["items"][0]["name"], "project 0");

    let project = house
        .client
        .get("/v1/projects/project%203", OWNER)
        .await
        .ok();
    assert_eq!(project["name"], "project 3");
    house
        .client
        .get("/v1/projects/none", OWNER)
        .await
        .failed(404, "NOT_FOUND");
    let taken = house
        .client
        .post("/v1/projects", OWNER, "{\"name\": \"project 1\"}")
        .await;
    assert!(taken.failed(409, "CONFLICT").contains("project 1"));
}

#[tokio::test]
async fn notebooks_have_paperspaces_shape() {
    let house = House::start().await;
    let body = json!({
        "name": "first", "projectId": "pr-1", "machineType": "c3", "isPublic": false, "shutdownTimeout": 6, "container": null,
    });
    let notebook = house
        .client
        .post("/v1/notebooks", OWNER, &body.to_string())
        .await
        .ok();
    has_keys(&notebook, &NOTEBOOK, &[]);
    has_keys(&notebook["startedByUser"], &["id", "email"], &USER_OPTIONAL);
    assert_eq!(
        (&notebook["state"], &notebook["machineType"]),
        (&json!("Pending"), &json!("C3"))
    );
    assert_eq!(
        (&notebook["notebookRepoId"], &notebook["dtStarted"]),
        (&json!(null), &json!(null))
    );
    assert_eq!(notebook["startedByUser"]["email"], "ada@example.org");
    assert_eq!(
        house
            .notebooks
            .last
            .lock()
            .unwrap()
            .clone()
            .unwrap()
            .shutdown_timeout_seconds,
        21_600
    );

    let id = notebook["id"].as_str().unwrap();
    assert_eq!(
        house
            .client
            .get(&format!("/v1/notebooks/{id}"), VIEWER)
            .await
            .ok(),
        notebook
    );
    let list = house
        .client
        .get("/v1/notebooks?name=first", VIEWER)
        .await
        .ok();
    assert_eq!(list["items"], json!([notebook]));

    // A key that may not see people still sees who by identifier.
    let seen = house
        .client
        .get(&format!("/v1/notebooks/{id}"), SCOPED)
        .await
        .ok();
    assert_eq!(
        seen["startedByUser"],
        json!({ "id": house.identity.owner.to_string(), "email": "" })
    );

    let denied = house
        .client
        .post("/v1/notebooks", VIEWER, &body.to_string())
        .await;
    assert!(denied.failed(403, "FORBIDDEN").contains("notebook:write"));
}

#[tokio::test]
async fn notebooks_are_listed_in_either_order_and_by_state() {
    let house = House::start().await;
    for name in ["b", "a", "c"] {
        house
            .client
            .post("/v1/notebooks", OWNER, &json!({ "name": name }).to_string())
            .await
            .ok();
    }
    for (query, expected) in [
        ("", vec!["c", "a", "b"]),
        ("order=asc", vec!["b", "a", "c"]),
        ("orderBy=name&order=asc", vec!["a", "b", "c"]),
        ("orderBy=name", vec!["c", "b", "a"]),
        ("state=pending", vec!["c", "a", "b"]),
        ("state=Running", vec![]),
    ] {
        let mut names = Vec::new();
        let mut after = String::new();
        loop {
            let list = house
                .client
                .get(&format!("/v1/notebooks?{query}&limit=2{after}"), VIEWER)
                .await
                .ok();
            names.extend(
                list["items"]
                    .as_array()
                    .unwrap()
                    .iter()
                    .map(|item| item["name"].clone()),
            );
            let Some(next) = list["nextPage"].as_str() else {
                break;
            };
            after = format!("&after={next}");
        }
        assert_eq!(names, expected, "{query}");
    }
    let message = house
        .client
        .get("/v1/notebooks?state=Asleep", VIEWER)
        .await
        .failed(400, "BAD_REQUEST");
    assert!(
        message.starts_with("state: ") && message.contains("Preempted"),
        "{message}"
    );
}
