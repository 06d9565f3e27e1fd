//! The API, by gRPC through the gateway: one address, one key.

use std::future::Future;
use std::time::Duration;

use anyhow::{Context, Result};
use chassis::page::MAX_LIMIT;
use chassis::tls::Trust;
use contracts::billing::v1::billing_service_client::BillingServiceClient;
use contracts::common::v1::{PageInfo, PageRequest};
use contracts::identity::v1::identity_service_client::IdentityServiceClient;
use contracts::inventory::v1::inventory_service_client::InventoryServiceClient;
use contracts::journal::v1::journal_service_client::JournalServiceClient;
use contracts::notebook::v1::notebook_service_client::NotebookServiceClient;
use contracts::scheduler::v1::queue_service_client::QueueServiceClient;
use contracts::scheduler::v1::record_service_client::RecordServiceClient;
use contracts::scheduler::v1::scheduler_service_client::SchedulerServiceClient;
use contracts::volume::v1::volume_service_client::VolumeServiceClient;
use secrecy::ExposeSecret;
use tonic::metadata::MetadataValue;
use tonic::service::Interceptor;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::Channel;
use tonic::{Request, Status};

use crate::profile::Profile;

/// Longest time that a call may take which is not a stream.
const DEADLINE: Duration = Duration::from_secs(30);

/// Puts the key on every call.
#[derive(Clone, Debug)]
pub(crate) struct WithKey {
    key: MetadataValue<tonic::metadata::Ascii>,
    deadline: Option<Duration>,
}

impl Interceptor for WithKey {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        request
            .metadata_mut()
            .insert("authorization", self.key.clone());
        if let Some(deadline) = self.deadline {
            request.set_timeout(deadline);
        }
        Ok(request)
    }
}

type Logged = InterceptedService<Channel, WithKey>;

/// A logged-in caller.
#[derive(Clone, Debug)]
pub(crate) struct Api {
    channel: Channel,
    key: WithKey,
    server: String,
    trust: Trust,
}

/// What makes a lost answer safe to ask for again.
pub(crate) fn request_id() -> String {
    kernel::id::EventId::generate().to_string()
}

impl Api {
    /// For the server and key of a profile.
    pub(crate) fn new(profile: &Profile) -> Result<Self> {
        let address = profile
            .server
            .parse()
            .context("reading the server's address")?;
        let bearer = format!("Bearer {}", profile.api_key.expose_secret());
        let mut key = MetadataValue::try_from(bearer)
            .context("the API key has characters that no key has")?;
        key.set_sensitive(true);
        let trust = profile.trust()?;
        Ok(Self {
            channel: chassis::grpc::connect(&address, &trust)?,
            key: WithKey {
                key,
                deadline: Some(DEADLINE),
            },
            server: profile.server.clone(),
            trust,
        })
    }

    pub(crate) fn identity(&self) -> IdentityServiceClient<Logged> {
        IdentityServiceClient::with_interceptor(self.channel.clone(), self.key.clone())
    }

    pub(crate) fn inventory(&self) -> InventoryServiceClient<Logged> {
        InventoryServiceClient::with_interceptor(self.channel.clone(), self.key.clone())
    }

    pub(crate) fn scheduler(&self) -> SchedulerServiceClient<Logged> {
        SchedulerServiceClient::with_interceptor(self.channel.clone(), self.key.clone())
    }

    pub(crate) fn record(&self) -> RecordServiceClient<Logged> {
        RecordServiceClient::with_interceptor(self.channel.clone(), self.key.clone())
    }

    pub(crate) fn queues(&self) -> QueueServiceClient<Logged> {
        QueueServiceClient::with_interceptor(self.channel.clone(), self.key.clone())
    }

    pub(crate) fn volume(&self) -> VolumeServiceClient<Logged> {
        VolumeServiceClient::with_interceptor(self.channel.clone(), self.key.clone())
    }

    pub(crate) fn notebook(&self) -> NotebookServiceClient<Logged> {
        NotebookServiceClient::with_interceptor(self.channel.clone(), self.key.clone())
    }

    pub(crate) fn billing(&self) -> BillingServiceClient<Logged> {
        BillingServiceClient::with_interceptor(self.channel.clone(), self.key.clone())
    }

    pub(crate) fn journal(&self) -> JournalServiceClient<Logged> {
        JournalServiceClient::with_interceptor(self.channel.clone(), self.key.clone())
    }

    /// The journal, for a stream that lasts.
    pub(crate) fn lasting_journal(&self) -> JournalServiceClient<Logged> {
        JournalServiceClient::with_interceptor(self.channel.clone(), self.lasting())
    }

    /// Billing, for an audit: it takes as long as the books are large.
    pub(crate) fn lasting_billing(&self) -> BillingServiceClient<Logged> {
        BillingServiceClient::with_interceptor(self.channel.clone(), self.lasting())
    }

    fn lasting(&self) -> WithKey {
        WithKey {
            deadline: None,
            ..self.key.clone()
        }
    }

    /// Makes a call; a refusal becomes the text that people read.
    pub(crate) async fn ask<T>(
        &self,
        call: impl Future<Output = Result<tonic::Response<T>, Status>>,
    ) -> Result<T> {
        call.await
            .map(tonic::Response::into_inner)
            .map_err(|status| crate::failure(&status, &self.server))
    }

    /// Every item of a list that comes a page at a time: `call` asks for a page, `read` takes its items and where it goes on.
    pub(crate) async fn all<T, I, R>(
        &self,
        mut call: impl FnMut(Option<PageRequest>) -> R,
        read: impl Fn(T) -> (Vec<I>, Option<PageInfo>),
    ) -> Result<Vec<I>>
    where
        R: Future<Output = Result<tonic::Response<T>, Status>>,
    {
        let mut all = Vec::new();
        let mut after = String::new();
        loop {
            let page = PageRequest {
                after,
                limit: MAX_LIMIT,
            };
            let (items, info) = read(self.ask(call(Some(page))).await?);
            all.extend(items);
            let info = info.unwrap_or_default();
            if !info.has_more {
                return Ok(all);
            }
            after = info.next_page;
        }
    }

    /// Makes a call that makes something under a request id: a lost answer is asked for again without making a second one.
    pub(crate) async fn make<T, R>(&self, mut call: impl FnMut() -> R) -> Result<T>
    where
        R: Future<Output = Result<tonic::Response<T>, Status>>,
    {
        let made = chassis::grpc::retry(|| {
            let call = call();
            async move { Ok(call.await?.into_inner()) }
        });
        made.await
            .map_err(|error| crate::failure(&error.into(), &self.server))
    }

    /// Whom calls of this login trust; notebooks show certificates of the same authority.
    pub(crate) fn trust(&self) -> &Trust {
        &self.trust
    }

    /// Address of the API.
    pub(crate) fn server(&self) -> &str {
        &self.server
    }
}
