//! The OpenAPI document, made from the routes themselves.

use std::collections::BTreeMap;

use utoipa::OpenApi;
use utoipa::openapi::path::Operation;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::{
    Components, ContentBuilder, PathItem, Ref, RefOr, Response, ResponseBuilder,
};
use utoipa_axum::router::OpenApiRouter;

use super::App;
use super::failure::FailureBody;

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Quire",
        description = "An open, self-hostable GPU cloud. Success is always 200; failures are `{code, message}` with `issues` \
                       where the request itself is wrong. Log in with `Authorization: Bearer <API key>`."
    ),
    components(schemas(FailureBody)),
    security(("BearerAuth" = []))
)]
struct Document;

/// A router without routes, whose document knows how to log in and what a failure looks like.
pub(super) fn empty() -> OpenApiRouter<App> {
    let mut document = Document::openapi();
    let components = document.components.get_or_insert_with(Components::new);
    let bearer = HttpBuilder::new()
        .scheme(HttpAuthScheme::Bearer)
        .description(Some("An API key, `qk_…`"))
        .build();
    components.add_security_scheme("BearerAuth", SecurityScheme::Http(bearer));
    let content = ContentBuilder::new()
        .schema(Some(Ref::from_schema_name("Error")))
        .build();
    let failure = ResponseBuilder::new()
        .description("Why it was not done")
        .content("application/json", content);
    components
        .responses
        .insert("error".to_owned(), RefOr::T(failure.build()));
    OpenApiRouter::with_openapi(document)
}

fn operations(item: &mut PathItem) -> impl Iterator<Item = &mut Operation> {
    [
        &mut item.get,
        &mut item.put,
        &mut item.post,
        &mut item.delete,
        &mut item.patch,
    ]
    .into_iter()
    .flatten()
}

/// The OpenAPI document of the REST interface, as `GET /v1/openapi.json` serves it.
pub fn openapi() -> String {
    let (_, mut document) = super::routes().split_for_parts();
    for operation in document.paths.paths.values_mut().flat_map(operations) {
        describe_responses(&mut operation.responses.responses);
    }
    let mut text = document.to_pretty_json().unwrap_or_default();
    text.push('\n');
    text
}

/// Every operation may fail in the one agreed shape, and every response has the description that OpenAPI 3.1 asks for.
fn describe_responses(responses: &mut BTreeMap<String, RefOr<Response>>) {
    for response in responses.values_mut() {
        if let RefOr::T(response) = response {
            "Done".clone_into(&mut response.description);
        }
    }
    let failure = RefOr::Ref(Ref::from_response_name("error"));
    responses.insert("default".to_owned(), failure);
}
