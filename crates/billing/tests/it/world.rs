//! What surrounds billing in a test: a clock that stands, a bus, a database, identity, the scheduler.

use std::sync::Arc;

use billing::BillingConfig;
use chassis::Address;
use chassis::config::ServiceConfig;
use chassis::grpc::{Caller, TokenSource, connect};
use chrono::TimeDelta;
use contracts::billing::v1 as wire;
use contracts::billing::v1::billing_service_client::BillingServiceClient;
use contracts::common::v1::Role;
use contracts::scheduler::v1::Attempt;
use contracts::to_wire_time;
use kernel::id::{AttemptId, NotebookId, TeamId};
use kernel::time::ManualClock;
use kernel::{Clock, Timestamp};
use sea_orm::{ConnectionTrait as _, DatabaseConnection, Statement};
use tempfile::TempDir;
use testkit::{Nats, Postgres, eventually};
use tokio_util::sync::CancellationToken;

use crate::identity::{BILLING_KEY, Identity};
use crate::scheduler::Scheduler;

/// The databases that billing runs on.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Engine {
    Sqlite,
    Postgres,
}

/// A client of billing with the token of one user.
pub(crate) type Client = BillingServiceClient<Caller>;

/// Billing and its surroundings.
pub(crate) struct World {
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) identity: Identity,
    pub(crate) scheduler: Scheduler,
    pub(crate) config: BillingConfig,
    pub(crate) billing: Address,
    url: String,
    cancel: CancellationToken,
    _nats: Nats,
    _folder: TempDir,
}

impl Drop for World {
    fn drop(&mut self) {
        self.cancel.cancel();
    }
}

/// 2026-03-10, 12:00 UTC.
pub(crate) fn noon() -> Timestamp {
    kernel::time::from_micros(1_773_144_000_000_000)
}

impl World {
    /// Starts everything, with the clock at [`noon`].
    pub(crate) async fn start(engine: Engine) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let nats = Nats::start();
        let clock = Arc::new(ManualClock::new(noon()));
        let cancel = CancellationToken::new();
        let (identity, identity_address) = Identity::start(clock.clone(), cancel.clone()).await;
        let database = |name: &str| format!("sqlite://{}/{name}.db", folder.path().display());
        let service = |database: String| ServiceConfig {
            database: database.into(),
            identity: identity_address.clone(),
            key: BILLING_KEY.into(),
            bus: nats.config(),
            ..ServiceConfig::default()
        };
        let (scheduler, scheduler_address) = Scheduler::start(
            &service(database("scheduler")),
            clock.clone(),
            cancel.clone(),
        )
        .await;
        let url = match engine {
            Engine::Sqlite => database("billing"),
            Engine::Postgres => Postgres::shared().database(),
        };
        let config = BillingConfig {
            service: service(url.clone()),
            scheduler: scheduler_address,
            ..BillingConfig::default()
        };
        let billing = start_billing(&config, &clock, &cancel).await;
        Self {
            clock,
            identity,
            scheduler,
            config,
            billing,
            url,
            cancel,
            _nats: nats,
            _folder: folder,
        }
    }

    /// Starts one more billing on the same database.
    pub(crate) async fn start_replica(&self) -> Address {
        start_billing(&self.config, &self.clock, &self.cancel).await
    }

    /// A client at `address` for a new user of `team`.
    pub(crate) fn client_at(
        &self,
        address: &Address,
        team: TeamId,
        role: Role,
        operator: bool,
    ) -> Client {
        let key = self.identity.user(team, role, operator);
        let identity = connect(&self.config.service.identity).unwrap();
        let tokens = TokenSource::new(identity, key.into(), self.clock.clone());
        BillingServiceClient::new(Caller::new(connect(address).unwrap(), tokens))
    }

    /// A client for a member of `team`.
    pub(crate) fn member(&self, team: TeamId) -> Client {
        self.client_at(&self.billing, team, Role::Member, false)
    }

    /// A client for an operator.
    pub(crate) fn operator(&self) -> Client {
        self.client_at(&self.billing, TeamId::generate(), Role::Owner, true)
    }

    /// What an audit finds.
    pub(crate) async fn audit(&self) -> wire::RunAuditResponse {
        self.operator()
            .run_audit(wire::RunAuditRequest {})
            .await
            .unwrap()
            .into_inner()
    }

    /// Moves the clock on.
    pub(crate) fn advance(&self, minutes: i64) {
        self.clock.advance(TimeDelta::minutes(minutes));
    }

    /// What time it is.
    pub(crate) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Billing's tables, past billing.
    pub(crate) async fn tables(&self) -> DatabaseConnection {
        sea_orm::Database::connect(&self.url).await.unwrap()
    }

    /// The one number that a query gives.
    pub(crate) async fn number(&self, query: &str) -> i64 {
        let tables = self.tables().await;
        let statement = Statement::from_string(tables.get_database_backend(), query);
        let row = tables.query_one_raw(statement).await.unwrap().unwrap();
        row.try_get_by_index(0).unwrap()
    }

    /// Changes billing's tables behind its back.
    pub(crate) async fn tamper(&self, statement: &str) {
        let changed = self
            .tables()
            .await
            .execute_unprepared(statement)
            .await
            .unwrap();
        assert!(changed.rows_affected() > 0, "{statement}");
    }

    /// The balance of an account in millionths.
    pub(crate) async fn balance(&self, account: &str) -> i64 {
        let sum =
            "SELECT CAST(COALESCE(SUM(micros), 0) AS BIGINT) FROM ledger_entries WHERE account";
        self.number(&format!("{sum} = '{account}'")).await
    }
}

