//! Queues as the wire, the rows and the domain see them.

use chassis::{Error, Result};
use contracts::scheduler::v1::{Queue, QueueAmount, QueueChange, QueueQuota, QueueStatus};
use kernel::id::{ProjectId, TeamId};

use crate::domain::queue::{Amount, Change, Serves, Standing, Written};
use crate::store::entity::queue;

pub(super) fn amount(Amount([milli_gpus, milli_cores, memory_mib]): Amount) -> QueueAmount {
    QueueAmount {
        milli_gpus,
        milli_cores,
        memory_mib,
    }
}

fn quota([milli_gpus, milli_cores, memory_mib]: [Option<i64>; 3]) -> Option<QueueQuota> {
    Some(QueueQuota {
        milli_gpus,
        milli_cores,
        memory_mib,
    })
}

fn given(quota: Option<QueueQuota>) -> [Option<i64>; 3] {
    let quota = quota.unwrap_or_default();
    [quota.milli_gpus, quota.milli_cores, quota.memory_mib]
}

/// Text that is not empty.
fn named(text: String) -> Option<String> {
    (!text.is_empty()).then_some(text)
}

/// A queue as an operator wishes it.
pub(super) fn written(wire: Queue) -> Result<Written> {
    Ok(Written {
        serves: serves(wire.team_id, wire.project_id)?,
        name: wire.name,
        parent: named(wire.parent),
        deserved: given(wire.deserved),
        limit: given(wire.limit),
        over_quota_weight: wire.over_quota_weight.unwrap_or(1),
    })
}

fn serves(team_id: String, project_id: String) -> Result<Serves> {
    match (named(team_id), named(project_id)) {
        (None, None) => Ok(Serves::Nobody),
        (Some(team), None) if team.parse::<TeamId>().is_ok() => Ok(Serves::Team(team)),
        (Some(team), None) => Err(Error::invalid(
            "team_id",
            format!("{team:?} is not the identifier of a team"),
        )),
        (None, Some(project)) if project.parse::<ProjectId>().is_ok() => {
            Ok(Serves::Project(project))
        }
        (None, Some(project)) => Err(Error::invalid(
            "project_id",
            format!("{project:?} is not the identifier of a project"),
        )),
        (Some(_), Some(_)) => Err(Error::invalid(
            "project_id",
            "is given besides team_id; a queue serves one of them",
        )),
    }
}

fn ids(serves: &Serves) -> (Option<String>, Option<String>) {
    match serves {
        Serves::Nobody => (None, None),
        Serves::Team(id) => (Some(id.clone()), None),
        Serves::Project(id) => (None, Some(id.clone())),
    }
}

pub(super) fn queue(written: &Written) -> Queue {
    let (team_id, project_id) = ids(&written.serves);
    Queue {
        name: written.name.clone(),
        parent: written.parent.clone().unwrap_or_default(),
        team_id: team_id.unwrap_or_default(),
        project_id: project_id.unwrap_or_default(),
        deserved: quota(written.deserved),
        limit: quota(written.limit),
        over_quota_weight: Some(written.over_quota_weight),
    }
}

/// How a queue stands; `written` is `None` where nobody wrote it down.
pub(super) fn status(standing: Standing, written: Option<&Written>) -> QueueStatus {
    let implicit = || Queue {
        name: standing.name.clone(),
        parent: standing.parent.clone().unwrap_or_default(),
        deserved: quota([None; 3]),
        limit: quota([None; 3]),
        over_quota_weight: Some(standing.weight),
        ..Queue::default()
    };
    QueueStatus {
        queue: Some(written.map_or_else(implicit, queue)),
        implicit: written.is_none(),
        deserved: Some(amount(standing.deserved)),
        held: Some(amount(standing.demand.held)),
        wanted: Some(amount(standing.demand.wanted)),
        waiting: standing.demand.waiting,
        share: Some(amount(standing.share)),
    }
}

pub(super) fn change(change: Change) -> QueueChange {
    let share = |side: &Option<Standing>| side.as_ref().map(|side| amount(side.share));
    let after = change.after.as_ref();
    let name = after.or(change.before.as_ref());
    QueueChange {
        name: name.map(|side| side.name.clone()).unwrap_or_default(),
        share_before: share(&change.before),
        share_after: share(&change.after),
        held: Some(
            after
                .map(|side| amount(side.demand.held))
                .unwrap_or_default(),
        ),
        reclaimable: Some(after.map(|side| amount(side.above())).unwrap_or_default()),
    }
}

pub(super) fn row(written: &Written, created_at: i64, revision: i64) -> queue::Model {
    let (team_id, project_id) = ids(&written.serves);
    let [
        deserved_milli_gpus,
        deserved_milli_cores,
        deserved_memory_mib,
    ] = written.deserved;
    let [limit_milli_gpus, limit_milli_cores, limit_memory_mib] = written.limit;
    queue::Model {
        name: written.name.clone(),
        parent: written.parent.clone(),
        team_id,
        project_id,
        deserved_milli_gpus,
        deserved_milli_cores,
        deserved_memory_mib,
        limit_milli_gpus,
        limit_milli_cores,
        limit_memory_mib,
        over_quota_weight: written.over_quota_weight.into(),
        created_at,
        revision,
    }
}

pub(super) fn written_in(row: &queue::Model) -> Written {
    let serves = match (&row.team_id, &row.project_id) {
        (Some(team), _) => Serves::Team(team.clone()),
        (None, Some(project)) => Serves::Project(project.clone()),
        (None, None) => Serves::Nobody,
    };
    Written {
        name: row.name.clone(),
        parent: row.parent.clone(),
        serves,
        deserved: [
            row.deserved_milli_gpus,
            row.deserved_milli_cores,
            row.deserved_memory_mib,
        ],
        limit: [
            row.limit_milli_gpus,
            row.limit_milli_cores,
            row.limit_memory_mib,
        ],
        over_quota_weight: crate::app::unsigned_32(row.over_quota_weight),
    }
}
