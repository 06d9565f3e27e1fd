//! What surrounds billing in a test: a clock that stands, a bus, a database, identity, the scheduler.

use std::sync::Arc;

use billing::BillingConfig;
use bus::{Bus, Envelope};
use chassis::auth::Principal;
use chassis::grpc::{Caller, TokenSource, connect};
use chassis::tls::Trust;
use chrono::TimeDelta;
use contracts::billing::v1 as wire;
use contracts::billing::v1::billing_service_client::BillingServiceClient;
use contracts::common::v1::Role;
use contracts::scheduler::v1::{Attempt, AttemptEnded, AttemptStarted};
use contracts::{Event, to_wire_time};
use kernel::id::{AttemptId, NotebookId, TeamId};
use kernel::time::ManualClock;
use kernel::{Clock, Timestamp};
use sea_orm::{ConnectionTrait as _, DatabaseConnection, Statement};
use secrecy::ExposeSecret as _;
use testkit::{Database, Engine, Identity, Nats, Service, eventually, person};

use crate::scheduler::Scheduler;

/// A client of billing with the token of one user.
pub(crate) type Client = BillingServiceClient<Caller>;

/// Billing and its surroundings.
pub(crate) struct World {
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) identity: Identity,
    pub(crate) scheduler: Scheduler,
    pub(crate) config: BillingConfig,
    billing: Option<Service>,
    pub(crate) nats: Nats,
    bus: Bus,
    _database: Database,
}

/// 2026-03-10, 12:00 UTC.
pub(crate) fn noon() -> Timestamp {
    kernel::time::from_micros(1_773_144_000_000_000)
}

impl World {
    /// Starts everything, with the clock at [`noon`].
    pub(crate) async fn start(engine: Engine) -> Self {
        let nats = Nats::start();
        let clock = Arc::new(ManualClock::new(noon()));
        let identity = Identity::start(clock.clone()).await;
        let database = engine.database();
        let service = identity.config("billing", database.url(), &nats);
        let scheduler = Scheduler::start(&service, clock.clone()).await;
        let config = BillingConfig {
            service,
            scheduler: scheduler.service.address().clone(),
            ..BillingConfig::default()
        };
        let billing = Some(start_billing(&config, &clock).await);
        let bus = Bus::connect(&nats.config(), "test").await.unwrap();
        Self {
            clock,
            identity,
            scheduler,
            config,
            billing,
            nats,
            bus,
            _database: database,
        }
    }

    /// The billing that was started.
    pub(crate) fn billing(&self) -> &Service {
        self.billing.as_ref().unwrap()
    }

    /// Stops billing and waits for its end.
    pub(crate) async fn stop(&mut self) {
        self.billing.take().unwrap().stop().await.unwrap();
    }

    /// Starts billing again after a stop.
    pub(crate) async fn start_again(&mut self) {
        self.billing = Some(self.start_replica().await);
    }

    /// Starts one more billing on the same database.
    pub(crate) async fn start_replica(&self) -> Service {
        start_billing(&self.config, &self.clock).await
    }

    /// A client of `billing` for `principal`.
    pub(crate) fn client_of(&self, billing: &Service, principal: Principal) -> Client {
        let identity = connect(&self.config.service.identity, &Trust::public()).unwrap();
        let tokens = TokenSource::new(identity, self.identity.key(principal), self.clock.clone());
        BillingServiceClient::new(Caller::new(
            connect(billing.address(), &Trust::public()).unwrap(),
            tokens,
        ))
    }

    /// A client for a member of `team`.
    pub(crate) fn member(&self, team: TeamId) -> Client {
        self.client_of(self.billing(), person(team, Role::Member))
    }

    /// A client for an operator.
    pub(crate) fn operator(&self) -> Client {
        self.client_of(self.billing(), person(TeamId::generate(), Role::Operator))
    }

    /// Publishes an event about an attempt.
    pub(crate) async fn publish<E: Event>(&self, event: &E, attempt: &Attempt) {
        let envelope = Envelope::new(event, &attempt.id, Some(&attempt.team_id), self.now());
        let (subject, headers) = (envelope.subject.clone(), envelope.headers());
        let sent = self
            .bus
            .jetstream()
            .publish_with_headers(subject, headers, envelope.payload.into())
            .await;
        sent.unwrap().await.unwrap();
    }

    /// Publishes that the attempt began.
    pub(crate) async fn started(&self, attempt: &Attempt) {
        self.publish(
            &AttemptStarted {
                attempt: Some(attempt.clone()),
            },
            attempt,
        )
        .await;
    }

    /// Publishes that the attempt is over.
    pub(crate) async fn ended(&self, attempt: &Attempt) {
        self.publish(
            &AttemptEnded {
                attempt: Some(attempt.clone()),
            },
            attempt,
        )
        .await;
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
        sea_orm::Database::connect(self.config.service.database.expose_secret())
            .await
            .unwrap()
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

async fn start_billing(config: &BillingConfig, clock: &Arc<ManualClock>) -> Service {
    let (config, clock) = (config.clone(), clock.clone());
    Service::start(|cancel, ready| billing::run(config, clock, cancel, ready)).await
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
