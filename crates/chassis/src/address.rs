//! Where a service listens and is found: `unix:/path`, `http://host:port` or `https://host:port`.

use std::fmt;
use std::net::IpAddr;
use std::path::PathBuf;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Where a service listens or is found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Address {
    /// A socket in the file system: callers are those who may open the file.
    Unix(PathBuf),
    /// TCP in the clear; allowed on loopback only when listening.
    Http(String),
    /// TCP with TLS.
    Https(String),
}

/// A text is not an address.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not an address: expected unix:/path, http://host:port or https://host:port")]
pub struct ParseAddressError(String);

impl FromStr for Address {
    type Err = ParseAddressError;

    fn from_str(text: &str) -> Result<Self, ParseAddressError> {
        let authority = |rest: &str| {
            let rest = rest.trim_end_matches('/');
            (!rest.is_empty() && !rest.contains('/')).then(|| rest.to_owned())
        };
        let address = if let Some(path) = text.strip_prefix("unix:") {
            path.starts_with('/')
                .then(|| Self::Unix(PathBuf::from(path)))
        } else if let Some(rest) = text.strip_prefix("http://") {
            authority(rest).map(Self::Http)
        } else if let Some(rest) = text.strip_prefix("https://") {
            authority(rest).map(Self::Https)
        } else {
            None
        };
        address.ok_or_else(|| ParseAddressError(text.chars().take(80).collect()))
    }
}

impl TryFrom<String> for Address {
    type Error = ParseAddressError;

    fn try_from(text: String) -> Result<Self, ParseAddressError> {
        text.parse()
    }
}

impl From<Address> for String {
    fn from(address: Address) -> Self {
        address.to_string()
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
            Self::Http(authority) => write!(f, "http://{authority}"),
            Self::Https(authority) => write!(f, "https://{authority}"),
        }
    }
}

impl Address {
    /// Refuses to listen in the clear where others can listen in.
    ///
    /// # Errors
    /// A text that says what to do, when this is TCP in the clear and not on loopback.
    pub fn check_listener(&self) -> Result<(), String> {
        if self.stays_here() {
            return Ok(());
        }
        Err(format!(
            "refusing to listen on {self} without TLS: use a loopback address, a unix socket, or https://"
        ))
    }

    /// Refuses to call in the clear where others can listen in.
    ///
    /// # Errors
    /// A text that says what to do, when this is TCP in the clear and not on loopback.
    pub fn check_caller(&self) -> Result<(), String> {
        if self.stays_here() {
            return Ok(());
        }
        Err(format!("refusing to call {self} without TLS: use https://"))
    }

    /// What is said there is encrypted or does not leave this machine.
    fn stays_here(&self) -> bool {
        let Self::Http(authority) = self else {
            return true;
        };
        let host = authority
            .rsplit_once(':')
            .map_or(authority.as_str(), |(host, _)| host);
        is_loopback(host)
    }
}

/// Whether `host`, a name or an IP address without a port, is this machine by its loopback interface.
pub fn is_loopback(host: &str) -> bool {
    host == "localhost"
        || host
            .trim_matches(['[', ']'])
            .parse::<IpAddr>()
            .is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_round_trip() {
        for text in [
            "unix:/run/a.sock",
            "http://127.0.0.1:7700",
            "https://box.lan:7700",
        ] {
            assert_eq!(text.parse::<Address>().unwrap().to_string(), text);
        }
        for wrong in ["", "unix:relative", "ftp://a", "http://", "http://a/b"] {
            assert!(wrong.parse::<Address>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn the_clear_stays_on_loopback() {
        for fine in [
            "unix:/a",
            "http://127.0.0.1:1",
            "http://[::1]:1",
            "http://localhost:1",
            "https://0.0.0.0:1",
        ] {
            let fine: Address = fine.parse().unwrap();
            assert_eq!(fine.check_listener(), Ok(()), "{fine}");
            assert_eq!(fine.check_caller(), Ok(()), "{fine}");
        }
        for open in [
            "http://0.0.0.0:1",
            "http://10.0.0.1:1",
            "http://[2001:db8::1]:1",
            "http://localhost.box.lan:1",
        ] {
            let open: Address = open.parse().unwrap();
            assert!(
                open.check_listener()
                    .unwrap_err()
                    .contains("refusing to listen")
            );
            assert!(
                open.check_caller()
                    .unwrap_err()
                    .contains("refusing to call")
            );
        }
    }
}
