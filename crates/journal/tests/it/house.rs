//! A journal, the bus that it hears, and those who read it.

use std::ops::RangeInclusive;
use std::sync::Arc;

use bus::Envelope;
use chassis::auth::Principal;
use chrono::TimeDelta;
use contracts::common::v1::{PageRequest, Role};
use contracts::journal::v1::journal_service_client::JournalServiceClient;
use contracts::journal::v1::{Event, EventFilter, ListEventsRequest, ListEventsResponse};
use contracts::notebook::v1::{Notebook, NotebookChanged, NotebookState};
use contracts::scheduler::v1::{Attempt, AttemptStarted, Workload, WorkloadChanged, WorkloadSpec};
use journal::JournalConfig;
use kernel::id::{AttemptId, NotebookId, ProjectId, TeamId, WorkloadId};
use kernel::time::{ManualClock, SystemClock};
use kernel::{Clock as _, Timestamp};
use testkit::{Database, Engine, Identity, Nats, Service, TestChannel, eventually, person};
use tonic::Status;

pub(crate) type Client = JournalServiceClient<TestChannel>;

/// Everything that runs.
pub(crate) struct House {
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) identity: Identity,
    pub(crate) nats: Nats,
    database: Database,
    pub(crate) replicas: Vec<Service>,
}

impl House {
    pub(crate) async fn open(engine: Engine) -> Self {
        Self::with(engine, JournalConfig::default()).await
    }

    /// A journal with other limits.
    pub(crate) async fn with(engine: Engine, config: JournalConfig) -> Self {
        let clock = Arc::new(ManualClock::new(SystemClock.now()));
        let mut house = Self {
            identity: Identity::start(clock.clone()).await,
            nats: Nats::guarded(),
            database: engine.database(),
            replicas: Vec::new(),
            clock,
        };
        // Nobody else runs here: the streams of the areas are made as tests.
        let events: Vec<NotebookChanged> = house.nats.events().await;
        assert!(events.is_empty());
        house.add_replica(config).await;
        house
    }

    pub(crate) async fn add_replica(&mut self, config: JournalConfig) {
        let config = JournalConfig {
            service: self
                .identity
                .config("journal", self.database.url(), &self.nats),
            ..config
        };
        let clock = self.clock.clone();
        let replica =
            Service::start(|cancel, ready| journal::run(config, clock, cancel, ready)).await;
        self.replicas.push(replica);
    }

    pub(crate) fn client_of(&self, replica: usize, principal: &Principal) -> Client {
        Client::new(self.replicas[replica].channel(&self.identity.token(principal)))
    }

    pub(crate) fn viewer(&self, team: TeamId) -> Client {
        self.client_of(0, &person(team, Role::Viewer))
    }

    /// A viewer of the team for whom a project does not exist.
    pub(crate) fn shut_out(&self, team: TeamId, project: ProjectId) -> Client {
        let Principal::User(mut user) = person(team, Role::Viewer) else {
            panic!("it is a person");
        };
        user.projects.insert(project, Role::Unspecified);
        self.client_of(0, &Principal::User(user))
    }

    pub(crate) fn operator(&self) -> Client {
        self.client_of(0, &person(TeamId::generate(), Role::Operator))
    }

    /// Tells that a notebook is now running or stopped.
    pub(crate) async fn notebook(&self, story: &Story, state: NotebookState, revision: u64) {
        self.nats
            .send([story.envelope(state, revision, SystemClock.now())])
            .await;
    }

    /// Tells that a notebook runs, once for each revision.
    pub(crate) async fn running(&self, story: &Story, revisions: RangeInclusive<u64>) {
        let now = SystemClock.now();
        let events = revisions.map(|revision| {
            // Later by a little each: all have their place in time.
            let at = now + TimeDelta::microseconds(i64::try_from(revision).unwrap());
            story.envelope(NotebookState::Running, revision, at)
        });
        self.nats.send(events).await;
    }

