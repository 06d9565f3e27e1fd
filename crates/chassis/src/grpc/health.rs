//! Asks a running program whether it serves, by the standard health service: what a container's health check runs.

use std::time::Duration;

use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;

use super::connect;
use crate::config::Listens;
use crate::tls::Trust;
use crate::{Address, Error, Result};

/// A program that does not answer within this time does not serve.
const PATIENCE: Duration = Duration::from_secs(3);

/// Asks the program that serves with these settings on this machine.
///
/// # Errors
/// Those of [`ask`], and certificates that cannot be used.
pub(crate) async fn of(settings: &impl Listens) -> Result<()> {
    ask(settings.listen(), &Trust::from_config(settings.tls())?).await
}

/// Asks the program that listens on `listen` on this machine, if `trust` trusts it.
///
/// # Errors
/// [`Error::Unavailable`] or [`Error::Deadline`] when it does not serve.
pub async fn ask(listen: &Address, trust: &Trust) -> Result<()> {
    let address = here(listen);
    let mut client = HealthClient::new(connect(&address, trust)?);
    let check = client.check(HealthCheckRequest::default());
    let answer = tokio::time::timeout(PATIENCE, check)
        .await
        .map_err(|_| Error::Deadline)??
        .into_inner();
    match answer.status() {
        ServingStatus::Serving => Ok(()),
        other => Err(Error::Unavailable(format!(
            "{address} says of itself: {}",
            other.as_str_name()
        ))),
    }
}

/// How a listener is reached from its own machine: one on all interfaces by the name that its certificate has for this.
fn here(listen: &Address) -> Address {
    let local = |authority: &str| match authority.rsplit_once(':') {
        Some(("0.0.0.0" | "[::]", port)) => format!("localhost:{port}"),
        _ => authority.to_owned(),
    };
    match listen {
        Address::Unix(_) => listen.clone(),
        Address::Http(authority) => Address::Http(local(authority)),
        Address::Https(authority) => Address::Https(local(authority)),
    }
}

#[cfg(test)]
mod tests {
    use tokio::net::UnixListener;
    use tokio_stream::wrappers::UnixListenerStream;
    use tonic::transport::Server;

    use super::*;

    #[test]
    fn a_listener_on_all_interfaces_is_asked_on_this_machine() {
        for (listen, asked) in [
            ("https://0.0.0.0:7713", "https://localhost:7713"),
            ("https://[::]:1", "https://localhost:1"),
            ("http://127.0.0.1:1", "http://127.0.0.1:1"),
            ("unix:/run/a.sock", "unix:/run/a.sock"),
        ] {
            assert_eq!(here(&listen.parse().unwrap()).to_string(), asked);
        }
    }

    #[tokio::test]
    async fn the_answer_is_what_the_program_says_of_itself() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.sock");
        let address = Address::Unix(path.clone());
        assert!(
            ask(&address, &Trust::public()).await.is_err(),
            "nobody listens"
        );

        let (reporter, service) = tonic_health::server::health_reporter();
        let incoming = UnixListenerStream::new(UnixListener::bind(&path).unwrap());
        let server = Server::builder().add_service(service);
        tokio::spawn(server.serve_with_incoming(incoming));
        ask(&address, &Trust::public()).await.unwrap();

        reporter
            .set_service_status("", tonic_health::ServingStatus::NotServing)
            .await;
        let error = ask(&address, &Trust::public())
            .await
            .unwrap_err()
            .to_string();
        assert!(error.contains("NOT_SERVING"), "{error}");
    }
}