async fn start_billing(
    config: &BillingConfig,
    clock: &Arc<ManualClock>,
    cancel: &CancellationToken,
) -> Address {
    let (ready, address) = tokio::sync::oneshot::channel();
    let run = billing::run(config.clone(), clock.clone(), cancel.clone(), |address| {
        ready.send(address.clone()).unwrap()
    });
    tokio::spawn(run);
    address.await.unwrap()
}

/// This month's usage of the client's team.
pub(crate) async fn usage(client: &mut Client) -> wire::GetUsageResponse {
    client
        .get_usage(wire::GetUsageRequest::default())
        .await
        .unwrap()
        .into_inner()
}

/// Waits until the usage of the client's team is as `condition` says.
pub(crate) async fn usage_when(
    client: &Client,
    what: &str,
    condition: impl Fn(&wire::GetUsageResponse) -> bool,
) -> wire::GetUsageResponse {
    eventually(what, || {
        let (mut client, condition) = (client.clone(), &condition);
        async move { Some(usage(&mut client).await).filter(condition) }
    })
    .await
}

/// An attempt of `team` that runs since `from`.
pub(crate) fn attempt(team: TeamId, machine_type: &str, from: Timestamp) -> Attempt {
    Attempt {
        id: AttemptId::generate().to_string(),
        team_id: team.to_string(),
        project_id: "pr-1".to_owned(),
        owner_id: NotebookId::generate().to_string(),
        machine_type: machine_type.to_owned(),
        billable_from: Some(to_wire_time(from)),
        confirmed_until: Some(to_wire_time(from)),
        revision: 3,
        ..Attempt::default()
    }
}

/// The attempt once it is known to have run until `until`.
pub(crate) fn confirmed(attempt: &Attempt, until: Timestamp) -> Attempt {
    Attempt {
        confirmed_until: Some(to_wire_time(until)),
        revision: attempt.revision + 1,
        ..attempt.clone()
    }
}

/// The attempt after it ended.
pub(crate) fn ended(attempt: &Attempt, until: Timestamp) -> Attempt {
    Attempt {
        billable_until: Some(to_wire_time(until)),
        ..confirmed(attempt, until)
    }
}
