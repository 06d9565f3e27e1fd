//! Quire's own calls.

use http::Request;
use http_body_util::Full;
use serde_json::json;

use crate::house::{House, OWNER, VIEWER};
use crate::identity::AUTHORITY;
use crate::notebook::BROKEN;

#[tokio::test]
async fn the_same_request_id_gives_the_same_notebook() {
    let house = House::start().await;
    let with_header = |key: &str| {
        let request = Request::post(house.client.url("/v1/notebooks"))
            .header("authorization", format!("Bearer {OWNER}"));
        request
            .header("idempotency-key", key)
            .body(Full::from("{\"name\": \"n\"}"))
            .unwrap()
    };
    let first = house.client.raw(with_header("one"), false).await.ok();
    let again = house.client.raw(with_header("one"), true).await.ok();
    let body = json!({ "name": "n", "requestId": "one" }).to_string();
    let by_body = house.client.post("/v1/notebooks", OWNER, &body).await.ok();
    assert_eq!((&first, &first), (&again, &by_body));
    let other = house.client.raw(with_header("two"), false).await.ok();
    assert_ne!(first["id"], other["id"]);
}

#[tokio::test]
async fn notebooks_start_stop_explain_and_go() {
    let house = House::start().await;
    house
        .client
        .post("/v1/notebooks", OWNER, "{\"name\": \"n\"}")
        .await
        .ok();
    // Actions take no body, an empty one, or an empty object.
    for body in ["", " ", "{}"] {
        let running = house
            .client
            .post("/v1/notebooks/n/start", OWNER, body)
            .await
            .ok();
        assert_eq!(running["state"], "Running");
        assert!(running["dtStarted"].is_string());
    }
    let message = house
        .client
        .post("/v1/notebooks/n/stop", OWNER, "{\"force\": true}")
        .await
        .failed(400, "BAD_REQUEST");
    assert!(message.starts_with("force: unknown field"), "{message}");
    assert_eq!(
        house
            .client
            .post("/v1/notebooks/n/stop", OWNER, "")
            .await
            .ok()["state"],
        "Stopped"
    );

    let status = house
        .client
        .get("/v1/notebooks/n/status", VIEWER)
        .await
        .ok();
    assert_eq!(status["state"], "Pending");
    assert_eq!(
        (&status["reason"], &status["summary"]),
        (&json!("waits for a machine"), &json!("no room"))
    );
    assert_eq!(
        (&status["details"], &status["workloadId"]),
        (&json!(["2 of 2 nodes are full"]), &json!(null))
    );
    assert_eq!(status["revision"], 1);

    let id = house.client.get("/v1/notebooks/n", VIEWER).await.ok()["id"].clone();
    assert_eq!(
        house
            .client
            .send("DELETE", "/v1/notebooks/n", OWNER, "")
            .await
            .ok(),
        json!({ "id": id })
    );
    house
        .client
        .send("DELETE", "/v1/notebooks/n", VIEWER, "")
        .await
        .failed(403, "FORBIDDEN");
}

