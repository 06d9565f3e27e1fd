//! Channels over TLS.

use std::error::Error as StdError;
use std::sync::Arc;
use std::time::Duration;

use http::Uri;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use rustls::{CertificateError, ClientConfig};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tower::Service;

use crate::{Error, Result, tls};

type Failure = Box<dyn StdError + Send + Sync>;

/// Connects to `authority` over TLS, checks that the server is who it says, and speaks HTTP/2.
pub(super) fn connector(
    authority: &http::uri::Authority,
    config: Arc<ClientConfig>,
    patience: Duration,
) -> Result<
    impl Service<Uri, Response = TokioIo<TlsStream<TcpStream>>, Error = Failure, Future: Send>
    + Send
    + 'static,
> {
    let host = authority.host();
    let name = ServerName::try_from(host.trim_matches(['[', ']']).to_owned())
        .map_err(|error| Error::invalid("address", format!("{host:?}: {error}")))?;
    let (tls, authority) = (TlsConnector::from(config), authority.clone());
    let mut http = HttpConnector::new();
    http.set_nodelay(true);
    http.set_connect_timeout(Some(patience));
    Ok(tower::service_fn(move |uri| {
        let (tls, name, authority) = (tls.clone(), name.clone(), authority.clone());
        let connecting = http.call(uri);
        async move {
            let tcp = connecting.await?.into_inner();
            let secured = tls
                .connect(name, tcp)
                .await
                .map_err(|error| explain(&error));
            let secured = secured.and_then(speaks_http2);
            if let Err(problem) = &secured {
                // Callers are not told addresses; whoever runs this must be.
                tracing::warn!(%authority, problem, "a server cannot be trusted or understood");
            }
            Ok(TokioIo::new(secured?))
        }
    }))
}

fn speaks_http2(stream: TlsStream<TcpStream>) -> Result<TlsStream<TcpStream>, String> {
    if stream.get_ref().1.alpn_protocol() == Some(tls::H2) {
        return Ok(stream);
    }
    Err("the server speaks TLS, but not HTTP/2".to_owned())
}

/// Why a handshake failed, in words that say what to mend.
fn explain(error: &std::io::Error) -> String {
    let cause = error
        .get_ref()
        .and_then(|inner| inner.downcast_ref::<rustls::Error>());
    let problem = match cause {
        // A bad signature: another authority of the same name.
        Some(rustls::Error::InvalidCertificate(
            CertificateError::UnknownIssuer | CertificateError::BadSignature,
        )) => "its certificate is not from an authority that this program was told to trust",
        Some(rustls::Error::InvalidCertificate(
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
        )) => "its certificate is for other names",
        Some(rustls::Error::InvalidCertificate(
            CertificateError::Expired | CertificateError::ExpiredContext { .. },
        )) => "its certificate has expired",
        Some(rustls::Error::InvalidMessage(_)) => "it does not speak TLS",
        _ => "the TLS handshake failed",
    };
    format!("the server was not trusted: {problem}: {error}")
}
