//! Edges as agents need them: where each is reached. An edge is known as long as it says that it lives.

use chassis::{Address, Error, Result};
use chrono::TimeDelta;

/// How often edges are asked to say that they live.
pub(crate) const REGISTER_EVERY: TimeDelta = TimeDelta::seconds(10);
/// An edge is forgotten so long after it was seen last.
pub(crate) const FORGOTTEN_AFTER: TimeDelta = TimeDelta::seconds(30);
/// Most edges at once: each agent keeps a connection to each.
pub(crate) const MOST_EDGES: u64 = 64;
/// Longest identifier, in characters.
const LONGEST_ID: usize = 64;
/// Longest address, in bytes: a host's name has at most 253.
const LONGEST_ADDRESS: usize = 300;

/// An edge that lives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Edge {
    pub(crate) id: String,
    /// `https://host:port`
    pub(crate) relay_address: String,
}

impl Edge {
    /// What an edge says of itself.
    ///
    /// # Errors
    /// [`Error::Invalid`] naming what cannot be.
    pub(crate) fn read(id: String, relay_address: &str) -> Result<Self> {
        let id = kernel::text::name("edge_id", &id, LONGEST_ID)?;
        let wrong = || {
            let shown: String = relay_address.chars().take(80).collect();
            let problem = format!("is {shown:?}; https://host:port is needed");
            Error::invalid("relay_address", problem)
        };
        let Ok(Address::Https(authority)) = relay_address.parse() else {
            return Err(wrong());
        };
        let (host, port) = authority.rsplit_once(':').ok_or_else(wrong)?;
        let named = !host.is_empty() && host.bytes().all(|byte| byte.is_ascii_graphic());
        let numbered = port.parse::<u16>().is_ok_and(|port| port > 0);
        if !named || !numbered || relay_address.len() > LONGEST_ADDRESS {
            return Err(wrong());
        }
        Ok(Self {
            id,
            relay_address: Address::Https(authority).to_string(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_edge_says_where_it_is_reached() {
        for good in ["https://edge-1.example.org:7702", "https://[fd00::1]:7702"] {
            let edge = Edge::read("edge-1".to_owned(), good).unwrap();
            assert_eq!(edge.relay_address, good);
        }
        for wrong in [
            "",
            "http://edge:7702",
            "unix:/run/edge.sock",
            "https://edge",
            "https://edge:0",
            "https://edge:77020",
            "https://:7702",
            "https://ed ge:7702",
            "https://edge:7702/relay",
        ] {
            let error = Edge::read("edge-1".to_owned(), wrong).unwrap_err();
            assert!(error.to_string().starts_with("relay_address: "), "{error}");
        }
        let long = format!("https://{}:7702", "e".repeat(300));
        assert!(Edge::read("edge-1".to_owned(), &long).is_err());
        for id in ["", &"e".repeat(65)] {
            assert!(Edge::read(id.to_owned(), "https://edge:7702").is_err());
        }
    }
}
