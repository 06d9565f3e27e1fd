//! Telling agents what is wanted. Level-triggered: whatever was not heard is said again.

use std::collections::HashMap;

use chassis::lease::Held;
use chassis::{Error, Result, telemetry};
use contracts::agent::v1::open_link_response::Message;
use contracts::agent::v1::{Assignment, Notice, OpenLinkResponse, Stop, Wanted};
use contracts::scheduler::v1::{AttemptEnd, AttemptState, WorkloadSpec};
use contracts::to_wire_time;
use contracts::volume::v1::{
    AttachVolumeRequest, Attachment, DetachVolumeRequest, GetVolumeRequest,
};
use kernel::time::from_micros;
use sea_orm::{ColumnTrait, Condition, EntityTrait, QueryFilter};
use tracing::Instrument as _;

use super::{App, unsigned, unsigned_32, view};
use crate::domain::lifecycle::State;
use crate::store::entity;

/// Attempts whose workloads are read at once.
const AT_ONCE: usize = 256;

fn stop(attempt: &entity::attempt::Model) -> Stop {
    Stop {
        attempt_id: attempt.id.clone(),
        generation: unsigned(attempt.generation),
        reason: attempt.reason.clone(),
        end: attempt.stop_as,
    }
}

/// What an attempt that makes room is told until its time has come; `None` = it does not, or it has.
fn notice(attempt: &entity::attempt::Model, now: i64) -> Option<Notice> {
    let left = attempt
        .leaves_at?
        .checked_sub(now)
        .filter(|left| *left > 0)?;
    Some(Notice {
        attempt_id: attempt.id.clone(),
        generation: unsigned(attempt.generation),
        reason: "makes room for other work".to_owned(),
        stop_in_ms: unsigned_32(left / 1_000),
    })
}

fn assignment_of(
    attempt: &entity::attempt::Model,
    spec: WorkloadSpec,
    traceparent: &str,
) -> Assignment {
    Assignment {
        attempt_id: attempt.id.clone(),
        workload_id: attempt.workload_id.clone(),
        generation: unsigned(attempt.generation),
        spec: Some(spec),
        gpu_uuids: attempt
            .gpu_uuids
            .split_whitespace()
            .map(str::to_owned)
            .collect(),
        run_until: attempt.run_until.map(|at| to_wire_time(from_micros(at))),
        traceparent: traceparent.to_owned(),
    }
}

impl App {
    /// Tells every connected agent what it has not taken up yet.
    pub(crate) async fn dispatch(&self) -> Result<()> {
        let held = self.leadership.held()?;
        let epoch = held.epoch;
        self.stop_leaving(&held).await?;
        let waiting = [
            i32::from(AttemptState::Placed),
            i32::from(AttemptState::Stopping),
        ];
        let leaving = Condition::all()
            .add(entity::attempt::Column::LeavesAt.is_not_null())
            .add(entity::attempt::Column::State.eq(i32::from(AttemptState::Running)));
        let to_be_told = Condition::any()
            .add(entity::attempt::Column::State.is_in(waiting))
            .add(leaving);
        let attempts = entity::attempt::Entity::find()
            .filter(to_be_told)
            .all(self.database.reader())
            .await?;
        // A stop is said after the assignment, also when a placement pass is just about to say that one.
        drop(self.links.telling().await);
        // Stops first: they wait for nobody else.
        let (stops, placed): (Vec<_>, Vec<_>) = attempts
            .into_iter()
            .partition(|attempt| view::state(attempt.state) == State::Stopping);
        let say = |node_id: &str, message| {
            if let Some(link) = self.links.get(node_id) {
                let message = Some(message);
                link.send(OpenLinkResponse { epoch, message });
            }
        };
        for attempt in &stops {
            say(&attempt.node_id, Message::Stop(stop(attempt)));
        }
        let now = self.clock.now().timestamp_micros();
        let (leaving, placed): (Vec<_>, Vec<_>) = placed
            .into_iter()
            .partition(|attempt| view::state(attempt.state) == State::Running);
        for attempt in &leaving {
            if let Some(notice) = notice(attempt, now) {
                say(&attempt.node_id, Message::Notice(notice));
            }
        }
        let linked = |attempt: &entity::attempt::Model| self.links.get(&attempt.node_id).is_some();
        let placed: Vec<_> = placed.into_iter().filter(linked).collect();
        for some in placed.chunks(AT_ONCE) {
            let workloads = self.workloads_of(some).await?;
            for attempt in some {
                if let Some(assignment) = self.assignment_now(attempt, &workloads).await {
                    say(&attempt.node_id, Message::Assign(assignment));
                }
            }
        }
        Ok(())
    }

    /// Tells the node of a new attempt at once; what is not heard is said again by the next round of dispatching.
    pub(super) fn assign(
        &self,
        held: &Held,
        attempt: &entity::attempt::Model,
        spec: WorkloadSpec,
        traceparent: &str,
    ) {
        if let Some(link) = self.links.get(&attempt.node_id) {
            link.send(OpenLinkResponse {
                epoch: held.epoch,
                message: Some(Message::Assign(assignment_of(attempt, spec, traceparent))),
            });
        }
    }

