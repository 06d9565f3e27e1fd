//! Identity: teams, users, roles, projects and keys; it alone signs the tokens that every other service checks offline.

mod app;
mod config;
mod domain;
mod grpc;
mod metrics;
mod store;
mod wire;

use std::sync::Arc;
use std::time::Duration;

use bus::Foundation;
use chassis::auth::KeySource;
use chassis::database::at_start;
use chassis::seal::Sealer;
use chassis::tasks::repeat;
use chassis::{Address, Database, Result};
use contracts::identity::v1::identity_service_server::IdentityServiceServer;
use kernel::Clock;
use secrecy::SecretString;
use tokio_util::sync::CancellationToken;
use tonic::service::Routes;

pub use config::{AuthorityConfig, IdentityConfig};
pub use store::Migrator;

/// Secrets that answers had are forgotten at most so long after their hour.
const FORGET_EVERY: Duration = Duration::from_secs(60);

/// Makes what must be there before the first call: the services' keys, and at the very first start a team, its owner, a
/// project and the owner's key, which is given here and never again.
///
/// # Errors
/// Those of the database.
pub async fn bootstrap(
    config: &IdentityConfig,
    clock: Arc<dyn Clock>,
) -> Result<Option<SecretString>> {
    let database = Database::open::<Migrator>(&config.service.database).await?;
    let given_key = config.first_key.as_ref();
    app::bootstrap(&database, &config.service_keys, given_key, clock).await
}

/// Runs the service until `cancel`; `ready` is told where it listens.
///
/// # Errors
/// What ended it.
pub async fn run(
    config: IdentityConfig,
    clock: Arc<dyn Clock>,
    cancel: CancellationToken,
    ready: impl FnOnce(&Address),
) -> Result<()> {
    let mut foundation =
        Foundation::lay::<Migrator>("identity", &config.service, clock.clone(), cancel).await?;
    let (database, now) = (&foundation.database, clock.now());
    let master_key = &config.master_key;
    let signer = at_start(|| app::load_signer(database, master_key, now)).await?;
    let authority =
        at_start(|| app::load_authority(database, &config.authority, master_key, now)).await?;
    let app = app::App {
        database: foundation.database.clone(),
        outbox: foundation.outbox.clone(),
        clock,
        signer: Arc::new(signer),
        sealer: Arc::new(Sealer::new(&config.master_key)?),
        metrics: metrics::Metrics::new(),
        authority: Arc::new(authority),
    };
    let forgets = app.clone();
    foundation.tasks.start(
        "secrets of answers",
        repeat(
            "forgetting secrets of answers",
            Arc::default(),
            FORGET_EVERY,
            foundation.tasks.cancel(),
            move || {
                let app = forgets.clone();
                async move { app.forget_secrets().await }
            },
        ),
    );
    let own_keys = Arc::new(OwnKeys(app.signer.public_key().to_vec()));
    let routes = Routes::new(IdentityServiceServer::new(app));
    foundation.with_keys(own_keys).serve(routes, ready).await
}

/// Identity checks tokens with the key that it signs with.
#[derive(Debug)]
struct OwnKeys(Vec<u8>);

#[async_trait::async_trait]
impl KeySource for OwnKeys {
    async fn keys(&self) -> Result<Vec<Vec<u8>>> {
        Ok(vec![self.0.clone()])
    }
}
