//! The body of a request: JSON, bounded, and every complaint with its place.

use axum::body::Body;
use axum::extract::{FromRequest, Request};
use bytes::{Bytes, BytesMut};
use chassis::Error;
use http::HeaderMap;
use http::header::CONTENT_TYPE;
use http_body_util::BodyExt as _;
use serde::Deserialize;
use serde::de::{DeserializeOwned, IgnoredAny};
use serde_json::error::Category;

use super::App;
use super::failure::Failure;

/// Of a body that is too large, up to so many times the limit is read and dropped: a caller who is still sending when the
/// connection closes would see a broken connection instead of the answer.
const DROPPED: usize = 16;

/// Types under which bodies are read as JSON besides JSON's own: what tools send when nobody has named a type.
const UNNAMED: [&str; 3] = [
    "application/x-www-form-urlencoded",
    "application/octet-stream",
    "text/plain",
];

/// The body of a request. No body is the same as `{}`; one that says that it is something else than JSON is not read.
#[derive(Debug)]
pub(super) struct JsonBody<T>(pub(super) T);

impl<T: DeserializeOwned> FromRequest<App> for JsonBody<T> {
    type Rejection = Failure;

    async fn from_request(request: Request, app: &App) -> Result<Self, Failure> {
        check_type(request.headers())?;
        let bytes = read(request.into_body(), app.body_bytes).await?;
        parse(&bytes).map(Self)
    }
}

/// The body of an action that needs none.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Nothing {}

fn check_type(headers: &HeaderMap) -> Result<(), Failure> {
    let Some(named) = headers.get(CONTENT_TYPE) else {
        return Ok(());
    };
    let named = String::from_utf8_lossy(named.as_bytes());
    // Parameters such as charset come after it (RFC 9110 section 8.3.1).
    let essence = named.split(';').next().unwrap_or_default();
    let essence = essence.trim().to_ascii_lowercase();
    let is_json = essence == "application/json" || essence.ends_with("+json");
    if is_json || essence.is_empty() || UNNAMED.contains(&essence.as_str()) {
        Ok(())
    } else {
        Err(Failure::not_taken(&essence))
    }
}

async fn read(mut body: Body, most: usize) -> Result<Bytes, Failure> {
    let (mut kept, mut seen) = (BytesMut::new(), 0_usize);
    while let Some(frame) = body.frame().await {
        let frame =
            frame.map_err(|error| Error::invalid("body", format!("cannot be read: {error}")))?;
        let Ok(data) = frame.into_data() else {
            continue;
        };
        seen = seen.saturating_add(data.len());
        if seen <= most {
            kept.extend_from_slice(&data);
        } else if seen > most.saturating_mul(DROPPED) {
            break;
        }
    }
    if seen > most {
        Err(Failure::too_large(most))
    } else {
        Ok(kept.freeze())
    }
}

fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Failure> {
    let bytes = if bytes.trim_ascii().is_empty() {
        b"{}"
    } else {
        bytes
    };
    // A list of values would do for the fields of a request, in an order that nobody wrote down.
    if !bytes.trim_ascii_start().starts_with(b"{") {
        serde_json::from_slice::<IgnoredAny>(bytes)
            .map_err(|error| Failure::not_json(&error.to_string()))?;
        return Err(Error::invalid(
            "body",
            "is not an object; send one such as {\"name\": \"…\"}, or nothing",
        )
        .into());
    }
    let mut deserializer = serde_json::Deserializer::from_slice(bytes);
    let value = serde_path_to_error::deserialize(&mut deserializer).map_err(|error| {
        let place = error.path().to_string();
        complaint(&place, error.inner())
    })?;
    deserializer
        .end()
        .map_err(|error| Failure::not_json(&error.to_string()))?;
    Ok(value)
}

fn complaint(place: &str, error: &serde_json::Error) -> Failure {
    let text = error.to_string();
    match error.classify() {
        Category::Data => Error::invalid(field_of(place, &text), text).into(),
        Category::Syntax | Category::Eof | Category::Io => Failure::not_json(&text),
    }
}

/// The field that a complaint is about: the place, or for fields that are missing the name in the complaint.
fn field_of(place: &str, text: &str) -> String {
    let missing = text
        .strip_prefix("missing field `")
        .and_then(|rest| rest.split('`').next());
    match (place, missing) {
        (".", Some(field)) => field.to_owned(),
        (".", None) => "body".to_owned(),
        (place, Some(field)) => format!("{place}.{field}"),
        (place, None) => place.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use axum::response::IntoResponse as _;
    use proptest::prelude::*;

    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Sample {
        name: Option<String>,
    }

    #[derive(Debug, Deserialize)]
    struct Strict {
        #[serde(rename = "name")]
        _name: String,
    }

    async fn refusal<T: DeserializeOwned + std::fmt::Debug>(text: &str) -> (u16, String) {
        let response = parse::<T>(text.as_bytes()).unwrap_err().into_response();
        let status = response.status().as_u16();
        let body = response.into_body().collect().await.unwrap().to_bytes();
        (status, String::from_utf8(body.to_vec()).unwrap())
    }

    #[tokio::test]
    async fn every_complaint_has_its_place() {
        let (status, body) = refusal::<Sample>("{\"name\": \"a\",}").await;
        assert!(
            status == 400 && body.contains("PARSE_ERROR") && body.contains("line 1 column 14"),
            "{body}"
        );
        let (status, body) = refusal::<Sample>("{} {}").await;
        assert!(status == 400 && body.contains("PARSE_ERROR"), "{body}");
        let (_, body) = refusal::<Sample>("{\"nmae\": \"a\"}").await;
        assert!(
            body.contains("BAD_REQUEST") && body.contains("nmae: unknown field"),
            "{body}"
        );
        let (_, body) = refusal::<Sample>("{\"name\": 3}").await;
        assert!(
            body.contains("name: invalid type: integer `3`, expected a string"),
            "{body}"
        );
        let (_, body) = refusal::<Strict>("").await;
        assert!(body.contains("name: missing field"), "{body}");
        let (_, body) = refusal::<Sample>("[\"a\"]").await;
        assert!(body.contains("body: is not an object"), "{body}");
        let (_, body) = refusal::<Sample>("nonsense").await;
        assert!(body.contains("PARSE_ERROR"), "{body}");
        let (_, body) = refusal::<Sample>(&"[".repeat(10_000)).await;
        assert!(
            body.contains("BAD_REQUEST") || body.contains("PARSE_ERROR"),
            "{body}"
        );
    }

    #[test]
    fn only_json_is_taken() {
        let check = |named: &str| {
            let value = named.parse().unwrap();
            check_type(&HeaderMap::from_iter([(CONTENT_TYPE, value)]))
        };
        for taken in [
            "application/json",
            "Application/JSON; charset=utf-8",
            "application/merge-patch+json",
            "application/x-www-form-urlencoded",
        ] {
            assert!(check(taken).is_ok(), "{taken}");
        }
        for refused in ["application/yaml", "text/yaml", "application/xml"] {
            let response = check(refused).unwrap_err().into_response();
            assert_eq!(response.status().as_u16(), 415, "{refused}");
        }
        assert!(check_type(&HeaderMap::new()).is_ok());
    }

    #[test]
    fn no_body_is_an_empty_object() {
        for empty in ["", " \n", "{}"] {
            assert!(parse::<Sample>(empty.as_bytes()).unwrap().name.is_none());
        }
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            parse::<Sample>(&bytes).ok();
        }
    }
}
