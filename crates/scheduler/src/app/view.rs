//! Rows as the wire and the domain see them.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chassis::{Error, Result};
use contracts::scheduler::v1::{
    Attempt, AttemptEnd, AttemptState, Fault, Workload, WorkloadSpec, WorkloadState,
};
use contracts::to_wire_time;
use kernel::time::from_micros;
use prost::Message as _;
use prost_types::Timestamp;

use super::unsigned;
use crate::domain::billable::Billable;
use crate::domain::lifecycle::{End, State};
use crate::store::entity;

fn wire_time(micros: Option<i64>) -> Option<Timestamp> {
    micros.map(|micros| to_wire_time(from_micros(micros)))
}

pub(super) fn attempt(row: &entity::attempt::Model) -> Attempt {
    Attempt {
        id: row.id.clone(),
        workload_id: row.workload_id.clone(),
        generation: unsigned(row.generation),
        node_id: row.node_id.clone(),
        gpu_uuids: row
            .gpu_uuids
            .split_whitespace()
            .map(str::to_owned)
            .collect(),
        state: row.state,
        end: row.ended,
        fault: row.fault,
        reason: row.reason.clone(),
        placed_at: wire_time(Some(row.placed_at)),
        billable_from: wire_time(row.billable_from),
        billable_until: wire_time(row.billable_until),
        unreachable_since: wire_time(row.unreachable_since),
        run_until: wire_time(row.run_until),
        team_id: row.team_id.clone(),
        project_id: row.project_id.clone(),
        owner_id: row.owner_id.clone(),
        machine_type: row.machine_type.clone(),
        revision: unsigned(row.revision),
        confirmed_until: wire_time(row.confirmed_until),
    }
}

pub(super) fn workload(
    row: &entity::workload::Model,
    newest: Option<&entity::attempt::Model>,
) -> Result<Workload> {
    Ok(Workload {
        id: row.id.clone(),
        team_id: row.team_id.clone(),
        project_id: row.project_id.clone(),
        user_id: row.user_id.clone(),
        owner_id: row.owner_id.clone(),
        // The lock is large and for the node alone, which gets it with its assignment.
        spec: Some(WorkloadSpec {
            environment_lock: String::new(),
            ..decode_spec(&row.spec)?
        }),
        state: row.state,
        reason: row.reason.clone(),
        attempt: newest.map(attempt),
        revision: unsigned(row.revision),
        created_at: wire_time(Some(row.created_at)),
    })
}

pub(super) fn encode_spec(spec: &WorkloadSpec) -> String {
    STANDARD.encode(spec.encode_to_vec())
}

pub(super) fn decode_spec(text: &str) -> Result<WorkloadSpec> {
    let broken = |cause: String| Error::internal("reading the spec of a workload", cause);
    let bytes = STANDARD
        .decode(text)
        .map_err(|error| broken(error.to_string()))?;
    WorkloadSpec::decode(bytes.as_slice()).map_err(|error| broken(error.to_string()))
}

pub(super) fn billable(row: &entity::attempt::Model) -> Billable {
    Billable {
        from: row.billable_from.map(from_micros),
        until: row.billable_until.map(from_micros),
        confirmed_until: row.confirmed_until.map(from_micros),
    }
}

/// The state in the domain's words; what nobody knows counts as over.
pub(super) fn state(number: i32) -> State {
    match AttemptState::try_from(number) {
        Ok(AttemptState::Placed) => State::Placed,
        Ok(AttemptState::Starting) => State::Starting,
        Ok(AttemptState::Running) => State::Running,
        Ok(AttemptState::Stopping) => State::Stopping,
        Ok(AttemptState::Ended | AttemptState::Unspecified) | Err(_) => State::Ended,
    }
}

pub(super) fn state_number(state: State) -> i32 {
    let wire = match state {
        State::Placed => AttemptState::Placed,
        State::Starting => AttemptState::Starting,
        State::Running => AttemptState::Running,
        State::Stopping => AttemptState::Stopping,
        State::Ended => AttemptState::Ended,
    };
    wire.into()
}

/// An end as an agent reports it; what it leaves out is the platform's fault, never the user's.
pub(super) fn end(end: AttemptEnd, fault: Fault) -> End {
    match (end, fault) {
        (AttemptEnd::Completed, _) => End::Completed,
        (AttemptEnd::Stopped, _) => End::Stopped,
        (AttemptEnd::Preempted, _) => End::Preempted,
        (AttemptEnd::Lost, _) => End::Lost,
        (AttemptEnd::Failed, Fault::User) => End::FailedByUser,
        (AttemptEnd::Failed | AttemptEnd::Unspecified, _) => End::FailedByPlatform,
    }
}

/// How the stop of an attempt is to end.
pub(super) fn stop_as(row: &entity::attempt::Model) -> End {
    if row.stop_as == i32::from(AttemptEnd::Preempted) {
        End::Preempted
    } else {
        End::Stopped
    }
}

pub(super) const fn end_numbers(end: End) -> (AttemptEnd, Fault) {
    match end {
        End::Completed => (AttemptEnd::Completed, Fault::Unspecified),
        End::FailedByUser => (AttemptEnd::Failed, Fault::User),
        End::FailedByPlatform => (AttemptEnd::Failed, Fault::Platform),
        End::Preempted => (AttemptEnd::Preempted, Fault::Unspecified),
        End::Lost => (AttemptEnd::Lost, Fault::Unspecified),
        End::Stopped => (AttemptEnd::Stopped, Fault::Unspecified),
    }
}

/// Whether a workload is over.
pub(super) fn is_over(row: &entity::workload::Model) -> bool {
    [
        i32::from(WorkloadState::Stopped),
        i32::from(WorkloadState::Failed),
    ]
    .contains(&row.state)
}
