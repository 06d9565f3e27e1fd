//! Failures as REST callers see them: exactly `{code, message}`, and `issues` where the request itself is wrong.

use axum::Json;
use axum::response::{IntoResponse, Response};
use chassis::Error;
use http::StatusCode;
use kernel::Code;
use serde::Serialize;
use utoipa::ToSchema;

use crate::upstream;

/// Longest message, in characters: what a caller sent may be in it.
const LONGEST_MESSAGE: usize = 500;

/// One thing that is wrong with a request.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Issue {
    /// The field, the value, and what would be right.
    message: String,
}

/// Why a request was not done.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Error)]
pub(super) struct FailureBody {
    /// One of PARSE_ERROR, BAD_REQUEST, INTERNAL_SERVER_ERROR, UNAUTHORIZED, FORBIDDEN, NOT_FOUND, TIMEOUT, CONFLICT,
    /// PRECONDITION_FAILED, PAYLOAD_TOO_LARGE, UNSUPPORTED_MEDIA_TYPE, TOO_MANY_REQUESTS.
    #[schema(value_type = String)]
    code: &'static str,
    /// Why, in words for people.
    message: String,
    /// What is wrong with the request; absent when the request is not at fault.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    issues: Vec<Issue>,
}

/// A failure on its way to the caller.
#[derive(Debug)]
pub(super) struct Failure {
    status: StatusCode,
    body: FailureBody,
}

fn cut(text: &str) -> String {
    match text.char_indices().nth(LONGEST_MESSAGE) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text.to_owned(),
    }
}

impl Failure {
    fn new(status: StatusCode, code: &'static str, message: &str) -> Self {
        Self {
            status,
            body: FailureBody {
                code,
                message: cut(message),
                issues: Vec::new(),
            },
        }
    }

    fn with_itself_as_issue(mut self) -> Self {
        self.body.issues.push(Issue {
            message: self.body.message.clone(),
        });
        self
    }

    /// No such path, or not with this method: the same to callers.
    pub(super) fn no_such_route() -> Self {
        Self::new(StatusCode::NOT_FOUND, Code::NotFound.rest(), "Not found")
    }

    /// The body is larger than `most` bytes.
    pub(super) fn too_large(most: usize) -> Self {
        let message = format!("body: is larger than {most} bytes, the most that is read");
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, "PAYLOAD_TOO_LARGE", &message)
            .with_itself_as_issue()
    }

    /// The body says that it is of another format than JSON.
    pub(super) fn not_taken(content_type: &str) -> Self {
        let message =
            format!("content-type: {content_type:?} is not taken; send JSON, as application/json");
        Self::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "UNSUPPORTED_MEDIA_TYPE",
            &message,
        )
        .with_itself_as_issue()
    }

    /// The body is not JSON; `problem` names the place.
    pub(super) fn not_json(problem: &str) -> Self {
        Self::new(
            StatusCode::BAD_REQUEST,
            "PARSE_ERROR",
            &format!("body: is not JSON: {problem}"),
        )
        .with_itself_as_issue()
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        if let Error::Internal { .. } = &error {
            tracing::error!(error = chassis::error::chain(&error), "request failed");
        }
        let code = error.code();
        let status =
            StatusCode::from_u16(code.http_status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let failure = Self::new(status, code.rest(), &error.public_text());
        if code == Code::InvalidArgument {
            failure.with_itself_as_issue()
        } else {
            failure
        }
    }
}

impl From<tonic::Status> for Failure {
    fn from(status: tonic::Status) -> Self {
        match upstream::failure(status) {
            Error::Invalid { field, problem } => {
                Error::invalid(as_callers_write(&field), problem).into()
            }
            other => other.into(),
        }
    }
}

/// The name of a field in REST for its name in the contracts: `machineType` for `machine_type`.
fn as_callers_write(field: &str) -> String {
    match field {
        "project" => return "projectId".to_owned(),
        "shutdown_timeout_seconds" => return "shutdownTimeout".to_owned(),
        "nanos_per_hour" => return "pricePerHour".to_owned(),
        "expires_at" => return "dtExpires".to_owned(),
        _ => {}
    }
    let mut words = field.split('_');
    let first = words.next().unwrap_or_default().to_owned();
    words.fold(first, |name, word| {
        let mut letters = word.chars();
        let initial = letters.next().map(|letter| letter.to_ascii_uppercase());
        name + &initial.into_iter().collect::<String>() + letters.as_str()
    })
}

impl From<contracts::InvalidField> for Failure {
    /// A service answered what its contract does not allow.
    fn from(field: contracts::InvalidField) -> Self {
        Error::internal("reading the answer of a service", field).into()
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        (self.status, Json(self.body)).into_response()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_bounded_and_faults_of_the_request_are_issues() {
        let failure = Failure::from(Error::invalid("name", "ö".repeat(1_000_000)));
        assert_eq!(failure.body.message.chars().count(), LONGEST_MESSAGE + 1);
        assert_eq!(failure.body.issues.len(), 1);
        let failure = Failure::from(Error::Conflict("taken".to_owned()));
        assert_eq!(
            (failure.status.as_u16(), failure.body.issues.len()),
            (409, 0)
        );
    }

    #[test]
    fn fields_are_named_as_callers_write_them() {
        for (contract, rest) in [
            ("machine_type", "machineType"),
            ("idle_timeout_seconds", "idleTimeoutSeconds"),
            ("shutdown_timeout_seconds", "shutdownTimeout"),
            ("name", "name"),
            ("", ""),
        ] {
            assert_eq!(as_callers_write(contract), rest);
        }
        let status = tonic::Status::from(Error::invalid("machine_type", "\"x\" is unknown"));
        assert_eq!(
            Failure::from(status).body.message,
            "machineType: \"x\" is unknown"
        );
    }

    #[test]
    fn causes_stay_inside() {
        let failure = Failure::from(Error::internal("reading", "password=hunter2"));
        assert_eq!(
            (failure.status.as_u16(), failure.body.code),
            (500, "INTERNAL_SERVER_ERROR")
        );
        assert!(!failure.body.message.contains("hunter2"));
    }
}
