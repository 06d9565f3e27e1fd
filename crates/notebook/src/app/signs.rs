//! What shows that a notebook is used: its kernels and terminals as Jupyter tells of them, processors, GPUs, network and programs in
//! terminals as the agent beside it measures them. What cannot be asked is not known, and counts as activity.

use std::time::Duration;

use chassis::Result;
use chrono::TimeDelta;
use kernel::Timestamp;
use kernel::time::from_micros;
use reqwest::Method;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::App;
use super::door::failed;
use crate::domain::idle::{Seen, Sign};
use crate::store::entity::Model;

/// Longest time that a notebook may take to tell of itself.
const ASK: Duration = Duration::from_secs(5);

/// A kernel or terminal, as Jupyter's REST API tells of it.
#[derive(Debug, Deserialize)]
struct Activity {
    execution_state: Option<String>,
    last_activity: Option<chrono::DateTime<chrono::Utc>>,
}

/// What an agent measured, by way of the edge.
#[derive(Debug, Deserialize)]
struct Measured {
    signs: Vec<MeasuredSign>,
}

#[derive(Debug, Deserialize)]
struct MeasuredSign {
    name: String,
    /// Milliseconds since it was last active, 0 = it is; absent = not known. A length, because clocks differ.
    idle_ms: Option<i64>,
    detail: String,
}

impl App {
    /// Looks at everything by which the notebook may show that it is used.
    pub(super) async fn signs(&self, row: &Model) -> Vec<Sign> {
        let started_at = from_micros(row.started_at.unwrap_or(row.modified_at));
        let (kernels, terminals, measured) = tokio::join!(
            self.ask::<Vec<Activity>>(row, "api/kernels"),
            self.ask::<Vec<Activity>>(row, "api/terminals"),
            self.ask::<Measured>(row, ".quire/signs"),
        );
        let mut signs = vec![
            of_jupyter("kernels", kernels, started_at),
            of_jupyter("terminals", terminals, started_at),
        ];
        match measured {
            Ok(measured) => {
                let now = self.clock.now();
                signs.extend(measured.signs.into_iter().map(|sign| Sign {
                    name: sign.name,
                    seen: match sign.idle_ms {
                        None => Seen::Unknown,
                        Some(..=0) => Seen::Active,
                        Some(ms) => Seen::Idle(now - TimeDelta::milliseconds(ms)),
                    },
                    detail: sign.detail,
                }));
            }
            Err(error) => signs.push(unknown("use of the machine", &error)),
        }
        signs.push(self.visitors(&row.id));
        signs
    }

    async fn ask<T: DeserializeOwned>(&self, row: &Model, what: &str) -> Result<T> {
        let response = self.at_door(row, Method::GET, what, "", ASK).await?;
        if response.status() == reqwest::StatusCode::NOT_FOUND {
            return Err(chassis::Error::Unavailable("not measured yet".to_owned()));
        }
        let response = response.error_for_status().map_err(failed)?;
        response.json().await.map_err(failed)
    }
}

fn unknown(name: &str, error: &chassis::Error) -> Sign {
    Sign {
        name: name.to_owned(),
        seen: Seen::Unknown,
        detail: format!("not known: {}", chassis::error::chain(error)),
    }
}

fn of_jupyter(name: &str, told: Result<Vec<Activity>>, started_at: Timestamp) -> Sign {
    let all = match told {
        Ok(all) => all,
        Err(error) => return unknown(name, &error),
    };
    // Terminals have no such state; whatever else there may be is not known to rest.
    let rests = |activity: &&Activity| {
        matches!(
            activity.execution_state.as_deref(),
            None | Some("idle" | "dead")
        )
    };
    let (resting, working): (Vec<_>, Vec<_>) = all.iter().partition(rests);
    let last = all
        .iter()
        .filter_map(|activity| activity.last_activity)
        .max();
    let (seen, detail) = match (working.first(), last) {
        (Some(first), _) => {
            let state = first.execution_state.as_deref().unwrap_or_default();
            let detail = format!("{} of {} {state}", working.len(), all.len());
            (Seen::Active, detail)
        }
        (None, Some(last)) => {
            let detail = format!(
                "{} at rest, last active at {}",
                resting.len(),
                last.format("%H:%M:%S UTC")
            );
            (Seen::Idle(last), detail)
        }
        (None, None) => (Seen::Idle(started_at), "none".to_owned()),
    };
    Sign {
        name: name.to_owned(),
        seen,
        detail,
    }
}
