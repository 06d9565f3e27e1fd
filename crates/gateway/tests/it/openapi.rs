//! The OpenAPI document: checked in, true, and whole.

use std::path::Path;

use serde_json::{Value, json};

use crate::house::{House, OWNER};

const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/openapi.json");
const METHODS: [&str; 5] = ["get", "put", "post", "delete", "patch"];

#[test]
#[allow(
    clippy::disallowed_methods,
    reason = "the way to rewrite the file on purpose is no configuration of the program"
)]
fn the_document_that_is_checked_in_is_the_one_that_is_served() {
    let made = gateway::openapi();
    if std::env::var("QUIRE_UPDATE_OPENAPI").is_ok() {
        std::fs::write(FILE, &made).unwrap();
    }
    let kept = std::fs::read_to_string(Path::new(FILE)).unwrap_or_default();
    assert!(
        kept == made,
        "the routes have changed: look at the change, then run this test with QUIRE_UPDATE_OPENAPI=1"
    );
}

/// Checks `value` against a schema of the document: every field is known, nothing that is required is missing.
fn conforms(document: &Value, schema: &Value, value: &Value, place: &str) -> Result<(), String> {
    let wrong = |what: &str| Err(format!("{place}: {what}: {value} against {schema}"));
    if let Some(name) = schema["$ref"].as_str() {
        let target = document
            .pointer(name.trim_start_matches('#'))
            .ok_or(format!("{name} is not there"))?;
        return conforms(document, target, value, place);
    }
    if let Some(choices) = schema["oneOf"].as_array() {
        let fits = choices
            .iter()
            .any(|choice| conforms(document, choice, value, place).is_ok());
        return if fits {
            Ok(())
        } else {
            wrong("none of the choices")
        };
    }
    let types = match &schema["type"] {
        Value::Array(types) => types.clone(),
        one => vec![one.clone()],
    };
    let kind = match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    };
    if !types.contains(&json!(kind)) {
        return wrong("another type");
    }
    if schema["enum"]
        .as_array()
        .is_some_and(|known| !known.contains(value))
    {
        return wrong("not among the values");
    }
    for item in value.as_array().into_iter().flatten() {
        conforms(document, &schema["items"], item, &format!("{place}[]"))?;
    }
    let Some(fields) = value
        .as_object()
        .filter(|_| schema.get("properties").is_some())
    else {
        return Ok(());
    };
    for required in schema["required"].as_array().into_iter().flatten() {
        if !fields.contains_key(required.as_str().unwrap()) {
            return wrong(&format!("{required} is missing"));
        }
    }
    for (name, field) in fields {
        let Some(schema) = schema["properties"].get(name) else {
            return wrong(&format!("{name} is unknown"));
        };
        conforms(document, schema, field, &format!("{place}.{name}"))?;
    }
    Ok(())
}

fn body_for(method: &str, path: &str) -> String {
    match (method, path) {
        ("post", "/v1/projects" | "/v1/notebooks" | "/v1/notebooks/plan" | "/v1/api-keys") => {
            json!({ "name": "new" }).to_string()
        }
        ("post", "/v1/notebooks/{id}/shares") => json!({ "access": "view" }).to_string(),
        ("post", "/v1/ssh-keys") => json!({ "publicKey": "ssh-ed25519 AAAA" }).to_string(),
        ("post", "/v1/environments") => {
            json!({ "name": "frames", "requirements": ["polars"] }).to_string()
        }
        ("post", "/v1/templates") => json!({ "notebookId": "first" }).to_string(),
        ("put", "/v1/environments/{id}/sharing") => json!({ "shared": true }).to_string(),
        ("post", "/v1/projects/{id}/members") => {
            json!({ "user": "bob@example.org", "role": "viewer" }).to_string()
        }
        ("post", "/v1/projects/{id}/collaborators") => json!({ "userId": "us-4" }).to_string(),
        ("put", "/v1/projects/{id}") => json!({ "name": "box" }).to_string(),
        ("put", "/v1/teams/{teamId}/users/{userId}") => json!({ "isAdmin": true }).to_string(),
        ("patch", "/v1/notebooks/{id}") => json!({ "machineType": "C5" }).to_string(),
        ("post", "/v1/notebooks/{id}/extend") => json!({ "seconds": 60 }).to_string(),
        ("put", "/v1/idle-policies") => json!({ "team": true, "timeoutSeconds": 60 }).to_string(),
        ("patch", "/v1/volumes/{id}") => json!({ "quotaBytes": 1 << 30 }).to_string(),
        ("put", "/v1/queues/{queue}") => json!({ "deserved": { "milliGpus": 4_000 } }).to_string(),
        ("put", "/v1/prices/{machineType}") => json!({ "pricePerHour": "0.0045" }).to_string(),
        _ => String::new(),
    }
}

