//! Queues: who may have how much of the cluster, and who gains and loses by a change.

use axum::Json;
use contracts::scheduler::v1::{
    DeleteQueueRequest, ListQueuesRequest, Queue as WireQueue, QueueAmount,
    QueueChange as WireChange, QueueQuota, QueueStatus, SetQueueRequest,
};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::Answer;
use super::caller::Caller;
use super::extract::{Id, Params};
use super::failure::Failure;
use super::json_body::JsonBody;
use super::page::{List, Order, PageQuery};
use super::values::present;

/// How much of each kind of thing.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct Amount {
    milli_gpus: i64,
    milli_cores: i64,
    memory_mib: i64,
}

impl From<QueueAmount> for Amount {
    fn from(wire: QueueAmount) -> Self {
        Self {
            milli_gpus: wire.milli_gpus,
            milli_cores: wire.milli_cores,
            memory_mib: wire.memory_mib,
        }
    }
}

/// How much of each kind of thing, where a kind may not be given: null.
#[derive(Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
struct Quota {
    milli_gpus: Option<i64>,
    milli_cores: Option<i64>,
    memory_mib: Option<i64>,
}

impl From<QueueQuota> for Quota {
    fn from(wire: QueueQuota) -> Self {
        Self {
            milli_gpus: wire.milli_gpus,
            milli_cores: wire.milli_cores,
            memory_mib: wire.memory_mib,
        }
    }
}

impl From<Quota> for QueueQuota {
    fn from(quota: Quota) -> Self {
        Self {
            milli_gpus: quota.milli_gpus,
            milli_cores: quota.milli_cores,
            memory_mib: quota.memory_mib,
        }
    }
}

/// A queue as it is written down.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct WrittenQueue {
    name: String,
    /// The queue above; null is directly below the whole cluster.
    #[schema(required)]
    parent: Option<String>,
    /// The team whose work it takes in, but for projects that another queue takes in; else null.
    #[schema(required)]
    team_id: Option<String>,
    /// The project whose work it takes in; else null.
    #[schema(required)]
    project_id: Option<String>,
    /// What it gets back from whoever borrowed it, as it was given.
    deserved: Quota,
    /// What it never holds more of; null is no limit.
    limit: Quota,
    /// Its part of what nobody deserves or wants, beside its siblings.
    over_quota_weight: u32,
}

impl From<WireQueue> for WrittenQueue {
    fn from(wire: WireQueue) -> Self {
        let named = |text: String| (!text.is_empty()).then_some(text);
        Self {
            name: wire.name,
            parent: named(wire.parent),
            team_id: named(wire.team_id),
            project_id: named(wire.project_id),
            deserved: wire.deserved.unwrap_or_default().into(),
            limit: wire.limit.unwrap_or_default().into(),
            over_quota_weight: wire.over_quota_weight.unwrap_or(1),
        }
    }
}

/// A queue and how it stands.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Queue {
    queue: WrittenQueue,
    /// Nobody wrote it down: it is there because somebody's work is.
    implicit: bool,
    /// What it deserves, with what follows from its GPUs.
    deserved: Amount,
    /// What its work, and that of the queues below it, has now.
    held: Amount,
    /// What waits there asks for.
    wanted: Amount,
    /// How many workloads wait there.
    waiting: u64,
    /// What it may hold in fairness now: no more than its work has and asks for.
    share: Amount,
}

impl TryFrom<QueueStatus> for Queue {
    type Error = Failure;

    fn try_from(wire: QueueStatus) -> Result<Self, Failure> {
        Ok(Self {
            queue: present("queue", wire.queue)?.into(),
            implicit: wire.implicit,
            deserved: wire.deserved.unwrap_or_default().into(),
            held: wire.held.unwrap_or_default().into(),
            wanted: wire.wanted.unwrap_or_default().into(),
            waiting: wire.waiting,
            share: wire.share.unwrap_or_default().into(),
        })
    }
}

/// What a change does to a queue that gains or loses by it.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct QueueChange {
    name: String,
    /// Its share without the change; null when it is not there.
    #[schema(required)]
    share_before: Option<Amount>,
    /// Its share with the change; null when it is not there.
    #[schema(required)]
    share_after: Option<Amount>,
    /// What its work has, with the change.
    held: Amount,
    /// What of that is more than its share, with the change: others may take it back from work that is preemptible.
    reclaimable: Amount,
}

