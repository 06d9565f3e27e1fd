//! Who calls, and the services on their behalf.

use std::time::Duration;

use axum::extract::FromRequestParts;
use chassis::{Error, Result, telemetry};
use contracts::billing::v1::billing_service_client::BillingServiceClient;
use contracts::identity::v1::identity_service_client::IdentityServiceClient;
use contracts::inventory::v1::inventory_service_client::InventoryServiceClient;
use contracts::journal::v1::journal_service_client::JournalServiceClient;
use contracts::notebook::v1::notebook_service_client::NotebookServiceClient;
use contracts::scheduler::v1::queue_service_client::QueueServiceClient;
use contracts::scheduler::v1::scheduler_service_client::SchedulerServiceClient;
use contracts::volume::v1::volume_service_client::VolumeServiceClient;
use http::request::Parts;
use tonic::metadata::{Ascii, MetadataValue};
use tonic::service::Interceptor;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::Channel;
use tonic::{Request, Status};

use super::App;
use super::failure::Failure;
use crate::keys::KeyRing;
use crate::upstream::{Area, Channels};

/// Largest answer of a service that is read: all nodes of a large installation come in one.
const LARGEST_ANSWER: usize = 32 << 20;

/// The services that REST stands on.
#[derive(Clone, Debug)]
pub(super) struct Services {
    identity: Channel,
    inventory: Channel,
    volume: Channel,
    notebook: Channel,
    scheduler: Channel,
    billing: Channel,
    journal: Channel,
}

impl Services {
    /// Behind `channels`.
    ///
    /// # Errors
    /// When a configured address cannot be one of a server.
    pub(super) fn new(channels: &Channels) -> Result<Self> {
        Ok(Self {
            identity: channels.to(Area::Identity)?,
            inventory: channels.to(Area::Inventory)?,
            volume: channels.to(Area::Volume)?,
            notebook: channels.to(Area::Notebook)?,
            scheduler: channels.to(Area::Scheduler)?,
            billing: channels.to(Area::Billing)?,
            journal: channels.to(Area::Journal)?,
        })
    }

    /// Identity, in nobody's name: for what is open to all.
    pub(super) fn open_identity(&self) -> IdentityServiceClient<Channel> {
        IdentityServiceClient::new(self.identity.clone())
    }
}

/// A channel whose calls carry the caller's token.
type Authorized = InterceptedService<Channel, Stamp>;

/// What each call to a service carries: the caller's token, a deadline, the current trace.
#[derive(Clone, Debug)]
pub(super) struct Stamp {
    authorization: MetadataValue<Ascii>,
    deadline: Duration,
}

impl Interceptor for Stamp {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        request.set_timeout(self.deadline);
        let metadata = request.metadata_mut();
        metadata.insert("authorization", self.authorization.clone());
        if let Some(trace) = telemetry::traceparent().and_then(|text| text.parse().ok()) {
            metadata.insert("traceparent", trace);
        }
        Ok(request)
    }
}

/// A caller who showed a key or token. Calls to services are made in their name.
#[derive(Debug)]
pub(super) struct Caller {
    services: Services,
    stamp: Stamp,
}

impl Caller {
    async fn known_by(
        keys: &KeyRing,
        services: Services,
        deadline: Duration,
        parts: &Parts,
    ) -> Result<Self> {
        let header = keys.authorization(&parts.headers).await?;
        let authorization = MetadataValue::try_from(header.as_bytes())
            .map_err(|error| Error::internal("reading a token", error))?;
        Ok(Self {
            services,
            stamp: Stamp {
                authorization,
                deadline,
            },
        })
    }

    /// Identity, in the caller's name.
    pub(super) fn identity(&self) -> IdentityServiceClient<Authorized> {
        IdentityServiceClient::with_interceptor(self.services.identity.clone(), self.stamp.clone())
            .max_decoding_message_size(LARGEST_ANSWER)
    }

    /// Inventory, in the caller's name.
    pub(super) fn inventory(&self) -> InventoryServiceClient<Authorized> {
        InventoryServiceClient::with_interceptor(
            self.services.inventory.clone(),
            self.stamp.clone(),
        )
        .max_decoding_message_size(LARGEST_ANSWER)
    }

    /// Volume, in the caller's name.
    pub(super) fn volume(&self) -> VolumeServiceClient<Authorized> {
        VolumeServiceClient::with_interceptor(self.services.volume.clone(), self.stamp.clone())
            .max_decoding_message_size(LARGEST_ANSWER)
    }

    /// Notebook, in the caller's name.
    pub(super) fn notebook(&self) -> NotebookServiceClient<Authorized> {
        NotebookServiceClient::with_interceptor(self.services.notebook.clone(), self.stamp.clone())
            .max_decoding_message_size(LARGEST_ANSWER)
    }

    /// The scheduler, in the caller's name.
    pub(super) fn scheduler(&self) -> SchedulerServiceClient<Authorized> {
        SchedulerServiceClient::with_interceptor(
            self.services.scheduler.clone(),
            self.stamp.clone(),
        )
        .max_decoding_message_size(LARGEST_ANSWER)
    }

    /// The scheduler's queues, in the caller's name.
    pub(super) fn queues(&self) -> QueueServiceClient<Authorized> {
        QueueServiceClient::with_interceptor(self.services.scheduler.clone(), self.stamp.clone())
            .max_decoding_message_size(LARGEST_ANSWER)
    }

    /// Billing, in the caller's name.
    pub(super) fn billing(&self) -> BillingServiceClient<Authorized> {
        BillingServiceClient::with_interceptor(self.services.billing.clone(), self.stamp.clone())
            .max_decoding_message_size(LARGEST_ANSWER)
    }

    /// Journal, in the caller's name.
    pub(super) fn journal(&self) -> JournalServiceClient<Authorized> {
        JournalServiceClient::with_interceptor(self.services.journal.clone(), self.stamp.clone())
            .max_decoding_message_size(LARGEST_ANSWER)
    }
}

impl FromRequestParts<App> for Caller {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Failure> {
        Ok(Self::known_by(&app.keys, app.services.clone(), app.request_time, parts).await?)
    }
}
