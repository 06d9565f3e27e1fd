//! Two replicas of identity on one database, and people who log in.

use std::collections::BTreeMap;
use std::sync::Arc;

use chassis::config::ServiceConfig;
use chassis::seal::random_secret;
use contracts::common::v1::Role;
use contracts::identity::v1::identity_service_client::IdentityServiceClient;
use contracts::identity::v1::{
    CreateTeamRequest, CreateUserRequest, ExchangeKeyRequest, GetSessionRequest,
    GetSessionResponse, ListProjectsRequest,
};
use identity::{AuthorityConfig, IdentityConfig};
use kernel::time::{ManualClock, from_micros};
use secrecy::{ExposeSecret, SecretString};
use testkit::{Database, Engine, Nats, Service, TestChannel};
use tonic::Status;

pub(crate) type Client = IdentityServiceClient<TestChannel>;

/// Everything that runs; the clock stands until a test moves it.
pub(crate) struct House {
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) nats: Nats,
    pub(crate) config: IdentityConfig,
    /// Of the first user: owner of the first team, and operator.
    pub(crate) first_key: String,
    pub(crate) database: Database,
    replicas: [Service; 2],
}

/// What identity is told: keys of the services `inventory` and `notebook`.
pub(crate) fn config(database: &Database, nats: &Nats) -> IdentityConfig {
    let keys = ["inventory", "notebook"]
        .map(|name| (name.to_owned(), SecretString::from(service_key(name))));
    IdentityConfig {
        service: ServiceConfig {
            database: database.url(),
            bus: nats.config(),
            ..ServiceConfig::default()
        },
        master_key: random_secret().unwrap(),
        service_keys: BTreeMap::from(keys),
        first_key: None,
        authority: AuthorityConfig::default(),
    }
}

pub(crate) fn service_key(name: &str) -> String {
    format!("qs_{name}")
}

impl House {
    pub(crate) async fn open(engine: Engine) -> Self {
        let clock = Arc::new(ManualClock::new(from_micros(1_700_000_000_000_000)));
        let (nats, database) = (Nats::start(), engine.database());
        let config = config(&database, &nats);
        let first_key = identity::bootstrap(&config, clock.clone())
            .await
            .unwrap()
            .unwrap();
        // Together, so that they must agree on one signing key.
        let (one, two) = tokio::join!(start(&config, &clock), start(&config, &clock));
        let first_key = first_key.expose_secret().to_owned();
        Self {
            clock,
            nats,
            config,
            first_key,
            database,
            replicas: [one, two],
        }
    }

    /// One more replica: what it does at its start is done now.
    pub(crate) async fn restarted(&self) -> Service {
        start(&self.config, &self.clock).await
    }

    /// A client of the replica with this number, with a token; empty = without one.
    pub(crate) fn with_token(&self, replica: usize, token: &str) -> Client {
        Client::new(self.replicas[replica].channel(token))
    }

    pub(crate) async fn token(&self, key: &str) -> Result<String, Status> {
        let asked = ExchangeKeyRequest {
            key: key.to_owned(),
        };
        Ok(self
            .with_token(0, "")
            .exchange_key(asked)
            .await?
            .into_inner()
            .token)
    }

    /// A client of somebody with a key.
    pub(crate) async fn client_of(&self, replica: usize, key: &str) -> Client {
        self.with_token(replica, &self.token(key).await.unwrap())
    }

    pub(crate) async fn client(&self, key: &str) -> Client {
        self.client_of(0, key).await
    }

    pub(crate) async fn operator(&self) -> Client {
        self.client(&self.first_key).await
    }

    pub(crate) async fn service(&self, name: &str) -> Client {
        self.client(&service_key(name)).await
    }

    /// A new team; its owner's key.
    pub(crate) async fn team(&self, namespace: &str) -> String {
        let asked = CreateTeamRequest {
            name: namespace.to_owned(),
            namespace: namespace.to_owned(),
            owner_email: format!("owner@{namespace}.example"),
            ..CreateTeamRequest::default()
        };
        self.operator()
            .await
            .create_team(asked)
            .await
            .unwrap()
            .into_inner()
            .owner_key
    }

    /// A new member of the team that `key` speaks for; the member's key.
    pub(crate) async fn member(&self, key: &str, email: &str, role: Role) -> String {
        add(&mut self.client(key).await, email, role).await.unwrap()
    }

    pub(crate) async fn session(&self, key: &str) -> GetSessionResponse {
        self.client(key)
            .await
            .get_session(GetSessionRequest {})
            .await
            .unwrap()
            .into_inner()
    }

    /// Names of the projects that `key` sees.
    pub(crate) async fn projects(&self, key: &str) -> Vec<String> {
        let listed = self
            .client(key)
            .await
            .list_projects(ListProjectsRequest {})
            .await
            .unwrap();
        listed
            .into_inner()
            .projects
            .into_iter()
            .map(|project| project.name)
            .collect()
    }
}

async fn start(config: &IdentityConfig, clock: &Arc<ManualClock>) -> Service {
    let (config, clock) = (config.clone(), clock.clone());
    Service::start(|cancel, ready| identity::run(config, clock, cancel, ready)).await
}

/// Adds a member, or changes a role; the key.
pub(crate) async fn add(client: &mut Client, email: &str, role: Role) -> Result<String, Status> {
    let asked = CreateUserRequest {
        email: email.to_owned(),
        name: String::new(),
        role: role.into(),
        ..CreateUserRequest::default()
    };
    Ok(client.create_user(asked).await?.into_inner().key)
}