impl From<WireChange> for QueueChange {
    fn from(wire: WireChange) -> Self {
        Self {
            name: wire.name,
            share_before: wire.share_before.map(Amount::from),
            share_after: wire.share_after.map(Amount::from),
            held: wire.held.unwrap_or_default().into(),
            reclaimable: wire.reclaimable.unwrap_or_default().into(),
        }
    }
}

/// Who gains and loses by a change.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct QueueChanges {
    changes: Vec<QueueChange>,
}

impl QueueChanges {
    fn new(changes: Vec<WireChange>) -> Self {
        let changes = changes.into_iter().map(QueueChange::from).collect();
        Self { changes }
    }
}

/// A whole queue as it is to be: what is not said is not so.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub(super) struct NewQueue {
    /// The queue above; absent is directly below the whole cluster.
    parent: Option<String>,
    /// Identifier of the team whose work it takes in, but for projects that another queue takes in. At most one of this and
    /// `projectId`.
    team_id: Option<String>,
    /// Identifier of the project whose work it takes in.
    project_id: Option<String>,
    /// What it gets back from whoever borrowed it. Where GPUs are given, cores and memory that are not are the same part of the
    /// cluster's as the GPUs; otherwise what is not given is nothing.
    deserved: Quota,
    /// What it never holds more of; what is not given has no limit.
    limit: Quota,
    /// Its part of what nobody deserves or wants, beside its siblings; absent is 1, and with 0 it gets nothing of that.
    over_quota_weight: Option<u32>,
}

/// Whether a change is made.
#[derive(Debug, Default, Deserialize, IntoParams)]
// A word that is nearly right must not make the change that was only asked about.
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct DryRunQuery {
    /// Only tell what it would do.
    dry_run: bool,
}

/// List queues and how each stands, those that are written down first; operators only
#[utoipa::path(
    get, path = "/v1/queues", tag = "Queues",
    params(PageQuery), responses((status = 200, body = List<Queue>))
)]
pub(super) async fn list_queues(
    caller: Caller,
    Params(page): Params<PageQuery>,
) -> Answer<List<Queue>> {
    let page = page.read(["name"], Order::Ascending)?;
    let answer = caller
        .queues()
        .list_queues(ListQueuesRequest {})
        .await?
        .into_inner();
    let queues = answer.queues.into_iter().map(Queue::try_from);
    let queues = queues.collect::<Result<Vec<_>, _>>()?;
    Ok(Json(page.cut(queues, |queue| {
        format!("{} {}", u8::from(queue.implicit), queue.queue.name)
    })))
}

/// Make a queue, or make the one of this name so; operators only
#[utoipa::path(
    put, path = "/v1/queues/{queue}", tag = "Queues",
    params(("queue" = String, Path, description = "Name"), DryRunQuery),
    request_body = NewQueue, responses((status = 200, body = QueueChanges))
)]
pub(super) async fn set_queue(
    caller: Caller,
    Id(name): Id,
    Params(query): Params<DryRunQuery>,
    JsonBody(new): JsonBody<NewQueue>,
) -> Answer<QueueChanges> {
    let queue = WireQueue {
        name,
        parent: new.parent.unwrap_or_default(),
        team_id: new.team_id.unwrap_or_default(),
        project_id: new.project_id.unwrap_or_default(),
        deserved: Some(new.deserved.into()),
        limit: Some(new.limit.into()),
        over_quota_weight: new.over_quota_weight,
    };
    let request = SetQueueRequest {
        queue: Some(queue),
        dry_run: query.dry_run,
    };
    let answer = caller.queues().set_queue(request).await?.into_inner();
    Ok(Json(QueueChanges::new(answer.changes)))
}

/// Take a queue away, once no queue is below it; operators only
#[utoipa::path(
    delete, path = "/v1/queues/{queue}", tag = "Queues",
    params(("queue" = String, Path, description = "Name"), DryRunQuery),
    responses((status = 200, body = QueueChanges))
)]
pub(super) async fn delete_queue(
    caller: Caller,
    Id(name): Id,
    Params(query): Params<DryRunQuery>,
) -> Answer<QueueChanges> {
    let request = DeleteQueueRequest {
        name,
        dry_run: query.dry_run,
    };
    let answer = caller.queues().delete_queue(request).await?.into_inner();
    Ok(Json(QueueChanges::new(answer.changes)))
}
