//! The closed set of error codes that callers see; `chassis` maps it to gRPC and HTTP in one place.

use std::fmt;

/// What kind of failure a caller sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Code {
    /// The request itself is wrong; sending it again cannot help.
    InvalidArgument,
    /// No valid token or key came with the call.
    Unauthenticated,
    /// The caller is known but may not do this.
    PermissionDenied,
    /// There is no such thing, or the caller may not know of it.
    NotFound,
    /// Something else with this name or request id exists already.
    Conflict,
    /// The thing is not in a state that allows this.
    FailedPrecondition,
    /// Too much is asked of a limited resource.
    ResourceExhausted,
    /// Not now; the same call may succeed later.
    Unavailable,
    /// It took too long.
    DeadlineExceeded,
    /// A defect or a broken dependency; the text for the caller says no more than that.
    Internal,
}

impl Code {
    /// Every code, for tables and tests.
    pub const ALL: [Self; 10] = [
        Self::InvalidArgument,
        Self::Unauthenticated,
        Self::PermissionDenied,
        Self::NotFound,
        Self::Conflict,
        Self::FailedPrecondition,
        Self::ResourceExhausted,
        Self::Unavailable,
        Self::DeadlineExceeded,
        Self::Internal,
    ];

    /// HTTP status that carries this code.
    pub const fn http_status(self) -> u16 {
        match self {
            Self::InvalidArgument => 400,
            Self::Unauthenticated => 401,
            Self::PermissionDenied => 403,
            Self::NotFound => 404,
            Self::Conflict => 409,
            Self::FailedPrecondition => 412,
            Self::ResourceExhausted => 429,
            Self::Unavailable => 503,
            Self::DeadlineExceeded => 408,
            Self::Internal => 500,
        }
    }

    /// The `code` of a REST error body, from the closed list that Paperspace's clients accept.
    pub const fn rest(self) -> &'static str {
        match self {
            Self::InvalidArgument => "BAD_REQUEST",
            Self::Unauthenticated => "UNAUTHORIZED",
            Self::PermissionDenied => "FORBIDDEN",
            Self::NotFound => "NOT_FOUND",
            Self::Conflict => "CONFLICT",
            Self::FailedPrecondition => "PRECONDITION_FAILED",
            Self::ResourceExhausted => "TOO_MANY_REQUESTS",
            Self::DeadlineExceeded => "TIMEOUT",
            Self::Unavailable | Self::Internal => "INTERNAL_SERVER_ERROR",
        }
    }

    /// Whether the same call may succeed later without a change by the caller.
    pub const fn is_retryable(self) -> bool {
        matches!(self, Self::Unavailable | Self::DeadlineExceeded)
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.rest())
    }
}
