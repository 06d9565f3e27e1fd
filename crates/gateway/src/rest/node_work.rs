//! What is still on a node, and its end.

use axum::Json;
use contracts::scheduler::v1::{
    AttemptState, DeleteNodeRequest, GetNodeWorkRequest, NodeWork as WireWork,
};
use serde::Serialize;
use utoipa::ToSchema;

use super::Answer;
use super::caller::Caller;
use super::extract::Id;
use super::failure::Failure;
use super::values::Time;

/// What is still on a node.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct NodeWork {
    node_id: String,
    /// What runs there, oldest first.
    work: Vec<Work>,
    /// How many volumes have their files there.
    volumes: u32,
}

/// Something that is not over on a node.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct Work {
    workload_id: String,
    /// What it belongs to, such as a notebook's identifier.
    owner_id: String,
    /// Such as `notebook`.
    kind: String,
    team_id: String,
    state: WorkState,
    /// Why, in words.
    reason: String,
    /// When it is stopped at the latest; null when nobody has said.
    #[schema(required)]
    dt_until: Option<Time>,
    /// It can go elsewhere.
    movable: bool,
}

/// Where something is in its life.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum WorkState {
    Placed,
    Starting,
    Running,
    Stopping,
}

impl TryFrom<WireWork> for Work {
    type Error = Failure;

    fn try_from(wire: WireWork) -> Result<Self, Failure> {
        let state = match wire.state() {
            AttemptState::Placed | AttemptState::Unspecified => WorkState::Placed,
            AttemptState::Starting => WorkState::Starting,
            AttemptState::Running => WorkState::Running,
            AttemptState::Stopping | AttemptState::Ended => WorkState::Stopping,
        };
        Ok(Self {
            state,
            dt_until: Time::optional("until", wire.until)?,
            workload_id: wire.workload_id,
            owner_id: wire.owner_id,
            kind: wire.kind,
            team_id: wire.team_id,
            reason: wire.reason,
            movable: wire.movable,
        })
    }
}

/// Get what is still on a node: what runs there, until when, and how many volumes have their files there
#[utoipa::path(
    get, path = "/v1/nodes/{id}/work", tag = "Nodes",
    params(("id" = String, Path, description = "Identifier or name")), responses((status = 200, body = NodeWork))
)]
pub(super) async fn get_node_work(caller: Caller, Id(node): Id) -> Answer<NodeWork> {
    let answer = caller
        .scheduler()
        .get_node_work(GetNodeWorkRequest { node })
        .await?
        .into_inner();
    let work = answer.work.into_iter().map(Work::try_from);
    Ok(Json(NodeWork {
        node_id: answer.node_id,
        work: work.collect::<Result<_, _>>()?,
        volumes: answer.volumes,
    }))
}

/// The node that left the list.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct DeletedNode {
    id: String,
}

/// Take a node off the list: one that takes no work and is empty, or one that was given up
#[utoipa::path(
    delete, path = "/v1/nodes/{id}", tag = "Nodes",
    params(("id" = String, Path, description = "Identifier or name")), responses((status = 200, body = DeletedNode))
)]
pub(super) async fn delete_node(caller: Caller, Id(node): Id) -> Answer<DeletedNode> {
    let answer = caller
        .scheduler()
        .delete_node(DeleteNodeRequest { node })
        .await?
        .into_inner();
    Ok(Json(DeletedNode { id: answer.node_id }))
}
