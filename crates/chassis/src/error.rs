//! Errors at the door: one closed set for all services, and the one place that turns it into gRPC statuses and back.
//!
//! The text for the caller and the cause for the operator never mix: causes are logged here, once, and callers get an id-less
//! "internal error" for them.

use std::borrow::Cow;
use std::collections::HashMap;

use kernel::Code;
use tonic_types::{ErrorDetails, StatusExt};

use crate::database::is_away;

/// What a call of this house returns.
pub type Result<T, E = Error> = std::result::Result<T, E>;

type Cause = Box<dyn std::error::Error + Send + Sync>;

/// Why a call failed. The texts are for the caller; [`Error::Internal`] and [`Error::Unavailable`] also keep a cause that the
/// caller does not see.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A field of the request is wrong.
    #[error("{field}: {problem}")]
    Invalid {
        /// Name of the field as callers write it.
        field: String,
        /// What is wrong and what would be right.
        problem: String,
    },
    /// No valid token or key came with the call.
    #[error("{0}")]
    Unauthenticated(String),
    /// The caller may not do this; names what is missing.
    #[error("{0}")]
    Denied(String),
    /// The node was given up, or taken off the list: it may never speak again, and must stop what it still runs. A kind of its
    /// own, because nothing else may make a node do that.
    #[error("node {node} was given up; it stops what it runs, and comes back only by joining anew")]
    GivenUp {
        /// Identifier of the node.
        node: String,
    },
    /// There is no such thing in the caller's sight.
    #[error("{what} {id:?} not found")]
    NotFound {
        /// Kind of thing, such as "notebook".
        what: Cow<'static, str>,
        /// What was asked for.
        id: String,
    },
    /// Something else has this name or request id.
    #[error("{0}")]
    Conflict(String),
    /// The thing is not in a state that allows this.
    #[error("{0}")]
    Precondition(String),
    /// A limit is reached.
    #[error("{0}")]
    Exhausted(String),
    /// Not now; may be tried again.
    #[error("{0}")]
    Unavailable(String),
    /// It took too long; may be tried again.
    #[error("the call took longer than its deadline")]
    Deadline,
    /// A defect or a broken dependency.
    #[error("internal error while {doing}")]
    Internal {
        /// What was being done, for the operator.
        doing: &'static str,
        /// Why it failed, for the operator.
        #[source]
        cause: Cause,
    },
}

impl Error {
    /// A field of the request is wrong.
    pub fn invalid(field: impl Into<String>, problem: impl Into<String>) -> Self {
        Self::Invalid {
            field: field.into(),
            problem: problem.into(),
        }
    }

    /// There is no such thing in the caller's sight. Long texts are cut.
    pub fn not_found(what: &'static str, id: &str) -> Self {
        Self::NotFound {
            what: what.into(),
            id: id.chars().take(80).collect(),
        }
    }

    /// A defect or a broken dependency.
    pub fn internal(doing: &'static str, cause: impl Into<Cause>) -> Self {
        Self::Internal {
            doing,
            cause: cause.into(),
        }
    }

    /// The code that callers see.
    pub const fn code(&self) -> Code {
        match self {
            Self::Invalid { .. } => Code::InvalidArgument,
            Self::Unauthenticated(_) => Code::Unauthenticated,
            Self::Denied(_) | Self::GivenUp { .. } => Code::PermissionDenied,
            Self::NotFound { .. } => Code::NotFound,
            Self::Conflict(_) => Code::Conflict,
            Self::Precondition(_) => Code::FailedPrecondition,
            Self::Exhausted(_) => Code::ResourceExhausted,
            Self::Unavailable(_) => Code::Unavailable,
            Self::Deadline => Code::DeadlineExceeded,
            Self::Internal { .. } => Code::Internal,
        }
    }

    /// The text that callers see.
    pub fn public_text(&self) -> String {
        match self {
            Self::Internal { .. } => "internal error; the operator's log has the cause".to_owned(),
            other => other.to_string(),
        }
    }
}

/// `a: b: c`, from an error down to its root.
pub fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}

impl From<kernel::text::TextError> for Error {
    fn from(error: kernel::text::TextError) -> Self {
        Self::invalid(error.field, error.problem)
    }
}

impl From<contracts::InvalidField> for Error {
    fn from(error: contracts::InvalidField) -> Self {
        Self::invalid(error.field, error.problem)
    }
}

impl From<sea_orm::DbErr> for Error {
    fn from(error: sea_orm::DbErr) -> Self {
        if is_away(&error) {
            // Callers are told to try again, and not why.
            tracing::warn!(error = chain(&error), "the database does not answer");
            return Self::Unavailable("the database does not answer now; try again".to_owned());
        }
        Self::internal("using the database", error)
    }
}

const fn grpc_code(code: Code) -> tonic::Code {
    match code {
        Code::InvalidArgument => tonic::Code::InvalidArgument,
        Code::Unauthenticated => tonic::Code::Unauthenticated,
        Code::PermissionDenied => tonic::Code::PermissionDenied,
        Code::NotFound => tonic::Code::NotFound,
        Code::Conflict => tonic::Code::AlreadyExists,
        Code::FailedPrecondition => tonic::Code::FailedPrecondition,
        Code::ResourceExhausted => tonic::Code::ResourceExhausted,
        Code::Unavailable => tonic::Code::Unavailable,
        Code::DeadlineExceeded => tonic::Code::DeadlineExceeded,
        Code::Internal => tonic::Code::Internal,
    }
}

