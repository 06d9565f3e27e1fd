//! How this service reaches notebooks: through an edge, as the notebook's own host, so that it needs no way to the nodes.

use std::sync::Arc;

use chassis::tls::{HTTP1, Trust};
use chassis::{Address, Error, Result};
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use tokio::net::lookup_host;

/// A client of one edge.
#[derive(Clone, Debug)]
pub(crate) struct Probe {
    http: reqwest::Client,
    scheme: &'static str,
    port: u16,
}

impl Probe {
    /// Of the edge at `address`, `host:port` or an `https://` address of one that `trust` trusts.
    ///
    /// # Errors
    /// [`Error::Invalid`] for another address.
    pub(crate) fn new(address: &str, trust: &Trust) -> Result<Self> {
        chassis::tls::install_provider();
        let refused = || {
            let problem = format!("{address:?} is neither host:port nor https://host:port");
            Error::invalid("edge_probe", problem)
        };
        let (scheme, authority) = match address.parse() {
            Ok(Address::Https(authority)) => ("https", authority),
            Ok(Address::Http(authority)) => ("http", authority),
            Ok(Address::Unix(_)) => return Err(refused()),
            Err(_) => ("http", address.to_owned()),
        };
        let (_, port) = authority.rsplit_once(':').ok_or_else(refused)?;
        let port = port.parse().map_err(|_| refused())?;
        let http = reqwest::Client::builder()
            .no_proxy()
            .dns_resolver(Arc::new(Always(authority)))
            .tls_backend_preconfigured(Arc::unwrap_or_clone(trust.client_config(&[HTTP1])?))
            .build()
            .map_err(|error| Error::internal("making an HTTP client", error))?;
        Ok(Self { http, scheme, port })
    }

    /// A request to the notebook with this host name.
    pub(crate) fn get(&self, host: &str, path: &str) -> reqwest::RequestBuilder {
        let url = format!("{}://{host}:{}{path}", self.scheme, self.port);
        self.http.get(url).header("host", host)
    }
}

/// Finds every name at one address: the names of notebooks are all the edge's.
#[derive(Debug)]
struct Always(String);

impl Resolve for Always {
    fn resolve(&self, _: Name) -> Resolving {
        let address = self.0.clone();
        Box::pin(async move {
            let found: Vec<_> = lookup_host(address).await?.collect();
            let found: Addrs = Box::new(found.into_iter());
            Ok(found)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_with_and_without_tls() {
        for fine in [
            "127.0.0.1:7701",
            "edge:7701",
            "http://edge:7701",
            "https://[::1]:7701",
        ] {
            Probe::new(fine, &Trust::public()).unwrap();
        }
        for wrong in ["", "edge", "unix:/run/edge.sock", "https://edge"] {
            let error = Probe::new(wrong, &Trust::public()).unwrap_err().to_string();
            assert!(error.starts_with("edge_probe: "), "{error}");
        }
    }
}
