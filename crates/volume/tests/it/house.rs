//! Two replicas of volume on one database, the scheduler that they ask, and those who call them.

use std::sync::Arc;

use chassis::auth::Principal;
use contracts::scheduler::v1::scheduler_service_server::SchedulerServiceServer;
use contracts::volume::v1::volume_service_client::VolumeServiceClient;
use contracts::volume::v1::{
    AttachVolumeRequest, Attachment, CreateVolumeRequest, DeleteVolumeRequest, DetachVolumeRequest,
    GetVolumeRequest, Volume, VolumeChanged,
};
use kernel::id::{AttemptId, NodeId, TeamId};
use kernel::time::{ManualClock, from_micros};
use testkit::{Database, Engine, Identity, Nats, Service, TestChannel, eventually};
use tonic::Status;
use tonic::service::Routes;
use volume::VolumeConfig;

use crate::scheduler::Scheduler;

pub(crate) type Client = VolumeServiceClient<TestChannel>;

/// Far longer than any test: what happens, happens at an event or a nudge.
const NEVER_MS: u32 = 3_600_000;

/// Everything that runs.
pub(crate) struct House {
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) identity: Identity,
    pub(crate) nats: Nats,
    pub(crate) scheduler: Arc<Scheduler>,
    scheduler_service: Service,
    database: Database,
    replicas: Vec<Service>,
}

impl House {
    pub(crate) async fn open(engine: Engine) -> Self {
        let clock = Arc::new(ManualClock::new(from_micros(1_700_000_000_000_000)));
        let identity = Identity::start(clock.clone()).await;
        let scheduler = Arc::new(Scheduler::default());
        let routes = Routes::new(SchedulerServiceServer::from_arc(scheduler.clone()));
        let mut house = Self {
            clock,
            nats: Nats::start(),
            scheduler,
            scheduler_service: identity.serve("scheduler", routes).await,
            database: engine.database(),
            replicas: Vec::new(),
            identity,
        };
        house.add_replica(NEVER_MS).await;
        house.add_replica(NEVER_MS).await;
        house
    }

    /// Starts one more replica, which asks the scheduler so often.
    pub(crate) async fn add_replica(&mut self, release_every_ms: u32) {
        let config = VolumeConfig {
            service: self
                .identity
                .config("volume", self.database.url(), &self.nats),
            scheduler: self.scheduler_service.address().clone(),
            release_every_ms,
            quota_gib: 10,
            largest_quota_gib: 50,
            ..VolumeConfig::default()
        };
        let clock = self.clock.clone();
        let replica =
            Service::start(|cancel, ready| volume::run(config, clock, cancel, ready)).await;
        self.replicas.push(replica);
    }

    pub(crate) fn client_of(&self, replica: usize, principal: &Principal) -> Client {
        Client::new(self.replicas[replica].channel(&self.identity.token(principal)))
    }

    pub(crate) fn client(&self, principal: &Principal) -> Client {
        self.client_of(0, principal)
    }

    /// Calls of a service to the replica with this number.
    pub(crate) fn as_service(&self, replica: usize, name: &str) -> Calls {
        Calls(self.client_of(replica, &Principal::Service(name.to_owned())))
    }

    pub(crate) async fn create(&self, team: TeamId, request_id: &str) -> Volume {
        self.as_service(0, "notebook")
            .create(team, request_id)
            .await
            .unwrap()
    }

    pub(crate) async fn volume(&self, id: &str) -> Volume {
        let asked = GetVolumeRequest { id: id.to_owned() };
        let mut client = self.client(&Principal::Service("scheduler".to_owned()));
        client
            .get_volume(asked)
            .await
            .unwrap()
            .into_inner()
            .volume
            .unwrap()
    }

    /// What was told of a volume, once it was told up to `revision`.
    pub(crate) async fn told(&self, id: &str, revision: u64) -> Vec<Volume> {
        eventually("the volume's events", || async {
            let events: Vec<VolumeChanged> = self.nats.events().await;
            let volumes = events.into_iter().map(|event| event.volume.unwrap());
            let told: Vec<_> = volumes.filter(|volume| volume.id == id).collect();
            told.iter()
                .any(|volume| volume.revision >= revision)
                .then_some(told)
        })
        .await
    }

    /// Waits until nobody is attached.
    pub(crate) async fn released(&self, id: &str) -> Volume {
        eventually("the release", || async {
            let volume = self.volume(id).await;
            volume.attachment.is_none().then_some(volume)
        })
        .await
    }
}

/// The calls of other services, without their wrapping.
pub(crate) struct Calls(Client);

impl Calls {
    pub(crate) async fn create(
        &mut self,
        team: TeamId,
        request_id: &str,
    ) -> Result<Volume, Status> {
        let asked = CreateVolumeRequest {
            team_id: team.into(),
            request_id: request_id.to_owned(),
            ..CreateVolumeRequest::default()
        };
        Ok(self
            .0
            .create_volume(asked)
            .await?
            .into_inner()
            .volume
            .unwrap())
    }

    pub(crate) async fn attach(
        &mut self,
        id: &str,
        attempt: AttemptId,
        node: NodeId,
    ) -> Result<Volume, Status> {
        let attachment = Some(Attachment {
            attempt_id: attempt.into(),
            generation: 1,
        });
        let asked = AttachVolumeRequest {
            id: id.to_owned(),
            attachment,
            node_id: node.into(),
        };
        Ok(self
            .0
            .attach_volume(asked)
            .await?
            .into_inner()
            .volume
            .unwrap())
    }

    pub(crate) async fn detach(&mut self, id: &str, attempt: AttemptId) -> Result<Volume, Status> {
        let asked = DetachVolumeRequest {
            id: id.to_owned(),
            attempt_id: attempt.into(),
        };
        Ok(self
            .0
            .detach_volume(asked)
            .await?
            .into_inner()
            .volume
            .unwrap())
    }

    pub(crate) async fn delete(&mut self, id: &str) -> Result<Volume, Status> {
        let asked = DeleteVolumeRequest { id: id.to_owned() };
        Ok(self
            .0
            .delete_volume(asked)
            .await?
            .into_inner()
            .volume
            .unwrap())
    }
}
