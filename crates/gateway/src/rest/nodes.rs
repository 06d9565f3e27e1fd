//! Nodes, for operators.

use axum::Json;
use chassis::Error;
use contracts::inventory::v1::{
    CreateJoinTokenRequest, GiveUpNodeRequest, ListNodesRequest, Node as WireNode, NodeLiveness,
    NodeSchedulable, SetNodeSchedulableRequest,
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Answer;
use super::caller::Caller;
use super::extract::{Id, IdempotencyKey, Params};
use super::failure::Failure;
use super::json_body::{JsonBody, Nothing};
use super::page::{List, Order, PageQuery};
use super::values::{Time, non_empty, present};

/// A host that runs workloads.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Node {
    id: String,
    name: String,
    hardware: Hardware,
    /// CPU that may be promised for each CPU that is there.
    cpu_overcommit: u32,
    liveness: Liveness,
    schedulable: Schedulable,
    /// Last heartbeat; null before the first.
    #[schema(required)]
    dt_last_seen: Option<Time>,
    /// Changes at each boot of the host.
    boot_id: String,
    /// Protections that this machine cannot give, each with its reason.
    missing_isolation: Vec<String>,
    /// When what has not left a draining node is stopped; null when it may stay.
    #[schema(required)]
    dt_drain_deadline: Option<Time>,
    /// When a person gave it up; null when nobody did.
    #[schema(required)]
    dt_given_up: Option<Time>,
    dt_created: Time,
    /// Grows by one with each change.
    revision: u64,
}

/// What a node has.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct Hardware {
    /// Thousandths of a CPU core.
    milli_cores: u32,
    memory_mib: u32,
    disk_gib: u32,
    gpus: Vec<Gpu>,
}

/// One GPU of a node.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct Gpu {
    /// Position on the node, from 0.
    index: u32,
    /// The driver's unique name.
    uuid: String,
    model: String,
    memory_mib: u32,
}

/// Whether a node answers.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum Liveness {
    Ready,
    Silent,
}

/// Whether a node takes work.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum Schedulable {
    Open,
    Cordoned,
    Draining,
}

impl Liveness {
    fn read(liveness: NodeLiveness) -> Result<Self, Failure> {
        match liveness {
            NodeLiveness::Unspecified => present("liveness", None),
            NodeLiveness::Ready => Ok(Self::Ready),
            NodeLiveness::Silent => Ok(Self::Silent),
        }
    }
}

impl Schedulable {
    fn read(schedulable: NodeSchedulable) -> Result<Self, Failure> {
        match schedulable {
            NodeSchedulable::Unspecified => present("schedulable", None),
            NodeSchedulable::Open => Ok(Self::Open),
            NodeSchedulable::Cordoned => Ok(Self::Cordoned),
            NodeSchedulable::Draining => Ok(Self::Draining),
        }
    }
}

impl From<contracts::inventory::v1::Hardware> for Hardware {
    fn from(wire: contracts::inventory::v1::Hardware) -> Self {
        let gpus = wire.gpus.into_iter();
        let gpus = gpus.map(|gpu| Gpu {
            index: gpu.index,
            uuid: gpu.uuid,
            model: gpu.model,
            memory_mib: gpu.memory_mib,
        });
        Self {
            milli_cores: wire.milli_cores,
            memory_mib: wire.memory_mib,
            disk_gib: wire.disk_gib,
            gpus: gpus.collect(),
        }
    }
}

impl TryFrom<WireNode> for Node {
    type Error = Failure;

    fn try_from(wire: WireNode) -> Result<Self, Failure> {
        Ok(Self {
            liveness: Liveness::read(wire.liveness())?,
            schedulable: Schedulable::read(wire.schedulable())?,
            id: wire.id,
            name: wire.name,
            hardware: wire.hardware.unwrap_or_default().into(),
            cpu_overcommit: wire.cpu_overcommit,
            dt_last_seen: Time::optional("last_seen_at", wire.last_seen_at)?,
            boot_id: wire.boot_id,
            missing_isolation: wire.missing_isolation,
            dt_drain_deadline: Time::optional("drain_deadline_at", wire.drain_deadline_at)?,
            dt_given_up: Time::optional("given_up_at", wire.given_up_at)?,
            dt_created: Time::required("created_at", wire.created_at)?,
            revision: wire.revision,
        })
    }
}

/// List nodes
#[utoipa::path(
    get, path = "/v1/nodes", tag = "Nodes",
    params(PageQuery), responses((status = 200, body = List<Node>))
)]
pub(super) async fn list_nodes(
    caller: Caller,
    Params(page): Params<PageQuery>,
) -> Answer<List<Node>> {
    let page = page.read(["name"], Order::Ascending)?;
    let answer = caller
        .inventory()
        .list_nodes(ListNodesRequest {})
        .await?
        .into_inner();
    let nodes = answer
        .nodes
        .into_iter()
        .map(Node::try_from)
        .collect::<Result<Vec<_>, _>>()?;
    Ok(Json(page.cut(nodes, |node| node.name.clone())))
}

