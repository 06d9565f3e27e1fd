//! What is usually asked for: the newest requests, by which the engine knows what free parts of nodes are worth.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use chassis::Result;
use chassis::lease::Held;
use sea_orm::{EntityTrait, QueryOrder, QuerySelect};

use super::submit::request_of;
use super::{App, view};
use crate::domain::engine::Request;
use crate::store::entity::workload;

/// Requests that are remembered.
const NEWEST: usize = 1_000;

/// The newest requests. A new leader reads them once; then each placement adds its own.
#[derive(Clone, Debug, Default)]
pub(crate) struct Usual(Arc<Mutex<Newest>>);

#[derive(Debug, Default)]
struct Newest {
    /// The leadership that read them.
    epoch: Option<u64>,
    requests: VecDeque<Request>,
}

impl Usual {
    /// Remembers what was placed.
    pub(super) fn note(&self, request: &Request) {
        let mut newest = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        newest.requests.push_back(request.clone());
        while newest.requests.len() > NEWEST {
            newest.requests.pop_front();
        }
    }

    fn of(&self, epoch: u64) -> Option<Vec<Request>> {
        let newest = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let known = newest.epoch == Some(epoch);
        known.then(|| newest.requests.iter().cloned().collect())
    }

    fn learn(&self, epoch: u64, requests: &[Request]) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Newest {
            epoch: Some(epoch),
            requests: requests.iter().cloned().collect(),
        };
    }
}

impl App {
    /// The newest requests, the oldest of them first.
    pub(super) async fn usual_requests(&self, held: &Held) -> Result<Vec<Request>> {
        if let Some(known) = self.usual.of(held.epoch) {
            return Ok(known);
        }
        let mut newest = workload::Entity::find()
            .order_by_desc(workload::Column::Id)
            .limit(NEWEST as u64)
            .all(self.database.reader())
            .await?;
        newest.reverse();
        let requests = newest
            .iter()
            .map(|row| Ok(request_of(&view::decode_spec(&row.spec)?, "")))
            .collect::<Result<Vec<_>>>()?;
        self.usual.learn(held.epoch, &requests);
        Ok(requests)
    }
}
