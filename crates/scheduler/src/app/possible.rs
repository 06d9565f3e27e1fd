//! Whether any node that is there could ever host what is asked for.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};

use chassis::{Error, Result};
use contracts::scheduler::v1::WorkloadSpec;

use super::App;
use super::submit::request_of;
use crate::domain::engine::{self, Request};
use crate::store;

/// Requests that are remembered; with one more, all are looked at anew.
const MOST: usize = 1_024;

/// Requests that some node could host, as of the last change that inventory made to the nodes.
#[derive(Clone, Debug, Default)]
pub(crate) struct Possible(Arc<Mutex<Known>>);

#[derive(Debug, Default)]
struct Known {
    told: i64,
    requests: HashSet<Request>,
}

impl Possible {
    fn has(&self, told: i64, request: &Request) -> bool {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.told == told && known.requests.contains(request)
    }

    fn note(&self, told: i64, request: Request) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if known.told != told || known.requests.len() >= MOST {
            known.requests.clear();
        }
        known.told = told;
        known.requests.insert(request);
    }
}

impl App {
    /// Refuses what no node that is there could ever host.
    pub(super) async fn check_possible(&self, spec: &WorkloadSpec) -> Result<()> {
        let request = request_of(spec, "");
        // Read before the nodes: what changes meanwhile has a higher number.
        let told = store::last_told(self.database.reader()).await?;
        if self.possible.has(told, &request) {
            return Ok(());
        }
        let nodes = self.node_views(self.database.reader()).await?;
        engine::could_ever_fit(&nodes, &request).map_err(|obstacles| {
            let why: Vec<_> = obstacles
                .into_iter()
                .map(|obstacle| obstacle.detail)
                .collect();
            let machine_type = &spec.machine_type;
            Error::Precondition(format!(
                "no node could ever host {machine_type}: {}",
                why.join("; ")
            ))
        })?;
        self.possible.note(told, request);
        Ok(())
    }
}
