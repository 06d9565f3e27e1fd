//! The web origin of a notebook: its own host below the edge's.

use chassis::Address;

/// Host name of a notebook, without scheme and port.
pub(crate) fn fqdn(edge: &Address, id: &str) -> String {
    let authority = match edge {
        Address::Http(authority) | Address::Https(authority) => authority.as_str(),
        Address::Unix(_) => "localhost",
    };
    let host = authority
        .rsplit_once(':')
        .map_or(authority, |(host, _)| host);
    format!("{id}.{host}")
}

/// Web address of a notebook.
pub(crate) fn url(edge: &Address, id: &str) -> String {
    match edge {
        Address::Http(authority) => format!("http://{id}.{authority}/"),
        Address::Https(authority) => format!("https://{id}.{authority}/"),
        Address::Unix(_) => format!("http://{id}.localhost/"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_notebook_has_an_origin() {
        let edge: Address = "http://localhost:7701".parse().unwrap();
        assert_eq!(url(&edge, "nb-1"), "http://nb-1.localhost:7701/");
        assert_eq!(fqdn(&edge, "nb-1"), "nb-1.localhost");
        let edge: Address = "https://box.lan".parse().unwrap();
        assert_eq!(url(&edge, "nb-1"), "https://nb-1.box.lan/");
        assert_eq!(fqdn(&edge, "nb-1"), "nb-1.box.lan");
    }
}
