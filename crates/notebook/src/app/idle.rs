//! Stopping what nobody uses: kernels and terminals as Jupyter tells them, traffic as the edges tell it.

use std::time::Duration;

use chassis::Result;
use contracts::notebook::v1::NotebookState;
use kernel::Timestamp;
use kernel::time::from_micros;
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter};
use secrecy::ExposeSecret;
use serde::Deserialize;

use super::wish::wish_stopped;
use super::{App, unsigned_32, view};
use crate::domain::idle::{self, Kernels};
use crate::domain::origin;
use crate::domain::state::Wanted;
use crate::store::entity::{Column, Entity, Model};

/// Longest time that a notebook may take to tell of its kernels.
const ASK: Duration = Duration::from_secs(5);

/// A kernel or terminal, as Jupyter's REST API tells of it.
#[derive(Debug, Deserialize)]
struct Activity {
    execution_state: Option<String>,
    last_activity: Option<chrono::DateTime<chrono::Utc>>,
}

impl App {
    /// Stops every running notebook that has been idle for as long as it may.
    pub(crate) async fn stop_idle(&self) -> Result<()> {
        let rows = Entity::find()
            .filter(Column::State.eq(i32::from(NotebookState::Running)))
            .filter(Column::Wanted.eq(view::wanted_number(Wanted::Running)))
            .filter(Column::IdleTimeoutSeconds.gt(0))
            .filter(Column::DeletedAt.is_null())
            .all(self.database.reader())
            .await?;
        self.forget_traffic(&rows);
        for row in rows {
            let timeout = unsigned_32(row.idle_timeout_seconds);
            let started_at = from_micros(row.started_at.unwrap_or(row.modified_at));
            let traffic = Some(self.last_traffic(&row.id));
            // No need to ask while the start or the last traffic is recent.
            let now = self.clock.now();
            let latest = idle::last_activity(Kernels::Idle(None), traffic, started_at, now);
            if !idle::is_over(latest, timeout, now) {
                continue;
            }
            let kernels = self.kernels(&row).await;
            let last = idle::last_activity(kernels, traffic, started_at, self.clock.now());
            if idle::is_over(last, timeout, self.clock.now()) {
                self.stop_if_same(&row, &idle::reason(timeout)).await?;
            }
        }
        Ok(())
    }

    /// Nobody knows what was before this program listened: it counts as traffic.
    fn last_traffic(&self, id: &str) -> Timestamp {
        let heard = self
            .traffic
            .lock()
            .ok()
            .and_then(|traffic| traffic.get(id).copied());
        heard.map_or(self.watching_since, |at| at.max(self.watching_since))
    }

    /// Keeps the traffic of what runs only, so that it does not grow for ever.
    fn forget_traffic(&self, running: &[Model]) {
        if let Ok(mut traffic) = self.traffic.lock() {
            traffic.retain(|id, _| running.iter().any(|row| row.id == *id));
        }
    }

    /// Stops the start that was looked at, not one that came after it.
    async fn stop_if_same(&self, seen: &Model, why: &str) -> Result<()> {
        self.update(&seen.id, |row| {
            Ok(row.start_number == seen.start_number && wish_stopped(row, why))
        })
        .await?;
        Ok(())
    }

    /// Notes when edges saw traffic.
    pub(crate) fn note_traffic(&self, id: &str, at: Timestamp) {
        if let Ok(mut traffic) = self.traffic.lock() {
            let latest = traffic.entry(id.to_owned()).or_insert(at);
            *latest = (*latest).max(at);
        }
    }

    async fn kernels(&self, row: &Model) -> Kernels {
        let asked = futures::future::try_join(
            self.activities(row, "kernels"),
            self.activities(row, "terminals"),
        );
        let (kernels, terminals) = match asked.await {
            Ok(activities) => activities,
            Err(error) => {
                tracing::debug!(notebook = row.id, %error, "cannot ask for its kernels: counts as active");
                return Kernels::Unknown;
            }
        };
        let rests = |activity: &Activity| {
            matches!(
                activity.execution_state.as_deref(),
                None | Some("idle" | "dead")
            )
        };
        if !kernels.iter().all(rests) {
            return Kernels::Busy;
        }
        let last = kernels
            .iter()
            .chain(&terminals)
            .filter_map(|activity| activity.last_activity)
            .max();
        Kernels::Idle(last)
    }

    /// Asks through the edge, so that the notebook service needs no way of its own to the nodes.
    async fn activities(&self, row: &Model, what: &str) -> Result<Vec<Activity>> {
        let failed = |error: reqwest::Error| {
            chassis::Error::internal("asking a notebook", error.without_url())
        };
        let token = self.sealer.open(&row.id, &row.token_sealed)?;
        let response = self
            .http
            .get(format!("{}/api/{what}", self.edge_probe))
            .header("host", origin::fqdn(&self.edge, &row.id))
            .header("authorization", format!("token {}", token.expose_secret()))
            .header("x-quire-probe", "idle")
            .timeout(ASK)
            .send()
            .await
            .and_then(reqwest::Response::error_for_status)
            .map_err(failed)?;
        response.json().await.map_err(failed)
    }
}