    /// Tells that a notebook's workload waits, and that its attempt has started.
    pub(crate) async fn run(&self, story: &Story) {
        let team = story.team.to_string();
        let workload = WorkloadChanged {
            workload: Some(Workload {
                id: story.workload.clone(),
                owner_id: story.notebook.clone(),
                team_id: team.clone(),
                project_id: story.project.clone(),
                spec: Some(WorkloadSpec {
                    kind: "notebook".to_owned(),
                    env: [("HF_TOKEN".to_owned(), "hunter2".to_owned())].into(),
                    ..WorkloadSpec::default()
                }),
                revision: 1,
                ..Workload::default()
            }),
        };
        self.nats
            .publish_for(&workload, &story.workload, &team)
            .await;
        let attempt = AttemptStarted {
            attempt: Some(Attempt {
                id: story.attempt.clone(),
                workload_id: story.workload.clone(),
                owner_id: story.notebook.clone(),
                team_id: team.clone(),
                project_id: story.project.clone(),
                generation: 1,
                revision: 2,
                ..Attempt::default()
            }),
        };
        self.nats.publish_for(&attempt, &story.attempt, &team).await;
    }

    /// All that `client` is shown by `filter`, once there is as much as expected.
    pub(crate) async fn events(
        &self,
        client: &mut Client,
        filter: EventFilter,
        count: usize,
    ) -> Vec<Event> {
        eventually("the events", || {
            let (mut client, filter) = (client.clone(), filter.clone());
            async move {
                let events = list(&mut client, filter).await.unwrap().events;
                assert!(events.len() <= count, "{events:#?}");
                (events.len() == count).then_some(events)
            }
        })
        .await
    }
}

/// A notebook with what belongs to it.
#[derive(Clone, Debug)]
pub(crate) struct Story {
    pub(crate) team: TeamId,
    /// Empty = none.
    pub(crate) project: String,
    pub(crate) notebook: String,
    pub(crate) workload: String,
    pub(crate) attempt: String,
}

impl Story {
    pub(crate) fn new(team: TeamId) -> Self {
        Self {
            team,
            project: String::new(),
            notebook: NotebookId::generate().into(),
            workload: WorkloadId::generate().into(),
            attempt: AttemptId::generate().into(),
        }
    }

    /// The event that the notebook is now so.
    pub(crate) fn envelope(&self, state: NotebookState, revision: u64, at: Timestamp) -> Envelope {
        self.told(self.now(state, revision), at)
    }

    /// The same, with more words than anybody needs.
    pub(crate) fn talkative(&self, revision: u64) -> Envelope {
        let words = || "x".repeat(490);
        let notebook = Notebook {
            reason: words(),
            url: words(),
            fqdn: words(),
            environment: words(),
            machine_type: words(),
            project_id: words(),
            user_id: words(),
            ..self.now(NotebookState::Running, revision)
        };
        self.told(notebook, SystemClock.now())
    }

    fn now(&self, state: NotebookState, revision: u64) -> Notebook {
        Notebook {
            id: self.notebook.clone(),
            team_id: self.team.to_string(),
            project_id: self.project.clone(),
            name: "first".to_owned(),
            state: state.into(),
            workload_id: self.workload.clone(),
            revision,
            ..Notebook::default()
        }
    }

    fn told(&self, notebook: Notebook, at: Timestamp) -> Envelope {
        let event = NotebookChanged {
            notebook: Some(notebook),
            deleted: false,
        };
        Envelope::new(&event, &self.notebook, Some(&self.team.to_string()), at)
    }
}

pub(crate) fn about(object: &str) -> EventFilter {
    EventFilter {
        object: object.to_owned(),
        ..EventFilter::default()
    }
}

pub(crate) async fn list(
    client: &mut Client,
    filter: EventFilter,
) -> Result<ListEventsResponse, Status> {
    page(client, filter, "", 120, false).await
}

pub(crate) async fn page(
    client: &mut Client,
    filter: EventFilter,
    after: &str,
    limit: u32,
    newest_first: bool,
) -> Result<ListEventsResponse, Status> {
    let request = ListEventsRequest {
        filter: Some(filter),
        page: Some(PageRequest {
            after: after.to_owned(),
            limit,
        }),
        newest_first,
    };
    Ok(client.list_events(request).await?.into_inner())
}
