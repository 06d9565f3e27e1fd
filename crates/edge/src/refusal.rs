//! Why a request did not reach the notebook, in words and codes.

use std::sync::Arc;

use bus::Route;
use http::StatusCode;
use kernel::Code;

/// After so many seconds it is worth another look at what is being started or repaired.
const LOOK_AGAIN: u32 = 3;

/// Why a request did not reach the notebook. The texts are for the visitor.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Refusal {
    /// It is no request that a notebook could be asked; says what is wrong.
    #[error("{0}")]
    Malformed(String),
    /// No notebook has this origin.
    #[error("no notebook has this address; check it, and whether the notebook was deleted")]
    UnknownHost,
    /// No token came with it.
    #[error("this notebook opens with its token")]
    NoToken,
    /// The token does not open this notebook.
    #[error("this token does not open this notebook; its owner can look it up")]
    WrongToken,
    /// A page of another origin is behind it.
    #[error("a page of another origin may not do this; open the notebook's own address")]
    Foreign,
    /// The token that came lets its bearer look only.
    #[error(
        "you may look at the files of this notebook, and not run or change anything; ask who shared it with you for more"
    )]
    ViewOnly,
    /// The door has no such page.
    #[error(
        "the notebook's door has only /.quire/health, /.quire/logs, /.quire/files, /.quire/status, /.quire/signs, /.quire/usage, /.quire/notice.js and, to POST, /.quire/extend and /.quire/exec"
    )]
    NoPage,
    /// The node does not have what is asked for; says what.
    #[error("{0}")]
    NothingThere(&'static str),
    /// The notebook does not run.
    #[error("{}: {}", .0.state, .0.reason)]
    NotRunning(Arc<Route>),
    /// Too many requests are open at this notebook.
    #[error("too many requests are open at this notebook; close some, or wait for their end")]
    NotebookFull,
    /// The notebook's node does as much of this as it may; says how much that is.
    #[error("{0}")]
    Busy(String),
    /// Too many connections are open at this door.
    #[error("too many connections are open; try again soon")]
    DoorFull,
    /// The notebook cannot be reached.
    #[error(
        "the notebook runs but does not answer; it may be ending, or its node may be in trouble"
    )]
    Unreachable,
    /// Nothing answers at this port of the notebook.
    #[error(
        "nothing answers on port {0} of this notebook; start a server there, such as \"python -m http.server {0}\""
    )]
    PortClosed(u16),
    /// The notebook did not begin its answer in time.
    #[error("the notebook took too long to begin its answer")]
    TooSlow,
}

impl Refusal {
    /// What kind of failure it is.
    pub(crate) fn code(&self) -> Code {
        match self {
            Self::Malformed(_) => Code::InvalidArgument,
            Self::UnknownHost | Self::NoPage | Self::NothingThere(_) => Code::NotFound,
            Self::NoToken | Self::WrongToken => Code::Unauthenticated,
            Self::Foreign | Self::ViewOnly => Code::PermissionDenied,
            Self::NotebookFull | Self::Busy(_) => Code::ResourceExhausted,
            Self::NotRunning(_) | Self::DoorFull | Self::Unreachable | Self::PortClosed(_) => {
                Code::Unavailable
            }
            Self::TooSlow => Code::DeadlineExceeded,
        }
    }

    /// The status; a door has two of its own.
    pub(crate) fn status(&self) -> StatusCode {
        match self {
            Self::Unreachable | Self::PortClosed(_) => StatusCode::BAD_GATEWAY,
            Self::TooSlow => StatusCode::GATEWAY_TIMEOUT,
            other => StatusCode::from_u16(other.code().http_status())
                .unwrap_or(StatusCode::INTERNAL_SERVER_ERROR),
        }
    }

    /// What is the case, in a few words.
    pub(crate) fn title(&self) -> &str {
        match self {
            Self::Malformed(_) => "Not understood",
            Self::UnknownHost => "No such notebook",
            Self::NoToken | Self::WrongToken => "Token needed",
            Self::Foreign => "Refused",
            Self::ViewOnly => "To be looked at",
            Self::NoPage => "No such page",
            Self::NothingThere(_) => "Nothing there",
            Self::NotRunning(route) => &route.state,
            Self::NotebookFull | Self::Busy(_) => "Too many requests",
            Self::DoorFull => "Too many connections",
            Self::Unreachable | Self::PortClosed(_) | Self::TooSlow => "No answer",
        }
    }

    /// Why, under the title.
    pub(crate) fn text(&self) -> String {
        match self {
            Self::NotRunning(route) => route.reason.clone(),
            other => other.to_string(),
        }
    }

    /// Seconds after which another try is worth it.
    pub(crate) fn again(&self) -> Option<u32> {
        let passes = match self {
            Self::NotRunning(route) => matches!(route.state.as_str(), "Pending" | "Provisioned"),
            Self::DoorFull | Self::Unreachable | Self::PortClosed(_) => true,
            _ => false,
        };
        passes.then_some(LOOK_AGAIN)
    }

    /// The right token would help.
    pub(crate) fn asks_token(&self) -> bool {
        matches!(self, Self::NoToken | Self::WrongToken)
    }

    /// For the metric.
    pub(crate) fn outcome(&self) -> &'static str {
        match self {
            Self::Malformed(_) => "malformed",
            Self::UnknownHost => "unknown_host",
            Self::NoToken => "no_token",
            Self::WrongToken => "wrong_token",
            Self::Foreign => "foreign",
            Self::ViewOnly => "view_only",
            Self::NoPage => "no_page",
            Self::NothingThere(_) => "nothing_there",
            Self::NotRunning(_) => "not_running",
            Self::NotebookFull => "notebook_full",
            Self::Busy(_) => "busy",
            Self::DoorFull => "door_full",
            Self::Unreachable => "unreachable",
            Self::PortClosed(_) => "port_closed",
            Self::TooSlow => "too_slow",
        }
    }
}
