//! What every service stands on, laid in one go: database, bus, outbox with its relay, tokens, server.

use std::sync::Arc;
use std::time::Duration;

use chassis::auth::{KeySource, Verifier};
use chassis::config::ServiceConfig;
use chassis::grpc::{self, Caller, Listener, Server, TokenSource};
use chassis::tls::Trust;
use chassis::{Address, Database, Error, Result, Tasks};
use contracts::identity::v1::identity_service_client::IdentityServiceClient;
use kernel::Clock;
use sea_orm_migration::MigratorTrait;
use tokio_util::sync::CancellationToken;
use tonic::service::Routes;

use crate::{Bus, BusError, Consumer, Handler, Outbox, run_relay};

/// Pause between tries to reach the bus at the start.
const BUS_RETRY: Duration = Duration::from_millis(500);

/// What one service stands on.
#[derive(Debug)]
pub struct Foundation {
    area: &'static str,
    listener: Listener,
    verifier: Verifier,
    /// The service's own tables.
    pub database: Database,
    /// The event bus.
    pub bus: Bus,
    /// Where its events go.
    pub outbox: Outbox,
    /// What time it is.
    pub clock: Arc<dyn Clock>,
    /// Tokens for its own calls.
    pub tokens: TokenSource,
    /// Which servers it trusts.
    pub trust: Trust,
    /// Its background tasks.
    pub tasks: Tasks,
}

impl Foundation {
    /// Opens and migrates the database, reaches the bus (waiting for it if need be), binds the listener and starts the relay.
    ///
    /// # Errors
    /// What stands in the way, except a bus that is not there yet.
    pub async fn lay<M: MigratorTrait>(
        area: &'static str,
        config: &ServiceConfig,
        clock: Arc<dyn Clock>,
        cancel: CancellationToken,
    ) -> Result<Self> {
        let database = Database::open::<M>(&config.database).await?;
        let bus = reach(area, &cancel, || Bus::connect(&config.bus, area)).await?;
        let trust = Trust::from_config(&config.tls)?;
        let identity = grpc::connect(&config.identity, &trust)?;
        let tokens = TokenSource::new(identity.clone(), config.key.clone(), clock.clone());
        let keys: Arc<dyn KeySource> = Arc::new(IdentityServiceClient::new(identity));
        let outbox = Outbox::new(clock.clone());
        let mut tasks = Tasks::new(cancel.clone());
        tasks.start(
            "outbox relay",
            run_relay(database.clone(), bus.clone(), outbox.clone(), cancel),
        );
        Ok(Self {
            area,
            listener: Listener::bind(&config.listen, &config.tls).await?,
            verifier: Verifier::new(keys, clock.clone()),
            database,
            bus,
            outbox,
            clock,
            tokens,
            trust,
            tasks,
        })
    }

    /// Checks tokens with keys from `source` instead of asking identity; for identity itself.
    #[must_use]
    pub fn with_keys(mut self, source: Arc<dyn KeySource>) -> Self {
        self.verifier = Verifier::new(source, self.clock.clone());
        self
    }

    /// The routes; waits for the bus if need be.
    ///
    /// # Errors
    /// A bus that cannot be used, or a stop while waiting.
    pub async fn routes(&self) -> Result<crate::Routes> {
        reach(self.area, &self.tasks.cancel(), || {
            crate::Routes::open(&self.bus)
        })
        .await
    }

    /// A caller of the service at `address`, with this service's token.
    ///
    /// # Errors
    /// [`Error::Invalid`] when the address cannot be one of a server.
    pub fn caller(&self, address: &Address) -> Result<Caller> {
        let channel = grpc::connect(address, &self.trust)?;
        Ok(Caller::new(channel, self.tokens.clone()))
    }

    /// Handles the events of another area with `handler`.
    pub fn consume(&mut self, area: &'static str, handler: Arc<dyn Handler>) {
        let consumer = Consumer::new(self.bus.clone(), self.area, area, handler);
        self.tasks
            .start("consumer", consumer.run(self.tasks.cancel()));
    }

    /// Serves `routes` until the service is stopped or one of its tasks fails; calls `ready` once it listens.
    ///
    /// # Errors
    /// The failure that ended it.
    pub async fn serve(mut self, routes: Routes, ready: impl FnOnce(&Address)) -> Result<()> {
        ready(self.listener.address());
        let server = Server::new(self.area, self.verifier, routes);
        self.tasks
            .start("server", server.run(self.listener, self.tasks.cancel()));
        self.tasks.run().await.map_err(|failure| {
            Error::internal("running a service", format!("{}: {failure}", self.area))
        })
    }
}

/// Tries until the bus answers. It may go away again at any moment, also between the steps of `open`.
async fn reach<T, R>(
    area: &'static str,
    cancel: &CancellationToken,
    mut open: impl FnMut() -> R,
) -> Result<T>
where
    R: Future<Output = Result<T, BusError>>,
{
    loop {
        match open().await {
            Ok(reached) => return Ok(reached),
            Err(error @ (BusError::Connect { .. } | BusError::Failed { .. })) => {
                tracing::warn!(area, %error, "waiting for the event bus");
            }
            Err(error) => return Err(error.into()),
        }
        tokio::select! {
            () = cancel.cancelled() => return Err(Error::Unavailable("stopped while waiting for the event bus".to_owned())),
            () = tokio::time::sleep(BUS_RETRY) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_bus_that_goes_away_is_waited_for_and_a_wrong_one_is_not() {
        let cancel = CancellationToken::new();
        let mut tries = 0;
        let reached = reach("sample", &cancel, || {
            tries += 1;
            let answer = match tries {
                1 => Err(BusError::failed("making a stream", "connection closed")),
                number => Ok(number),
            };
            std::future::ready(answer)
        });
        assert_eq!(reached.await.unwrap(), 2);

        let old = || {
            std::future::ready(Err::<(), _>(BusError::TooOld {
                found: "1.0".to_owned(),
            }))
        };
        assert!(reach("sample", &cancel, old).await.is_err());
        cancel.cancel();
        let gone = || std::future::ready(Err::<(), _>(BusError::failed("reading", "gone")));
        assert!(matches!(
            reach("sample", &cancel, gone).await,
            Err(Error::Unavailable(_))
        ));
    }
}