    /// The full set of what is wanted on a node, for an agent that has just said what it holds.
    pub(crate) async fn wanted(&self, node_id: &str, held: &[(String, u64)]) -> Result<Wanted> {
        let mut wanted = Wanted::default();
        let open = self.open_attempts(node_id).await?;
        let workloads = self.workloads_of(&open).await?;
        let now = self.clock.now().timestamp_micros();
        for attempt in &open {
            if view::state(attempt.state) == State::Running {
                wanted.notices.extend(notice(attempt, now));
            }
            if view::state(attempt.state) == State::Stopping {
                wanted.stops.push(stop(attempt));
            } else if let Some(assignment) = self.assignment_now(attempt, &workloads).await {
                wanted.assignments.push(assignment);
            }
        }
        // What it holds and nobody wants any more must be said: absence never means stop.
        let known = |id: &String| open.iter().any(|attempt| attempt.id == *id);
        wanted.stops.extend(
            held.iter()
                .filter(|(id, _)| !known(id))
                .map(|(id, generation)| Stop {
                    attempt_id: id.clone(),
                    generation: *generation,
                    reason: "no longer wanted".to_owned(),
                    end: AttemptEnd::Stopped.into(),
                }),
        );
        Ok(wanted)
    }

    /// The workloads of attempts, by their identifiers.
    async fn workloads_of(
        &self,
        attempts: &[entity::attempt::Model],
    ) -> Result<HashMap<String, entity::workload::Model>> {
        if attempts.is_empty() {
            return Ok(HashMap::new());
        }
        let ids = attempts.iter().map(|attempt| &attempt.workload_id);
        let rows = entity::workload::Entity::find()
            .filter(entity::workload::Column::Id.is_in(ids))
            .all(self.database.reader())
            .await?;
        Ok(rows.into_iter().map(|row| (row.id.clone(), row)).collect())
    }

    /// What an agent is told to run, if that can be said now: another round of dispatching says what is left out.
    async fn assignment_now(
        &self,
        attempt: &entity::attempt::Model,
        workloads: &HashMap<String, entity::workload::Model>,
    ) -> Option<Assignment> {
        match self.assignment(attempt, workloads).await {
            Ok(assignment) => Some(assignment),
            Err(error) => {
                let error = chassis::error::chain(&error);
                tracing::warn!(
                    attempt = attempt.id,
                    error,
                    "cannot assign yet; trying again"
                );
                None
            }
        }
    }

    /// What an agent is told to run. Its volume is attached to this attempt first.
    async fn assignment(
        &self,
        attempt: &entity::attempt::Model,
        workloads: &HashMap<String, entity::workload::Model>,
    ) -> Result<Assignment> {
        let workload = workloads
            .get(&attempt.workload_id)
            .ok_or_else(|| Error::not_found("workload", &attempt.workload_id))?;
        let spec = view::decode_spec(&workload.spec)?;
        // One that was taken up before has its volume already.
        if !spec.volume_id.is_empty() && view::state(attempt.state) == State::Placed {
            let span = tracing::info_span!("assign", attempt = attempt.id);
            telemetry::continue_trace_from(&span, &workload.traceparent);
            let attached = self.attach(&spec.volume_id, attempt);
            attached.instrument(span).await?;
        }
        Ok(assignment_of(attempt, spec, &workload.traceparent))
    }

    /// Attaches a volume; when an attempt holds it that is known here to be over, takes it from there first.
    async fn attach(&self, volume_id: &str, attempt: &entity::attempt::Model) -> Result<()> {
        let mut volume = self.volume.clone();
        let request = AttachVolumeRequest {
            id: volume_id.to_owned(),
            attachment: Some(Attachment {
                attempt_id: attempt.id.clone(),
                generation: unsigned(attempt.generation),
            }),
            node_id: attempt.node_id.clone(),
        };
        match volume
            .attach_volume(request.clone())
            .await
            .map_err(Error::from)
        {
            Ok(_) => return Ok(()),
            Err(Error::Precondition(_)) => {}
            Err(error) => return Err(error),
        }
        let asked = GetVolumeRequest {
            id: volume_id.to_owned(),
        };
        let found = volume.get_volume(asked).await?.into_inner().volume;
        let holder = found
            .and_then(|found| found.attachment)
            .map(|attachment| attachment.attempt_id);
        if let Some(holder) = holder {
            let row = entity::attempt::Entity::find_by_id(&holder)
                .one(self.database.reader())
                .await?;
            if row.is_some_and(|row| view::state(row.state) == State::Ended) {
                let request = DetachVolumeRequest {
                    id: volume_id.to_owned(),
                    attempt_id: holder,
                };
                volume.detach_volume(request).await?;
            }
        }
        volume.attach_volume(request).await?;
        Ok(())
    }
}