/// What must be asked besides the path.
fn query_for(method: &str, path: &str) -> &'static str {
    match (method, path) {
        ("delete", "/v1/idle-policies") => "?team=true",
        _ => "",
    }
}

#[tokio::test]
async fn every_route_answers_as_the_document_says() {
    let house = House::start().await;
    let document: Value = serde_json::from_str(&gateway::openapi()).unwrap();
    house
        .client
        .post("/v1/projects", OWNER, "{\"name\": \"box\"}")
        .await
        .ok();
    house
        .client
        .post("/v1/notebooks", OWNER, "{\"name\": \"box\"}")
        .await
        .ok();
    let mut answered = 0;
    for (template, item) in document["paths"].as_object().unwrap() {
        let path = template
            .replace("/dead/{id}", "/dead/7")
            .replace("{id}", "box")
            .replace("{snapshot}", "first")
            .replace("{machineType}", "C3")
            .replace("{queue}", "lab")
            .replace("{month}", "2026-01")
            .replace("{user}", "bob@example.org")
            .replace("{userId}", &house.identity.viewer.to_string())
            .replace("{teamId}", &house.identity.team.to_string());
        for method in METHODS
            .into_iter()
            .filter(|method| item.get(*method).is_some())
        {
            let operation = &item[method];
            let asked = format!("{path}{}", query_for(method, template));
            let send = async |key: &str| {
                house
                    .client
                    .send(
                        &method.to_uppercase(),
                        &asked,
                        key,
                        &body_for(method, template),
                    )
                    .await
            };
            let open = operation["security"] == json!([{}]);
            assert_eq!(
                send("").await.status,
                if open { 200 } else { 401 },
                "{method} {template}"
            );
            let body = send(OWNER).await.ok();
            let content = operation["responses"]["200"]["content"]
                .as_object()
                .unwrap();
            let (_, content) = content.iter().next().unwrap();
            let schema = &content["schema"];
            conforms(&document, schema, &body, &format!("{method} {template}")).unwrap();
            assert_eq!(
                operation["responses"]["default"]["$ref"],
                "#/components/responses/error"
            );
            answered += 1;
        }
    }
    assert!(answered >= 30, "{answered}");
}

#[test]
fn every_reference_leads_somewhere() {
    fn walk<'a>(value: &'a Value, found: &mut Vec<&'a str>) {
        match value {
            Value::Object(fields) => {
                found.extend(fields.get("$ref").and_then(Value::as_str));
                fields.values().for_each(|field| walk(field, found));
            }
            Value::Array(items) => items.iter().for_each(|item| walk(item, found)),
            _ => {}
        }
    }
    let document: Value = serde_json::from_str(&gateway::openapi()).unwrap();
    let mut found = Vec::new();
    walk(&document, &mut found);
    assert!(found.len() > 50);
    for reference in found {
        assert!(
            document
                .pointer(reference.trim_start_matches('#'))
                .is_some(),
            "{reference}"
        );
    }
}
