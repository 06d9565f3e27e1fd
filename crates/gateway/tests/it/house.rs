//! Services that play their part, and a gateway in front of them.

use std::collections::HashMap;
use std::sync::Arc;

use chassis::Address;
use chassis::auth::{KeySource, Signer, Verifier};
use chassis::config::TlsConfig;
use chassis::grpc::{Listener, Server};
use contracts::agent::v1::link_service_server::LinkServiceServer;
use contracts::billing::v1::billing_service_server::BillingServiceServer;
use contracts::identity::v1::identity_service_server::IdentityServiceServer;
use contracts::inventory::v1::inventory_service_server::InventoryServiceServer;
use contracts::journal::v1::journal_service_server::JournalServiceServer;
use contracts::notebook::v1::notebook_service_server::NotebookServiceServer;
use contracts::scheduler::v1::queue_service_server::QueueServiceServer;
use contracts::scheduler::v1::scheduler_service_server::SchedulerServiceServer;
use contracts::volume::v1::volume_service_server::VolumeServiceServer;
use gateway::{GatewayConfig, Limits};
use kernel::Clock;
use kernel::time::{ManualClock, from_micros};
use tempfile::TempDir;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio_util::sync::{CancellationToken, DropGuard};
use tonic::service::Routes;

use crate::billing::Billing;
use crate::client::Client;
use crate::identity::Identity;
use crate::inventory::Inventory;
use crate::journal::Journal;
use crate::link::Link;
use crate::notebook::Notebooks;
use crate::queues::Queues;
use crate::scheduler::Scheduler;
use crate::volume::Volumes;

/// Key of a team's owner who is an operator too.
pub(crate) const OWNER: &str = "qk_owner";
/// Key of a viewer of the same team.
pub(crate) const VIEWER: &str = "qk_viewer";
/// Key of the owner that may do nothing but read and write notebooks.
pub(crate) const SCOPED: &str = "qk_scoped";
/// Key of a node.
pub(crate) const NODE: &str = "qn_node";

#[derive(Debug)]
struct Fixed(Vec<u8>);

#[async_trait::async_trait]
impl KeySource for Fixed {
    async fn keys(&self) -> chassis::Result<Vec<Vec<u8>>> {
        Ok(vec![self.0.clone()])
    }
}

/// Everything that a test needs.
pub(crate) struct House {
    pub(crate) identity: Identity,
    pub(crate) notebooks: Notebooks,
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) client: Client,
    /// Stops the gateway alone.
    pub(crate) cancel: CancellationToken,
    pub(crate) gateway: JoinHandle<chassis::Result<()>>,
    services: HashMap<&'static str, CancellationToken>,
    _services: DropGuard,
    _gateway: DropGuard,
    _folder: TempDir,
}

struct Services {
    verifier: Verifier,
    cancel: CancellationToken,
    running: HashMap<&'static str, CancellationToken>,
    tls: TlsConfig,
}

impl Services {
    async fn serve(&mut self, area: &'static str, at: Address, routes: Routes) -> Address {
        let listener = Listener::bind(&at, &self.tls).await.unwrap();
        let address = listener.address().clone();
        let cancel = self.cancel.child_token();
        tokio::spawn(
            Server::new(area, self.verifier.clone(), routes).run(listener, cancel.clone()),
        );
        self.running.insert(area, cancel);
        address
    }
}

fn any_port(tls: &TlsConfig) -> Address {
    let port = "127.0.0.1:0".to_owned();
    match tls.certificate {
        None => Address::Http(port),
        Some(_) => Address::Https(port),
    }
}

impl House {
    /// With the default limits.
    pub(crate) async fn start() -> Self {
        Self::with(Limits::default()).await
    }

    /// With these limits.
    pub(crate) async fn with(limits: Limits) -> Self {
        Self::build(limits, TlsConfig::default()).await
    }

    /// With TLS before the gateway and behind it, wherever there is no unix socket.
    pub(crate) async fn secure(tls: TlsConfig) -> Self {
        Self::build(Limits::default(), tls).await
    }

    async fn build(limits: Limits, tls: TlsConfig) -> Self {
        let clock = Arc::new(ManualClock::new(from_micros(1_790_000_000_000_000)));
        let signer = Signer::from_pkcs8(&Signer::generate().unwrap()).unwrap();
        let source = Arc::new(Fixed(signer.public_key().to_vec()));
        let verifier = Verifier::new(source, clock.clone());
        let mut services = Services {
            verifier,
            cancel: CancellationToken::new(),
            running: HashMap::new(),
            tls: tls.clone(),
        };
        let (identity, notebooks) = (
            Identity::new(signer, clock.clone()),
            Notebooks::new(clock.now()),
        );
        let folder = tempfile::tempdir().unwrap();
        let socket = Address::Unix(folder.path().join("notebook.sock"));

        let routes = Routes::new(IdentityServiceServer::new(identity.clone()));
        let identity_at = services.serve("identity", any_port(&tls), routes).await;
        let routes = Routes::new(InventoryServiceServer::new(Inventory));
        let inventory_at = services.serve("inventory", any_port(&tls), routes).await;
        let routes = Routes::new(NotebookServiceServer::new(notebooks.clone()));
        let notebook_at = services.serve("notebook", socket, routes).await;
        let routes = Routes::new(VolumeServiceServer::new(Volumes));
        let volume_at = services.serve("volume", any_port(&tls), routes).await;
        let routes = Routes::new(BillingServiceServer::new(Billing));
        let billing_at = services.serve("billing", any_port(&tls), routes).await;
        let routes = Routes::new(JournalServiceServer::new(Journal));
        let journal_at = services.serve("journal", any_port(&tls), routes).await;
        let routes = Routes::new(LinkServiceServer::new(Link))
            .add_service(QueueServiceServer::new(Queues))
            .add_service(SchedulerServiceServer::new(Scheduler));
        let scheduler_at = services.serve("scheduler", any_port(&tls), routes).await;

        let config = GatewayConfig {
            listen: any_port(&tls),
            tls,
            identity: identity_at,
            inventory: inventory_at,
            volume: volume_at,
            scheduler: scheduler_at,
            notebook: notebook_at,
            billing: billing_at,
            journal: journal_at,
            limits,
        };
        let cancel = CancellationToken::new();
        let (ready, address) = oneshot::channel();
        let gateway = tokio::spawn(gateway::run(
            config,
            clock.clone(),
            cancel.clone(),
            |address| {
                ready.send(address.to_string()).unwrap();
            },
        ));
        let client = Client::new(address.await.unwrap());
        Self {
            identity,
            notebooks,
            clock,
            client,
            _gateway: cancel.clone().drop_guard(),
            cancel,
            gateway,
            services: services.running,
            _services: services.cancel.drop_guard(),
            _folder: folder,
        }
    }

    /// Ends the service that plays `area`.
    pub(crate) fn end_service(&self, area: &str) {
        self.services[area].cancel();
    }
}