#[tokio::test]
async fn a_notebook_is_planned_changed_and_removed_without_its_files() {
    let house = House::start().await;
    let body = r#"{"name": "n", "gpu": "a100:2", "memory": "16GiB"}"#;
    let plan = house
        .client
        .post("/v1/notebooks/plan", OWNER, body)
        .await
        .ok();
    assert_eq!(
        (&plan["machineType"], &plan["gpus"], &plan["memoryMib"]),
        (&json!("A100x2"), &json!(2), &json!(16_384))
    );
    assert_eq!(
        (&plan["pricePerHour"], &plan["most"]["decimal"]),
        (&json!("6.18"), &json!("6.180000"))
    );
    house
        .client
        .get("/v1/notebooks/n", OWNER)
        .await
        .failed(404, "NOT_FOUND");

    house
        .client
        .post("/v1/notebooks", OWNER, r#"{"name": "n"}"#)
        .await
        .ok();
    let restarted = house
        .client
        .post("/v1/notebooks/n/restart", OWNER, "")
        .await;
    assert_eq!(restarted.ok()["name"], "n");
    let body = r#"{"machineType": "C5"}"#;
    let changed = house
        .client
        .send("PATCH", "/v1/notebooks/n", OWNER, body)
        .await
        .ok();
    assert_eq!(
        (&changed["notebook"]["machineType"], &changed["note"]),
        (&json!("C5"), &json!("its files lie elsewhere"))
    );
    let nothing = house
        .client
        .send("PATCH", "/v1/notebooks/n", OWNER, "{}")
        .await;
    nothing.failed(400, "BAD_REQUEST");
    let rotated = house
        .client
        .post("/v1/notebooks/n/token", OWNER, "")
        .await
        .ok();
    assert_eq!(rotated["token"], "another");
    let path = "/v1/notebooks/n?keepVolume=true";
    house.client.send("DELETE", path, OWNER, "").await.ok();
    assert!(*house.notebooks.kept.lock().unwrap());

    let costs = house
        .client
        .get("/v1/resource-costs?ids=nb-1,nb-new", VIEWER)
        .await
        .ok();
    assert_eq!(costs["costs"].as_array().unwrap().len(), 1);
    assert_eq!(
        (
            &costs["costs"][0]["resourceId"],
            &costs["costs"][0]["total"]["decimal"]
        ),
        (&json!("nb-1"), &json!("0.004500"))
    );
}

#[tokio::test]
async fn what_can_be_launched_keeps_its_order() {
    let house = House::start().await;
    let names = async |query: &str| {
        let list = house
            .client
            .get(&format!("/v1/machine-types?{query}"), VIEWER)
            .await
            .ok();
        let items = list["items"].as_array().unwrap().iter();
        (
            items
                .map(|item| item["name"].as_str().unwrap().to_owned())
                .collect::<Vec<_>>(),
            list["nextPage"].clone(),
        )
    };
    let (first, next) = names("limit=2").await;
    assert_eq!(first, ["C9", "C10"]);
    let (rest, end) = names(&format!("limit=2&after={}", next.as_str().unwrap())).await;
    assert_eq!((rest, end), (vec!["C1".to_owned()], json!(null)));
    let types = house.client.get("/v1/machine-types", VIEWER).await.ok();
    let second = &types["items"][1];
    assert_eq!(
        (
            &second["freeNow"],
            &second["total"],
            &second["pricePerHour"]
        ),
        (&json!(2), &json!(9), &json!("0.00"))
    );
    // The catalogue is shown also when nobody knows what is free.
    house.end_service("scheduler");
    testkit::eventually("the scheduler to be away", || async {
        let types = house.client.get("/v1/machine-types", VIEWER).await.ok();
        (types["items"][1]["freeNow"] == json!(null)).then_some(())
    })
    .await;
    let environments = house.client.get("/v1/environments", VIEWER).await.ok();
    let names = ["frames", "python"].map(|name| json!(name));
    assert_eq!(
        [0, 1].map(|at| environments["items"][at]["name"].clone()),
        names
    );
    let nowhere = house.client.get("/v1/environments/nowhere", VIEWER).await;
    assert_eq!(nowhere.status, 404);
}

#[tokio::test]
async fn templates_are_shown_with_their_files() {
    let house = House::start().await;
    let listed = house.client.get("/v1/templates", VIEWER).await.ok();
    let file = json!({ "path": "start.ipynb", "size": 2, "executable": false });
    assert_eq!(listed["items"][0]["files"], json!([file]));
    let shown = house.client.get("/v1/templates/scratch", VIEWER).await.ok();
    assert_eq!(shown["environment"], "python");
    assert_eq!(shown["files"][0]["content"], "{}");
    assert_eq!(
        (&shown["id"], &shown["command"]),
        (&json!(null), &json!(""))
    );
    let nowhere = house.client.get("/v1/templates/nowhere", VIEWER).await;
    assert_eq!(nowhere.status, 404);

    let new = json!({ "notebookId": "first", "name": "mine", "paths": ["a"], "command": "make" });
    let made = house
        .client
        .post("/v1/templates", OWNER, &new.to_string())
        .await
        .ok();
    assert_eq!(made["note"], "left out: 1 hidden file");
    let template = &made["template"];
    assert_eq!(
        (
            &template["notebookId"],
            &template["command"],
            &template["dtCreated"]
        ),
        (
            &json!("first"),
            &json!("make"),
            &json!("1970-01-01T00:00:00.000Z")
        )
    );
    let gone = house.client.send("DELETE", "/v1/templates/mine", OWNER, "");
    let gone = gone.await.ok();
    assert_eq!(gone["id"], "tp-1");
}

#[tokio::test]
async fn nodes_are_for_operators() {
    let house = House::start().await;
    let nodes = house.client.get("/v1/nodes", OWNER).await.ok();
    let node = &nodes["items"][0];
    assert_eq!(
        (&node["liveness"], &node["schedulable"]),
        (&json!("ready"), &json!("open"))
    );
    assert_eq!(node["hardware"]["gpus"][0]["memoryMib"], 81_920);
    assert_eq!(node["dtLastSeen"], "2026-09-21T14:13:20.000Z");
    for (action, state) in [
        ("cordon", "cordoned"),
        ("drain", "draining"),
        ("uncordon", "open"),
    ] {
        let node = house
            .client
            .post(&format!("/v1/nodes/box/{action}"), OWNER, "")
            .await
            .ok();
        assert_eq!(node["schedulable"], state);
    }
    house
        .client
        .post("/v1/nodes/none/drain", OWNER, "")
        .await
        .failed(404, "NOT_FOUND");
    let token = house
        .client
        .post("/v1/nodes/join-token", OWNER, "{\"ttlSeconds\": 60}")
        .await
        .ok();
    assert_eq!(
        token,
        json!({ "token": "qj_1", "notice": null, "dtExpires": "2026-09-21T14:14:20.000Z" })
    );
    house
        .client
        .get("/v1/nodes", VIEWER)
        .await
        .failed(403, "FORBIDDEN");
}

#[tokio::test]
async fn money_is_exact_and_readable() {
    let house = House::start().await;
    let prices = house.client.get("/v1/prices", VIEWER).await.ok();
    assert_eq!(prices["items"][0]["pricePerHour"], "0.0045");
    let price = house
        .client
        .send(
            "PUT",
            "/v1/prices/c3",
            OWNER,
            "{\"pricePerHour\": \"5.95\"}",
        )
        .await
        .ok();
    assert_eq!(price["machineType"], "C3");
    assert_eq!(
        (&price["nanosPerHour"], &price["pricePerHour"]),
        (&json!(5_950_000_000_i64), &json!("5.95"))
    );
    for wrong in [
        "{\"pricePerHour\": \"-1\"}",
        "{\"pricePerHour\": 0.1}",
        "{}",
    ] {
        let message = house
            .client
            .send("PUT", "/v1/prices/C3", OWNER, wrong)
            .await
            .failed(400, "BAD_REQUEST");
        assert!(message.starts_with("pricePerHour: "), "{message}");
    }
    let unknown = house
        .client
        .send("PUT", "/v1/prices/C0", OWNER, "{\"pricePerHour\": \"1\"}")
        .await
        .failed(400, "BAD_REQUEST");
    assert!(unknown.starts_with("machineType: "), "{unknown}");
    let usage = house
        .client
        .get("/v1/usage?from=2026-01-01&to=2026-01-02T00:00:00Z", VIEWER)
        .await
        .ok();
    assert_eq!(
        usage["total"],
        json!({ "micros": 4_500, "currency": "USD", "decimal": "0.004500" })
    );
    let line = &usage["lines"][0];
    assert_eq!(
        (&line["from"], &line["until"]),
        (
            &json!("2026-01-01T00:00:00.000Z"),
            &json!("2026-01-02T00:00:00.000Z")
        )
    );
    house
        .client
        .get("/v1/usage?from=yesterday", VIEWER)
        .await
        .failed(400, "BAD_REQUEST");
    let invoice = house.client.get("/v1/invoices/2026-01", VIEWER).await.ok();
    assert_eq!(
        (&invoice["month"], &invoice["rounding"]["micros"]),
        (&json!("2026-01"), &json!(4_500))
    );
    house
        .client
        .get("/v1/invoices/soon", VIEWER)
        .await
        .failed(400, "BAD_REQUEST");
    let audit = house.client.post("/v1/audit", OWNER, "").await.ok();
    assert_eq!(
        audit,
        json!({ "attempts": 3, "transactions": 4, "differences": ["at-1 is billed 1 ms too long"] })
    );
}

#[tokio::test]
async fn keys_are_made_listed_and_revoked() {
    let house = House::start().await;
    let body =
        json!({ "name": "ci", "scopes": ["notebook:read"], "dtExpires": "2027-01-01" }).to_string();
    let made = house.client.post("/v1/api-keys", VIEWER, &body).await.ok();
    assert_eq!(
        (&made["key"], &made["apiKey"]["name"]),
        (&json!("qk_new"), &json!("ci"))
    );
    assert_eq!(made["apiKey"]["dtExpires"], "2027-01-01T00:00:00.000Z");
    assert_eq!(
        house.client.get("/v1/api-keys", VIEWER).await.ok()["items"][0]["id"],
        "ak-1"
    );
    let revoked = house
        .client
        .send("DELETE", "/v1/api-keys/ak-1", VIEWER, "")
        .await
        .ok();
    assert!(revoked["dtRevoked"].is_string());
}

#[tokio::test]
async fn ssh_keys_are_registered_listed_and_forgotten() {
    let house = House::start().await;
    let body = json!({ "name": "laptop", "publicKey": "ssh-ed25519 AAAA" }).to_string();
    let made = house.client.post("/v1/ssh-keys", VIEWER, &body).await.ok();
    assert_eq!(
        (&made["name"], &made["publicKey"], &made["fingerprint"]),
        (
            &json!("laptop"),
            &json!("ssh-ed25519 AAAA"),
            &json!("SHA256:a")
        )
    );
    let listed = house.client.get("/v1/ssh-keys", VIEWER).await.ok();
    assert_eq!(listed["items"][0]["id"], "sk-1");
    let forgotten = house
        .client
        .send("DELETE", "/v1/ssh-keys/laptop", VIEWER, "")
        .await
        .ok();
    assert_eq!(forgotten["id"], "laptop", "as it was named");
}

#[tokio::test]
async fn notebooks_are_shared_listed_and_taken_back() {
    let house = House::start().await;
    let new = "{\"name\": \"n\"}";
    house.client.post("/v1/notebooks", OWNER, new).await.ok();
    let path = "/v1/notebooks/n/shares";
    let body = json!({ "access": "view", "dtExpires": "2027-01-01" }).to_string();
    let made = house.client.post(path, OWNER, &body).await.ok();
    assert!(
        made["link"]
            .as_str()
            .unwrap()
            .ends_with("?token=shown-once"),
        "{made}"
    );
    assert_eq!(
        (&made["share"]["access"], &made["share"]["dtExpires"]),
        (&json!("view"), &json!("2027-01-01T00:00:00.000Z"))
    );
    let body = json!({ "access": "use", "email": "bob@example.org" }).to_string();
    let made = house.client.post(path, OWNER, &body).await.ok();
    assert_eq!(
        (&made["share"]["email"], &made["link"]),
        (&json!("bob@example.org"), &json!(null))
    );
    let listed = house.client.get(path, OWNER).await.ok();
    assert_eq!(listed["items"][0]["id"], "sh-1");
    let revoked = house
        .client
        .send("DELETE", &format!("{path}/sh-9"), OWNER, "")
        .await
        .ok();
    assert_eq!(revoked["id"], "sh-9");
    let mine = house.client.get("/v1/shared-notebooks", OWNER).await.ok();
    assert_eq!(
        (&mine["items"][0]["name"], &mine["items"][0]["token"]),
        (&json!("theirs"), &json!("for-me"))
    );
}

#[tokio::test]
async fn anyone_may_ask_what_this_is() {
    let house = House::start().await;
    assert_eq!(house.client.get("/v1/health", "").await.ok(), "HEALTHY");
    assert_eq!(
        house.client.get("/", "").await.ok()["openapi"],
        "/v1/openapi.json"
    );
    let request =
        Request::get(house.client.url("/v1/openapi.json")).header("x-request-id", "build-17");
    let answer = house
        .client
        .raw(request.body(Full::default()).unwrap(), true)
        .await;
    assert_eq!(answer.headers["x-request-id"], "build-17");
    assert_eq!(answer.headers["content-type"], "application/json");
    assert_eq!(answer.ok()["info"]["title"], "Quire");
    let answer = house.client.get("/v1/nothing", "").await;
    assert!(answer.headers["x-request-id"].len() > 30);
}

#[tokio::test]
async fn anyone_may_have_the_authority() {
    let house = House::start().await;
    let answer = house.client.get("/v1/authority", "").await;
    assert_eq!(answer.headers["content-type"], "application/x-pem-file");
    assert_eq!(answer.ok(), AUTHORITY);
    house.end_service("identity");
    let gone = house.client.get("/v1/authority", "").await;
    gone.failed(503, "INTERNAL_SERVER_ERROR");
}

#[tokio::test]
async fn defects_keep_their_causes_inside() {
    let house = House::start().await;
    let answer = house
        .client
        .get(&format!("/v1/notebooks/{BROKEN}"), OWNER)
        .await;
    let message = answer.failed(500, "INTERNAL_SERVER_ERROR");
    assert!(
        !message.contains("hunter2") && !message.contains("row"),
        "{message}"
    );
}

#[tokio::test]
async fn nodes_drain_are_given_up_and_go() {
    let house = House::start().await;
    let client = &house.client;
    let body = "{\"deadlineSeconds\": 7200}";
    let drained = client.post("/v1/nodes/box/drain", OWNER, body).await.ok();
    assert_eq!(drained["schedulable"], "draining");
    assert!(drained["dtGivenUp"].is_null() && drained["dtDrainDeadline"].is_null());
    let still = client.get("/v1/nodes/box/work", OWNER).await.ok();
    assert_eq!(
        still,
        json!({
            "nodeId": "no-1",
            "work": [{
                "workloadId": "wo-1",
                "ownerId": "nb-1",
                "kind": "notebook",
                "teamId": "te-1",
                "state": "running",
                "reason": "",
                "dtUntil": "2026-09-21T14:13:20.000Z",
                "movable": false,
            }],
            "volumes": 3,
        })
    );
    let refused = client.send("DELETE", "/v1/nodes/full", OWNER, "").await;
    let message = refused.failed(412, "PRECONDITION_FAILED");
    assert_eq!(message, "node full still runs nb-1");
    let gone = client.send("DELETE", "/v1/nodes/box", OWNER, "").await.ok();
    assert_eq!(gone, json!({ "id": "no-2" }));
    let given_up = client.post("/v1/nodes/box/give-up", OWNER, "").await.ok();
    assert!(given_up["dtGivenUp"].is_string());
    let lives = client.post("/v1/nodes/lives/give-up", OWNER, "").await;
    lives.failed(412, "PRECONDITION_FAILED");
    let viewer = client.get("/v1/nodes/box/work", VIEWER).await;
    viewer.failed(403, "FORBIDDEN");
}

#[tokio::test]
async fn members_have_roles_in_projects() {
    let house = House::start().await;
    let client = &house.client;
    let body = "{\"user\": \"bob@example.org\", \"role\": \"viewer\"}";
    let given = client
        .post("/v1/projects/p/members", OWNER, body)
        .await
        .ok();
    assert_eq!(
        given,
        json!({
            "projectId": "p", "userId": "us-2", "email": "bob@example.org", "role": "viewer",
        })
    );
    let listed = client.get("/v1/projects/p/members", VIEWER).await.ok();
    assert_eq!(listed["items"][0]["role"], "none");
    let unknown = "{\"user\": \"bob@example.org\", \"role\": \"operator\"}";
    let refused = client.post("/v1/projects/p/members", OWNER, unknown).await;
    let message = refused.failed(400, "BAD_REQUEST");
    assert!(message.starts_with("role: unknown variant"), "{message}");
    let path = "/v1/projects/p/members/bob@example.org";
    let removed = client.send("DELETE", path, OWNER, "").await.ok();
    assert_eq!(removed, json!({ "user": "bob@example.org" }));
}

#[tokio::test]
async fn volumes_say_what_they_take_and_may() {
    let house = House::start().await;
    let client = &house.client;
    let listed = client.get("/v1/volumes", OWNER).await.ok();
    let volume = &listed["items"][0];
    assert_eq!(
        (&volume["quotaBytes"], &volume["usedBytes"], &volume["fill"]),
        (
            &json!(10_u64 << 30),
            &json!(9_u64 << 30),
            &json!("nearlyFull")
        )
    );
    let body = "{\"quotaBytes\": 53687091200}";
    let resized = client.send("PATCH", "/v1/volumes/box", OWNER, body).await;
    assert_eq!(resized.ok()["quotaBytes"], 50_u64 << 30);
    let wrong = client
        .send("PATCH", "/v1/volumes/box", OWNER, "{\"quota\": 1}")
        .await;
    let message = wrong.failed(400, "BAD_REQUEST");
    assert!(message.starts_with("quota: unknown field"), "{message}");
}
