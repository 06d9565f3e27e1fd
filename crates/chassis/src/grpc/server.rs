//! Serving calls.

use tokio_util::sync::CancellationToken;
use tonic::service::Routes;

use super::Listener;
use crate::auth::{AccessLayer, Verifier};
use crate::{Error, Result};

/// Largest request that is read, in bytes.
const MAX_REQUEST: usize = 4 << 20;

/// A gRPC server with health, reflection, identity and metrics.
#[derive(Debug)]
pub struct Server {
    area: &'static str,
    verifier: Verifier,
    routes: Routes,
}

impl Server {
    /// A server of `area` that checks tokens with `verifier` and serves `routes`.
    pub fn new(area: &'static str, verifier: Verifier, routes: Routes) -> Self {
        Self {
            area,
            verifier,
            routes,
        }
    }

    /// Serves until `cancel`, then finishes what is in flight.
    ///
    /// # Errors
    /// When the listener breaks.
    pub async fn run(self, listener: Listener, cancel: CancellationToken) -> Result<()> {
        let failed = |error| Error::internal("serving calls", error);
        let (health, health_service) = tonic_health::server::health_reporter();
        health
            .set_service_status("", tonic_health::ServingStatus::Serving)
            .await;
        let reflection = tonic_reflection::server::Builder::configure()
            .register_encoded_file_descriptor_set(contracts::DESCRIPTORS)
            .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
            .build_v1()
            .map_err(|error| Error::internal("describing the calls", error))?;
        let router = tonic::transport::Server::builder()
            .layer(AccessLayer::new(self.verifier, self.area))
            .add_routes(self.routes)
            .add_service(health_service.max_decoding_message_size(MAX_REQUEST))
            .add_service(reflection);
        tracing::info!(area = self.area, address = %listener.address(), "listening");
        router
            .serve_with_incoming_shutdown(listener.incoming(), cancel.cancelled_owned())
            .await
            .map_err(failed)
    }
}
