//! All services in this process: their configurations, and their lives as tasks.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use agent::AgentConfig;
use anyhow::{Context, Result, bail};
use billing::BillingConfig;
use chassis::authority::Description;
use chassis::config::{ServiceConfig, TlsConfig};
use chassis::grpc::{Caller, TokenSource, connect};
use chassis::tls::Trust;
use chassis::{Address, Tasks};
use contracts::inventory::v1::inventory_service_client::InventoryServiceClient;
use contracts::inventory::v1::{CreateJoinTokenRequest, ListNodesRequest, Node, NodeLiveness};
use edge::EdgeConfig;
use gateway::GatewayConfig;
use identity::{AuthorityConfig, IdentityConfig};
use inventory::InventoryConfig;
use journal::JournalConfig;
use kernel::time::SystemClock;
use kernel::{Clock, Timestamp};
use notebook::NotebookConfig;
use scheduler::SchedulerConfig;
use secrecy::SecretString;
use tokio::sync::Notify;
use volume::VolumeConfig;

use super::doors::Doors;
use super::nats::Bus;
use super::secrets::Secrets;
use crate::authority::{Folder, read};
use crate::cli::UpArgs;

/// Longest path of a socket that the kernel takes (`sun_path`), less the longest name that is put below a folder.
const MAX_RUN_DIR: usize = 107 - 50;

/// Name of the certificate that gateway and edge show.
const SERVER: &str = "server";
/// How often its age is looked at.
const LOOK: Duration = Duration::from_secs(3_600);

/// Where everything lies and how it is reached.
#[derive(Debug)]
pub(super) struct Plan<'a> {
    pub(super) args: &'a UpArgs,
    pub(super) doors: &'a Doors,
    pub(super) data_dir: &'a Path,
    pub(super) secrets: &'a Secrets,
    pub(super) bus: &'a Bus,
    pub(super) clock: Arc<dyn Clock>,
}

/// The folder of sockets below a data folder.
pub(super) fn run_dir(data_dir: &Path) -> Result<PathBuf> {
    let folder = data_dir.join("run");
    if folder.as_os_str().len() > MAX_RUN_DIR {
        bail!(
            "{} is too long for sockets; name a shorter folder with --data-dir",
            data_dir.display()
        );
    }
    Ok(folder)
}

