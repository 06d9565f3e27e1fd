//! The cluster's certificate authority: open to all, since whoever asks for it trusts nobody here yet.

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use contracts::identity::v1::GetAuthorityRequest;
use http::header::CONTENT_TYPE;
use tonic::Request;

use super::App;
use super::failure::Failure;

/// The cluster's certificate authority; compare its fingerprint with one from a trusted place before you trust it
#[utoipa::path(
    get, path = "/v1/authority", tag = "About", security(()),
    responses((status = 200, body = String, content_type = "application/x-pem-file"))
)]
pub(super) async fn get_authority(State(app): State<App>) -> Result<Response, Failure> {
    let mut request = Request::new(GetAuthorityRequest {});
    request.set_timeout(app.request_time);
    let answer = app.services.open_identity().get_authority(request).await?;
    let pem = answer.into_inner().certificate;
    Ok(([(CONTENT_TYPE, "application/x-pem-file")], pem).into_response())
}