/// Get a node
#[utoipa::path(
    get, path = "/v1/nodes/{id}", tag = "Nodes",
    params(("id" = String, Path, description = "Identifier or name")), responses((status = 200, body = Node))
)]
pub(super) async fn get_node(caller: Caller, Id(wanted): Id) -> Answer<Node> {
    let listed = caller.inventory().list_nodes(ListNodesRequest {}).await?;
    let mut nodes = listed.into_inner().nodes.into_iter();
    let node = nodes.find(|node| node.id == wanted || node.name == wanted);
    let node = node.ok_or_else(|| Error::not_found("node", &wanted))?;
    Ok(Json(node.try_into()?))
}

async fn set_schedulable(
    caller: Caller,
    node: String,
    schedulable: NodeSchedulable,
    deadline_seconds: u32,
) -> Answer<Node> {
    let request = SetNodeSchedulableRequest {
        node,
        schedulable: schedulable.into(),
        deadline_seconds,
    };
    let answer = caller
        .inventory()
        .set_node_schedulable(request)
        .await?
        .into_inner();
    Ok(Json(present("node", answer.node)?.try_into()?))
}

/// Place no new work on a node; what runs there stays
#[utoipa::path(
    post, path = "/v1/nodes/{id}/cordon", tag = "Nodes",
    params(("id" = String, Path, description = "Identifier or name")), responses((status = 200, body = Node))
)]
pub(super) async fn cordon_node(
    caller: Caller,
    Id(node): Id,
    JsonBody(Nothing {}): JsonBody<Nothing>,
) -> Answer<Node> {
    set_schedulable(caller, node, NodeSchedulable::Cordoned, 0).await
}

/// How a node is to be drained.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(super) struct NewDrain {
    /// What cannot move is stopped after so many seconds, up to 2592000; it may stay when this is absent.
    deadline_seconds: Option<u32>,
}

/// Place no new work on a node and let what can move leave it
#[utoipa::path(
    post, path = "/v1/nodes/{id}/drain", tag = "Nodes",
    params(("id" = String, Path, description = "Identifier or name")),
    request_body = Option<NewDrain>, responses((status = 200, body = Node))
)]
pub(super) async fn drain_node(
    caller: Caller,
    Id(node): Id,
    JsonBody(new): JsonBody<NewDrain>,
) -> Answer<Node> {
    let deadline = new.deadline_seconds.unwrap_or_default();
    set_schedulable(caller, node, NodeSchedulable::Draining, deadline).await
}

/// Give a silent node up for lost, with the files on it; it never speaks again
#[utoipa::path(
    post, path = "/v1/nodes/{id}/give-up", tag = "Nodes",
    params(("id" = String, Path, description = "Identifier or name")), responses((status = 200, body = Node))
)]
pub(super) async fn give_up_node(
    caller: Caller,
    Id(node): Id,
    JsonBody(Nothing {}): JsonBody<Nothing>,
) -> Answer<Node> {
    let answer = caller
        .inventory()
        .give_up_node(GiveUpNodeRequest { node })
        .await?
        .into_inner();
    Ok(Json(present("node", answer.node)?.try_into()?))
}

/// Place work on a node again
#[utoipa::path(
    post, path = "/v1/nodes/{id}/uncordon", tag = "Nodes",
    params(("id" = String, Path, description = "Identifier or name")), responses((status = 200, body = Node))
)]
pub(super) async fn uncordon_node(
    caller: Caller,
    Id(node): Id,
    JsonBody(Nothing {}): JsonBody<Nothing>,
) -> Answer<Node> {
    set_schedulable(caller, node, NodeSchedulable::Open, 0).await
}

/// A join token to be made.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(super) struct NewJoinToken {
    /// How long it works, 60 to 86400; an hour when it is absent.
    ttl_seconds: Option<u32>,
}

/// A one-time token that a new node joins with.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct JoinToken {
    /// The token; shown here only. Empty when the same request was answered before.
    token: String,
    /// Why the token is absent; null when it is there.
    #[schema(required)]
    notice: Option<String>,
    /// When it stops to work.
    dt_expires: Time,
}

/// Make a one-time token that a new node joins with
#[utoipa::path(
    post, path = "/v1/nodes/join-token", tag = "Nodes",
    params(("Idempotency-Key" = Option<String>, Header, description = "The same key makes no second token")),
    request_body = Option<NewJoinToken>, responses((status = 200, body = JoinToken))
)]
pub(super) async fn create_join_token(
    caller: Caller,
    key: IdempotencyKey,
    JsonBody(new): JsonBody<NewJoinToken>,
) -> Answer<JoinToken> {
    let request = CreateJoinTokenRequest {
        ttl_seconds: new.ttl_seconds.unwrap_or_default(),
        request_id: key.or(None)?,
    };
    let answer = caller
        .inventory()
        .create_join_token(request)
        .await?
        .into_inner();
    Ok(Json(JoinToken {
        token: answer.token,
        notice: non_empty(answer.notice),
        dt_expires: Time::required("expires_at", answer.expires_at)?,
    }))
}