impl Plan<'_> {
    fn socket(&self, service: &str) -> Address {
        socket(self.data_dir, service)
    }

    fn key(&self, service: &str) -> SecretString {
        self.secrets
            .service_keys
            .get(service)
            .cloned()
            .unwrap_or_default()
    }

    fn service(&self, service: &str) -> ServiceConfig {
        ServiceConfig {
            listen: self.socket(service),
            database: format!(
                "sqlite://{}",
                self.data_dir.join(format!("{service}.db")).display()
            )
            .into(),
            identity: self.socket("identity"),
            key: self.key(service),
            bus: self.bus.config_for(service, self.secrets),
            tls: self.tls(),
        }
    }

    pub(super) fn identity(&self) -> IdentityConfig {
        IdentityConfig {
            service: self.service("identity"),
            master_key: self.secrets.master_key.clone(),
            service_keys: self.secrets.service_keys.clone(),
            first_key: self.secrets.first_key.clone(),
            authority: AuthorityConfig {
                certificate: Some(self.authority().certificate()),
                key: Some(self.authority().key()),
            },
        }
    }

    fn authority(&self) -> Folder {
        super::authority(self.data_dir)
    }

    /// Certificates: whom all trust, and what gateway and edge show.
    fn tls(&self) -> TlsConfig {
        let authority = self.authority();
        TlsConfig {
            authority: Some(authority.certificate()),
            certificate: Some(authority.certificate_of(SERVER)),
            key: Some(authority.key_of(SERVER)),
        }
    }

    /// Issues the certificate that gateway and edge show, now and whenever two thirds of its life are over.
    fn keep_certificate(&self, tasks: &mut Tasks) -> Result<()> {
        let (authority, names, clock) = (
            self.authority(),
            self.doors.names.clone(),
            self.clock.clone(),
        );
        authority.issue(SERVER, &names, clock.now())?;
        let cancel = tasks.cancel();
        let renewing = async move {
            let doing = "renewing the servers' certificate";
            chassis::tasks::repeat(doing, Arc::new(Notify::new()), LOOK, cancel, || async {
                renew(&authority, &names, clock.now())
                    .map_err(|failure| chassis::Error::internal(doing, failure))
            })
            .await
        };
        tasks.start("certificate", renewing);
        Ok(())
    }

    fn agent(&self) -> AgentConfig {
        AgentConfig {
            data_dir: self.data_dir.join("agent"),
            run_dir: self.data_dir.join("run"),
            relay_dir: self.data_dir.join("run"),
            identity: self.socket("identity"),
            inventory: self.socket("inventory"),
            scheduler: self.socket("scheduler"),
            volume: self.socket("volume"),
            cpu_overcommit: self.args.cpu_overcommit,
            warm: self.args.warm,
            simulate_gpus: self.args.simulate_gpus,
            require_full_isolation: self.args.require_full_isolation,
            denied_networks: self.args.denied_networks.clone(),
            ..AgentConfig::default()
        }
    }

    fn notebook(&self) -> NotebookConfig {
        NotebookConfig {
            service: self.service("notebook"),
            inventory: self.socket("inventory"),
            volume: self.socket("volume"),
            scheduler: self.socket("scheduler"),
            billing: self.socket("billing"),
            edge: self.doors.notebooks(),
            edge_probe: self.doors.local_edge(),
            master_key: self.secrets.master_key.clone(),
            ..NotebookConfig::default()
        }
    }

    /// Starts every service as a task. A service that ends, ends the program.
    ///
    /// # Errors
    /// When no certificate can be issued.
    pub(super) fn start(&self, tasks: &mut Tasks) -> Result<()> {
        if self.doors.secure {
            self.keep_certificate(tasks)?;
        }
        let cancel = tasks.cancel();
        let clock = || self.clock.clone();
        let quiet = |_: &Address| {};
        tasks.start(
            "identity",
            identity::run(self.identity(), clock(), cancel.clone(), quiet),
        );
        let config = InventoryConfig {
            service: self.service("inventory"),
            ..InventoryConfig::default()
        };
        tasks.start(
            "inventory",
            inventory::run(config, clock(), cancel.clone(), quiet),
        );
        let config = VolumeConfig {
            service: self.service("volume"),
            scheduler: self.socket("scheduler"),
            ..VolumeConfig::default()
        };
        tasks.start(
            "volume",
            volume::run(config, clock(), cancel.clone(), quiet),
        );
        let config = SchedulerConfig {
            service: self.service("scheduler"),
            inventory: self.socket("inventory"),
            volume: self.socket("volume"),
            ..SchedulerConfig::default()
        };
        tasks.start(
            "scheduler",
            scheduler::run(config, clock(), cancel.clone(), quiet),
        );
        let config = BillingConfig {
            service: self.service("billing"),
            scheduler: self.socket("scheduler"),
            ..BillingConfig::default()
        };
        tasks.start(
            "billing",
            billing::run(config, clock(), cancel.clone(), quiet),
        );
        tasks.start(
            "notebook",
            notebook::run(self.notebook(), clock(), cancel.clone(), quiet),
        );
        let config = JournalConfig {
            service: self.service("journal"),
            ..JournalConfig::default()
        };
        tasks.start(
            "journal",
            journal::run(config, clock(), cancel.clone(), quiet),
        );
        let config = EdgeConfig {
            listen: self.doors.edge_listener(),
            tls: self.tls(),
            domain: self.doors.domain.clone(),
            bus: self.bus.config_for("edge", self.secrets),
            relay_dir: self.data_dir.join("run"),
            relay_listen: self.doors.relay_listener(),
            relay_address: self.doors.relay(),
            inventory: self.socket("inventory"),
            notebook: self.socket("notebook"),
            identity: self.socket("identity"),
            key: self.key("edge"),
            ..EdgeConfig::default()
        };
        tasks.start("edge", edge::run(config, clock(), cancel.clone(), |_| {}));
        let config = GatewayConfig {
            listen: self.doors.gateway_listener(),
            tls: self.tls(),
            identity: self.socket("identity"),
            inventory: self.socket("inventory"),
            volume: self.socket("volume"),
            scheduler: self.socket("scheduler"),
            notebook: self.socket("notebook"),
            billing: self.socket("billing"),
            journal: self.socket("journal"),
            ..GatewayConfig::default()
        };
        tasks.start("gateway", gateway::run(config, clock(), cancel, quiet));
        Ok(())
    }

    /// Joins this machine as a node, unless it has, and starts its agent.
    pub(super) async fn start_agent(&self, tasks: &mut Tasks) -> Result<()> {
        let config = self.agent();
        let inventory =
            InventoryServiceClient::new(caller(self.data_dir, self.secrets, "inventory")?);
        if !self.data_dir.join("agent").join("node.json").exists() {
            let token = chassis::grpc::retry(|| {
                let mut inventory = inventory.clone();
                async move {
                    let asked = inventory.create_join_token(CreateJoinTokenRequest::default());
                    Ok(asked.await?.into_inner().token)
                }
            })
            .await
            .context("asking for a join token")?;
            agent::join(&config, &token)
                .await
                .context("joining this machine as a node")?;
        }
        tasks.start(
            "agent",
            agent::run(config, self.clock.clone(), tasks.cancel(), || {}),
        );
        crate::wait::until(Duration::from_millis(50), || {
            let mut inventory = inventory.clone();
            async move {
                // Inventory may still be starting; whoever waits for this has an end.
                let Ok(answer) = inventory.list_nodes(ListNodesRequest {}).await else {
                    return Ok(None);
                };
                let ready = |node: &Node| node.liveness() == NodeLiveness::Ready;
                Ok(answer.into_inner().nodes.iter().any(ready).then_some(()))
            }
        })
        .await
    }
}

/// Issues the servers' certificate anew when it is due; they take it from its files.
fn renew(authority: &Folder, names: &[String], now: Timestamp) -> Result<()> {
    let shown = read(&authority.certificate_of(SERVER))?;
    if now < Description::of_pem("certificate", &shown)?.renew_at() {
        return Ok(());
    }
    authority.issue(SERVER, names, now)?;
    tracing::info!("gateway and edge have a new certificate");
    Ok(())
}

/// A caller of a service of the installation in `data_dir`, as the installation itself.
pub(super) fn caller(data_dir: &Path, secrets: &Secrets, service: &str) -> Result<Caller> {
    let key = secrets.service_keys.get("up").cloned().unwrap_or_default();
    // Unix sockets, all of them.
    let trust = Trust::public();
    let identity = connect(&socket(data_dir, "identity"), &trust)?;
    let tokens = TokenSource::new(identity, key, Arc::new(SystemClock));
    let channel = connect(&socket(data_dir, service), &trust)?;
    Ok(Caller::new(channel, tokens))
}

/// Where a service of the installation in `data_dir` listens.
fn socket(data_dir: &Path, service: &str) -> Address {
    Address::Unix(data_dir.join("run").join(format!("{service}.sock")))
}
