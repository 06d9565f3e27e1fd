//! The notebook service with all that is around it, and short words for what tests do with it.

use std::sync::Arc;

use bus::{Bus, Route, Routes as Bucket};
use chassis::Address;
use chassis::auth::Principal;
use chrono::TimeDelta;
use contracts::billing::v1::billing_service_server::BillingServiceServer;
use contracts::common::v1::Role;
use contracts::inventory::v1::inventory_service_server::InventoryServiceServer;
use contracts::notebook::v1::notebook_service_client::NotebookServiceClient;
use contracts::notebook::v1::{
    CreateNotebookRequest, DeleteNotebookRequest, ExplainNotebookRequest, ExplainNotebookResponse,
    GetNotebookRequest, Notebook, NotebookChanged, NotebookState, StartNotebookRequest,
    StopNotebookRequest,
};
use contracts::scheduler::v1::scheduler_service_server::SchedulerServiceServer;
use contracts::scheduler::v1::{Workload, WorkloadChanged};
use contracts::volume::v1::volume_service_server::VolumeServiceServer;
use kernel::Clock as _;
use kernel::id::TeamId;
use kernel::time::{ManualClock, from_micros};
use notebook::NotebookConfig;
use sea_orm::{ConnectionTrait as _, DatabaseConnection, Statement};
use secrecy::ExposeSecret as _;
use testkit::{Database, Engine, Identity, Nats, Service, TestChannel, eventually, person};
use tokio::sync::OnceCell;
use tonic::Status;
use tonic::service::Routes;

use crate::edge::Edge;
use crate::neighbours::{Billing, Inventory, Volumes};
use crate::scheduler::{self, Scheduler};

pub(crate) type Client = NotebookServiceClient<TestChannel>;

/// Longer than any test.
pub(crate) const NEVER_MS: u32 = 3_600_000;

/// Everything that runs; the clock stands until a test moves it.
pub(crate) struct House {
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) identity: Identity,
    pub(crate) nats: Nats,
    pub(crate) inventory: Arc<Inventory>,
    pub(crate) volumes: Arc<Volumes>,
    pub(crate) scheduler: Arc<Scheduler>,
    pub(crate) billing: Arc<Billing>,
    pub(crate) edge: Edge,
    pub(crate) team: TeamId,
    pub(crate) config: NotebookConfig,
    service: Option<Service>,
    database: Database,
    tables: OnceCell<DatabaseConnection>,
    _played: [Service; 4],
}

impl House {
    pub(crate) async fn open(engine: Engine) -> Self {
        let mut house = Self::empty(engine).await;
        house.start_service().await;
        house
    }

    /// With all around it, but without the service itself.
    pub(crate) async fn empty(engine: Engine) -> Self {
        let clock = Arc::new(ManualClock::new(from_micros(1_700_000_000_000_000)));
        let identity = Identity::start(clock.clone()).await;
        let (nats, database, edge) = (Nats::start(), engine.database(), Edge::start().await);
        let (inventory, volumes) = (Arc::<Inventory>::default(), Arc::<Volumes>::default());
        let scheduler = Arc::<Scheduler>::default();
        let routes = Routes::new(InventoryServiceServer::from_arc(inventory.clone()));
        let played_inventory = identity.serve("inventory", routes).await;
        let routes = Routes::new(VolumeServiceServer::from_arc(volumes.clone()));
        let played_volume = identity.serve("volume", routes).await;
        let routes = Routes::new(SchedulerServiceServer::from_arc(scheduler.clone()));
        let played_scheduler = identity.serve("scheduler", routes).await;
        let billing = Arc::<Billing>::default();
        let routes = Routes::new(BillingServiceServer::from_arc(billing.clone()));
        let played_billing = identity.serve("billing", routes).await;
        let config = NotebookConfig {
            service: identity.config("notebook", database.url(), &nats),
            inventory: played_inventory.address().clone(),
            volume: played_volume.address().clone(),
            scheduler: played_scheduler.address().clone(),
            billing: played_billing.address().clone(),
            edge: "http://lab.example:7701".parse().unwrap(),
            master_key: "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8".into(),
            edge_probe: Address::Http(edge.address.clone()),
            mend_ms: 100,
            look_ms: 100,
            routes_ms: 100,
            idle_ms: 50,
        };
        Self {
            clock,
            identity,
            nats,
            inventory,
            volumes,
            scheduler,
            billing,
            edge,
            team: TeamId::generate(),
            config,
            service: None,
            database,
            tables: OnceCell::new(),
            _played: [
                played_inventory,
                played_volume,
                played_scheduler,
                played_billing,
            ],
        }
    }

    pub(crate) async fn start_service(&mut self) {
        let (clock, config) = (self.clock.clone(), self.config.clone());
        let start = |cancel, ready| notebook::run(config, clock, cancel, ready);
        self.service = Some(Service::start(start).await);
    }

    pub(crate) async fn stop_service(&mut self) {
        self.service.take().unwrap().stop().await.unwrap();
    }

    pub(crate) fn client(&self, principal: &Principal) -> Client {
        let token = self.identity.token(principal);
        Client::new(self.service.as_ref().unwrap().channel(&token))
    }

    /// A member of the house's team.
    pub(crate) fn member(&self) -> Client {
        self.client(&person(self.team, Role::Member))
    }

    pub(crate) async fn try_create(
        &self,
        asked: CreateNotebookRequest,
    ) -> Result<Notebook, Status> {
        let answer = self.member().create_notebook(asked).await?;
        Ok(answer.into_inner().notebook.unwrap())
    }

    pub(crate) async fn create(&self, name: &str) -> Notebook {
        let asked = CreateNotebookRequest {
            name: name.to_owned(),
            ..CreateNotebookRequest::default()
        };
        self.try_create(asked).await.unwrap()
    }

