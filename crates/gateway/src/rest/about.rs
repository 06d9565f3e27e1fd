//! What this is, whether it lives, and where its description lies: open to all.

use std::sync::LazyLock;

use axum::Json;
use axum::response::{IntoResponse, Response};
use http::HeaderMap;
use http::header::{CONTENT_TYPE, VARY};
use serde::Serialize;
use utoipa::ToSchema;

use super::console;
use super::failure::Failure;

/// What answers here.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct About {
    /// Name of the program.
    #[schema(value_type = String)]
    name: &'static str,
    /// What it is.
    #[schema(value_type = String)]
    description: &'static str,
    /// Its version.
    #[schema(value_type = String)]
    version: &'static str,
    /// Path of the OpenAPI document.
    #[schema(value_type = String)]
    openapi: &'static str,
    /// How to log in.
    #[schema(value_type = String)]
    authorization: &'static str,
}

/// What this is and where its description lies
///
/// Who accepts `text/html`, as browsers do, gets the console.
#[utoipa::path(get, path = "/", tag = "About", security(()), responses((status = 200, body = About)))]
pub(super) async fn get_about(headers: HeaderMap) -> Result<Response, Failure> {
    if console::is_for_people(&headers) {
        return console::front();
    }
    let about = Json(About {
        name: "quire",
        description: "an open, self-hostable GPU cloud; this is its interface for programs, REST and gRPC on one port",
        version: env!("CARGO_PKG_VERSION"),
        openapi: "/v1/openapi.json",
        authorization: "Authorization: Bearer <API key>",
    });
    Ok(([(VARY, "accept")], about).into_response())
}

/// Whether the gateway answers
#[utoipa::path(
    get, path = "/v1/health", tag = "About", security(()),
    responses((status = 200, body = String, content_type = "application/json", example = "HEALTHY"))
)]
pub(super) async fn get_health() -> Json<&'static str> {
    Json("HEALTHY")
}

/// This document
#[utoipa::path(get, path = "/v1/openapi.json", tag = "About", security(()), responses((status = 200, body = Object)))]
pub(super) async fn get_openapi() -> Response {
    static DOCUMENT: LazyLock<String> = LazyLock::new(super::openapi);
    ([(CONTENT_TYPE, "application/json")], DOCUMENT.as_str()).into_response()
}