impl From<Error> for tonic::Status {
    fn from(error: Error) -> Self {
        if let Error::Internal { .. } = &error {
            tracing::error!(error = chain(&error), "call failed");
        }
        let mut details =
            ErrorDetails::with_error_info(error.code().rest(), "quire", metadata(&error));
        if let Error::Invalid { field, problem } = &error {
            details.add_bad_request_violation(field, problem);
        }
        Self::with_error_details(grpc_code(error.code()), error.public_text(), details)
    }
}

/// What programs may read of an error beside its code.
fn metadata(error: &Error) -> HashMap<String, String> {
    let entries = match error {
        Error::Invalid { field, .. } => vec![("field", field.clone())],
        Error::NotFound { what, id } => vec![(KIND, what.to_string()), (ID, id.clone())],
        Error::GivenUp { node } => vec![(GIVEN_UP, node.clone())],
        _ => Vec::new(),
    };
    entries
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value))
        .collect()
}

/// The kind of a missing thing.
const KIND: &str = "kind";
/// What was asked for and is missing.
const ID: &str = "id";
/// The node that was given up.
const GIVEN_UP: &str = "given_up";

/// Reads what another service answered. Its text was made for callers and may be passed on.
impl From<tonic::Status> for Error {
    fn from(status: tonic::Status) -> Self {
        let text = status.message().to_owned();
        let mut said = status
            .get_details_error_info()
            .filter(|info| info.domain == "quire")
            .map(|info| info.metadata)
            .unwrap_or_default();
        match status.code() {
            tonic::Code::InvalidArgument | tonic::Code::OutOfRange => {
                let violation = status
                    .get_details_bad_request()
                    .and_then(|details| details.field_violations.into_iter().next());
                match violation {
                    Some(violation) => Self::invalid(violation.field, violation.description),
                    None => Self::invalid("request", text),
                }
            }
            tonic::Code::Unauthenticated => Self::Unauthenticated(text),
            tonic::Code::PermissionDenied => match said.remove(GIVEN_UP) {
                Some(node) => Self::GivenUp { node },
                None => Self::Denied(text),
            },
            tonic::Code::NotFound => Self::NotFound {
                what: said.remove(KIND).map_or("object".into(), Cow::Owned),
                id: said.remove(ID).unwrap_or(text),
            },
            tonic::Code::AlreadyExists | tonic::Code::Aborted => Self::Conflict(text),
            tonic::Code::FailedPrecondition => Self::Precondition(text),
            tonic::Code::ResourceExhausted => Self::Exhausted(text),
            tonic::Code::Unavailable => Self::Unavailable(text),
            tonic::Code::DeadlineExceeded | tonic::Code::Cancelled => Self::Deadline,
            // A connection that broke in the middle of a call: the status was made on this side.
            tonic::Code::Unknown if std::error::Error::source(&status).is_some() => {
                Self::Unavailable("the connection to another service broke; try again".to_owned())
            }
            tonic::Code::Ok
            | tonic::Code::Unknown
            | tonic::Code::Internal
            | tonic::Code::DataLoss
            | tonic::Code::Unimplemented => Self::internal("calling another service", status),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_survive_the_wire() {
        let cases = [
            Error::invalid("name", "is empty"),
            Error::not_found("notebook", "nb-1"),
            Error::not_found("kind that nobody listed", "a \"quoted\" name"),
            Error::GivenUp {
                node: "no-1".to_owned(),
            },
            Error::Conflict("the name \"a\" is taken".to_owned()),
            Error::Exhausted("one free notebook".to_owned()),
            Error::Denied("permission notebook:write is missing".to_owned()),
        ];
        for case in cases {
            let (code, text) = (case.code(), case.public_text());
            let back = Error::from(tonic::Status::from(case));
            assert_eq!((back.code(), back.public_text()), (code, text));
        }
    }

    #[test]
    fn only_who_says_so_in_so_many_words_gives_a_node_up() {
        let given_up = Error::GivenUp {
            node: "no-1".to_owned(),
        };
        let text = given_up.public_text();
        assert!(
            matches!(Error::from(tonic::Status::from(given_up)), Error::GivenUp { node } if node == "no-1")
        );
        let by_text = tonic::Status::permission_denied(text);
        assert!(matches!(Error::from(by_text), Error::Denied(_)));
        let bare = tonic::Status::not_found("nothing here");
        assert!(
            matches!(Error::from(bare), Error::NotFound { what, id } if what == "object" && id == "nothing here")
        );
    }

    #[test]
    fn causes_stay_inside() {
        let status = tonic::Status::from(Error::internal("reading", "password=hunter2"));
        assert!(!status.message().contains("hunter2"));
        assert_eq!(status.code(), tonic::Code::Internal);
    }
}
