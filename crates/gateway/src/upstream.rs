//! The services behind the gateway, and which of them a call belongs to.

use std::collections::HashMap;
use std::error::Error as StdError;
use std::sync::{Arc, Mutex};

use chassis::tls::Trust;
use chassis::{Address, Error, Result, grpc};
use tonic::transport::Channel;
use tonic::{Status, TimeoutExpired};

use crate::config::GatewayConfig;

/// A service behind the gateway.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Area {
    /// Teams, users, projects, keys.
    Identity,
    /// Nodes, machine types, environments.
    Inventory,
    /// Persistent files.
    Volume,
    /// Workloads, and the links of agents.
    Scheduler,
    /// Hosted notebooks.
    Notebook,
    /// Prices, usage, invoices.
    Billing,
    /// What happened.
    Journal,
}

impl Area {
    /// The service that answers calls with this path; `None` when no contract has such a call.
    pub(crate) fn of_path(path: &str) -> Option<Self> {
        contracts::access_of(path)?;
        let package = path.strip_prefix("/quire.")?.split('.').next()?;
        Some(match package {
            "identity" => Self::Identity,
            "inventory" => Self::Inventory,
            "volume" => Self::Volume,
            "scheduler" | "agent" => Self::Scheduler,
            "notebook" => Self::Notebook,
            "billing" => Self::Billing,
            "journal" => Self::Journal,
            _ => return None,
        })
    }
}

/// Where the services are.
#[derive(Clone, Debug)]
pub(crate) struct Upstream {
    addresses: Arc<HashMap<Area, Address>>,
    trust: Trust,
}

impl Upstream {
    /// # Errors
    /// When the authority that is trusted cannot be read.
    pub(crate) fn new(config: &GatewayConfig) -> Result<Self> {
        let addresses = [
            (Area::Identity, &config.identity),
            (Area::Inventory, &config.inventory),
            (Area::Volume, &config.volume),
            (Area::Scheduler, &config.scheduler),
            (Area::Notebook, &config.notebook),
            (Area::Billing, &config.billing),
            (Area::Journal, &config.journal),
        ];
        let addresses = addresses.map(|(area, address)| (area, address.clone()));
        Ok(Self {
            addresses: Arc::new(addresses.into()),
            trust: Trust::from_config(&config.tls)?,
        })
    }

    /// Channels of their own for one caller, made when they are first used.
    pub(crate) fn channels(&self) -> Channels {
        Channels {
            upstream: self.clone(),
            open: Arc::default(),
        }
    }
}

/// Channels to the services. REST requests share one set. Each connection that carries gRPC has its own: a caller who does not
/// read its stream then fills only its own window, and no caller meets the servers' limit of streams on a shared connection.
#[derive(Clone, Debug)]
pub(crate) struct Channels {
    upstream: Upstream,
    open: Arc<Mutex<HashMap<Area, Channel>>>,
}

impl Channels {
    /// The channel to `area`.
    ///
    /// # Errors
    /// When its configured address cannot be one of a server.
    pub(crate) fn to(&self, area: Area) -> Result<Channel> {
        let lost = || Error::internal("finding a service", format!("{area:?} has no channel"));
        let mut open = self.open.lock().map_err(|_| lost())?;
        if let Some(channel) = open.get(&area) {
            return Ok(channel.clone());
        }
        let address = self.upstream.addresses.get(&area).ok_or_else(lost)?;
        let channel = grpc::connect(address, &self.upstream.trust)?;
        open.insert(area, channel.clone());
        Ok(channel)
    }

    /// The next call to `area` connects anew, and may so reach another of its replicas.
    pub(crate) fn forget(&self, area: Area) {
        if let Ok(mut open) = self.open.lock() {
            open.remove(&area);
        }
    }
}

/// What a failed call means for the caller. A failure of the way to the service is told from an answer of the service by its
/// source: only the former has one, and its text names addresses that callers need not know.
pub(crate) fn failure(status: Status) -> Error {
    let Some(source) = status.source() else {
        return Error::from(status);
    };
    if was_late(source) {
        return Error::Deadline;
    }
    tracing::warn!(
        error = chassis::error::chain(&status),
        "a service does not answer"
    );
    Error::Unavailable("a service that this needs does not answer now; try again".to_owned())
}

/// Our own deadline is among the causes.
fn was_late(error: &(dyn StdError + 'static)) -> bool {
    error.is::<TimeoutExpired>() || error.source().is_some_and(was_late)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use tokio::net::UnixListener;
    use tokio_stream::StreamExt as _;
    use tokio_stream::wrappers::UnixListenerStream;
    use tonic_health::pb::HealthCheckRequest;
    use tonic_health::pb::health_client::HealthClient;

    use super::*;

    #[tokio::test]
    async fn what_is_forgotten_is_connected_to_anew() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("s.sock");
        let connections = Arc::new(AtomicUsize::new(0));
        let counted = connections.clone();
        let incoming =
            UnixListenerStream::new(UnixListener::bind(&path).unwrap()).map(move |connection| {
                counted.fetch_add(1, Ordering::SeqCst);
                connection
            });
        let (_, health) = tonic_health::server::health_reporter();
        let server = tonic::transport::Server::builder().add_service(health);
        tokio::spawn(server.serve_with_incoming(incoming));

        let channels = Upstream::new(&GatewayConfig {
            scheduler: Address::Unix(path),
            ..GatewayConfig::default()
        })
        .unwrap()
        .channels();
        let call = || async {
            let mut client = HealthClient::new(channels.to(Area::Scheduler).unwrap());
            client.check(HealthCheckRequest::default()).await.unwrap();
            connections.load(Ordering::SeqCst)
        };
        assert_eq!((call().await, call().await), (1, 1));
        channels.forget(Area::Scheduler);
        assert_eq!(call().await, 2);
    }

    #[test]
    fn every_call_of_the_contracts_has_a_service() {
        for access in contracts::ACCESS {
            assert!(Area::of_path(access.path).is_some(), "{}", access.path);
        }
        let link = "/quire.agent.v1.LinkService/OpenLink";
        assert_eq!(Area::of_path(link), Some(Area::Scheduler));
        for unknown in [
            "/",
            "/quire.notebook.v1.NotebookService/Nothing",
            "/quire.x.v1.X/Y",
            "/quire.",
        ] {
            assert_eq!(Area::of_path(unknown), None, "{unknown}");
        }
    }

    #[test]
    fn a_deadline_of_ours_is_told_from_a_broken_connection() {
        let late = Status::from_error(Box::new(TimeoutExpired(())));
        assert_eq!(failure(late).code(), kernel::Code::DeadlineExceeded);
    }

    #[test]
    fn texts_of_broken_connections_stay_inside() {
        let broken: Box<dyn StdError + Send + Sync> = "tcp connect error 10.0.0.7:7710".into();
        let error = failure(Status::from_error(broken));
        assert_eq!(error.code(), kernel::Code::Unavailable);
        assert!(!error.public_text().contains("10.0.0.7"), "{error}");

        let answer = Status::from(Error::Unavailable("the leader changes".to_owned()));
        assert_eq!(failure(answer).public_text(), "the leader changes");
    }
}
