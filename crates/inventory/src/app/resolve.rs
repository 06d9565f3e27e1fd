//! Resolving the packages of environments, behind the calls that asked for them.

use chassis::Result;
use chassis::seal::sha256_hex;
use contracts::inventory::v1::EnvironmentState;

use super::App;
use crate::domain::{environment, lock};
use crate::resolver::Resolved;
use crate::store::environments::{self, Model};
use crate::wire;

/// How many are resolved in one round, all at once.
const AT_ONCE: u64 = 4;

impl App {
    /// Resolves the oldest that wait, until none does.
    pub(crate) async fn resolve_waiting(&self) -> Result<()> {
        loop {
            let waiting = environments::unresolved(self.database.reader(), AT_ONCE).await?;
            if waiting.is_empty() {
                return Ok(());
            }
            let resolving = waiting.into_iter().map(|row| self.resolve(row));
            futures::future::try_join_all(resolving).await?;
        }
    }

    #[tracing::instrument(skip_all, fields(environment = row.id))]
    async fn resolve(&self, row: Model) -> Result<()> {
        let started = std::time::Instant::now();
        let wanted = wire::wanted(&row);
        let resolved = match environment::named(&wanted.base) {
            Some(base) => self.resolver.resolve(&base, &wanted).await?,
            None => Resolved::Unresolvable(format!(
                "its base, {}, does not come with this version of Quire",
                wanted.base
            )),
        };
        let outcome = match &resolved {
            Resolved::Lock(_) => "ready",
            Resolved::Unresolvable(_) => "failed",
        };
        self.metrics.resolved(outcome, started.elapsed());
        self.note(&row.id, resolved).await
    }

    /// Writes down what came of it, unless somebody deleted or resolved it meanwhile.
    async fn note(&self, id: &str, resolved: Resolved) -> Result<()> {
        let transaction = self.database.begin().await?;
        let row = environments::lock(&transaction, id).await?;
        let waits = |row: &Model| wire::environment_state(row) == EnvironmentState::Resolving;
        let Some(mut row) = row.filter(waits) else {
            return Ok(());
        };
        match resolved {
            Resolved::Lock(lock) => {
                row.state = EnvironmentState::Ready.into();
                row.digest = sha256_hex(&lock);
                row.packages = i32::try_from(lock::packages(&lock)).unwrap_or(i32::MAX);
                row.lock = lock;
            }
            Resolved::Unresolvable(reason) => {
                row.state = EnvironmentState::Failed.into();
                row.reason = reason;
            }
        }
        let row = environments::update(&transaction, row).await?;
        self.say_environment(&transaction, &row, false).await?;
        transaction.commit().await?;
        self.outbox.nudge();
        Ok(())
    }
}