    pub(crate) async fn notebook(&self, wanted: &str) -> Notebook {
        let asked = GetNotebookRequest {
            notebook: wanted.to_owned(),
        };
        self.member()
            .get_notebook(asked)
            .await
            .unwrap()
            .into_inner()
            .notebook
            .unwrap()
    }

    pub(crate) async fn start(&self, wanted: &str) -> Result<Notebook, Status> {
        let asked = StartNotebookRequest {
            notebook: wanted.to_owned(),
        };
        Ok(self
            .member()
            .start_notebook(asked)
            .await?
            .into_inner()
            .notebook
            .unwrap())
    }

    pub(crate) async fn stop(&self, wanted: &str) -> Notebook {
        let asked = StopNotebookRequest {
            notebook: wanted.to_owned(),
            snapshot: None,
        };
        self.member()
            .stop_notebook(asked)
            .await
            .unwrap()
            .into_inner()
            .notebook
            .unwrap()
    }

    pub(crate) async fn delete(&self, wanted: &str) -> String {
        let asked = DeleteNotebookRequest {
            notebook: wanted.to_owned(),
            keep_volume: false,
        };
        self.member()
            .delete_notebook(asked)
            .await
            .unwrap()
            .into_inner()
            .id
    }

    pub(crate) async fn explain(&self, wanted: &str) -> ExplainNotebookResponse {
        let asked = ExplainNotebookRequest {
            notebook: wanted.to_owned(),
        };
        self.member()
            .explain_notebook(asked)
            .await
            .unwrap()
            .into_inner()
    }

    /// Waits until the notebook is as `condition` says.
    pub(crate) async fn until(
        &self,
        id: &str,
        what: &str,
        condition: impl Fn(&Notebook) -> bool,
    ) -> Notebook {
        eventually(what, || async {
            Some(self.notebook(id).await).filter(&condition)
        })
        .await
    }

    pub(crate) async fn until_state(&self, id: &str, state: NotebookState) -> Notebook {
        self.until(id, state.as_str_name(), |notebook| {
            notebook.state() == state
        })
        .await
    }

    /// The workload of a start, once the scheduler was asked for it and the notebook knows its name.
    pub(crate) async fn workload(&self, id: &str, start: u32) -> Workload {
        let request_id = format!("{id}/{start}");
        let submitted = || async { self.scheduler.workload_of(&request_id) };
        let workload = eventually("the workload", submitted).await;
        self.until(id, "its workload's name", |notebook| {
            notebook.workload_id == workload.id
        })
        .await;
        workload
    }

    /// Changes a workload, and says so on the bus.
    pub(crate) async fn moves(&self, id: &str, change: impl FnOnce(&mut Workload)) {
        let event = WorkloadChanged {
            workload: Some(self.scheduler.change(id, change)),
        };
        self.nats.publish(&event, id).await;
    }

    /// A notebook that runs, with its workload.
    pub(crate) async fn running(&self, asked: CreateNotebookRequest) -> (Notebook, Workload) {
        let notebook = self.try_create(asked).await.unwrap();
        let workload = self.workload(&notebook.id, 1).await;
        let now = self.clock.now();
        self.moves(&workload.id, |workload| {
            scheduler::place(workload, "no-1");
            scheduler::run(workload, now);
        })
        .await;
        (
            self.until_state(&notebook.id, NotebookState::Running).await,
            workload,
        )
    }

    pub(crate) fn advance(&self, seconds: i64) {
        self.clock.advance(TimeDelta::seconds(seconds));
    }

    pub(crate) async fn bus(&self) -> Bus {
        Bus::connect(&self.nats.config(), "test").await.unwrap()
    }

    pub(crate) async fn route(&self, id: &str) -> Option<Route> {
        Bucket::open(&self.bus().await)
            .await
            .unwrap()
            .get(id)
            .await
            .unwrap()
    }

    /// Waits until the route is as `condition` says.
    pub(crate) async fn route_when(
        &self,
        id: &str,
        what: &str,
        condition: impl Fn(&Route) -> bool,
    ) -> Route {
        eventually(what, || async { self.route(id).await.filter(&condition) }).await
    }

    /// What was said of a notebook, oldest first, once `condition` holds for the last of it.
    pub(crate) async fn events(
        &self,
        id: &str,
        condition: impl Fn(&NotebookChanged) -> bool,
    ) -> Vec<NotebookChanged> {
        eventually("the events", || async {
            let all: Vec<NotebookChanged> = self.nats.events().await;
            let of_it = |event: &NotebookChanged| event.notebook.as_ref().unwrap().id == id;
            let events: Vec<_> = all.into_iter().filter(of_it).collect();
            events.last().is_some_and(&condition).then_some(events)
        })
        .await
    }

    /// The tables, past the service.
    pub(crate) async fn tables(&self) -> &DatabaseConnection {
        let connect = || async {
            let url = self.database.url();
            sea_orm::Database::connect(url.expose_secret())
                .await
                .unwrap()
        };
        self.tables.get_or_init(connect).await
    }

    /// All of what a query gives, each row's first column as text.
    pub(crate) async fn texts(&self, query: &str) -> Vec<String> {
        let tables = self.tables().await;
        let statement = Statement::from_string(tables.get_database_backend(), query);
        let rows = tables.query_all_raw(statement).await.unwrap();
        rows.iter()
            .map(|row| row.try_get_by_index(0).unwrap())
            .collect()
    }
}

/// What a nameless request asks for on this machine type.
pub(crate) fn on(machine_type: &str) -> CreateNotebookRequest {
    CreateNotebookRequest {
        machine_type: machine_type.to_owned(),
        ..CreateNotebookRequest::default()
    }
}
