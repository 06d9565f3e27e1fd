//! Nodes, for operators.

use axum::Json;
use contracts::inventory::v1::{
    CreateJoinTokenRequest, ListNodesRequest, Node as WireNode, NodeLiveness, NodeSchedulable,
    SetNodeSchedulableRequest,
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Answer;
use super::caller::Caller;
use super::extract::{Id, Params};
use super::failure::Failure;
use super::json_body::{JsonBody, Nothing};
use super::page::{List, Order, PageQuery};
use super::values::{Time, present};

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

async fn set_schedulable(
    caller: Caller,
    node: String,
    schedulable: NodeSchedulable,
) -> Answer<Node> {
    let request = SetNodeSchedulableRequest {
        node,
        schedulable: schedulable.into(),
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
    set_schedulable(caller, node, NodeSchedulable::Cordoned).await
}

/// Place no new work on a node and ask what runs there to leave
#[utoipa::path(
    post, path = "/v1/nodes/{id}/drain", tag = "Nodes",
    params(("id" = String, Path, description = "Identifier or name")), responses((status = 200, body = Node))
)]
pub(super) async fn drain_node(
    caller: Caller,
    Id(node): Id,
    JsonBody(Nothing {}): JsonBody<Nothing>,
) -> Answer<Node> {
    set_schedulable(caller, node, NodeSchedulable::Draining).await
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
    set_schedulable(caller, node, NodeSchedulable::Open).await
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
    /// The token; shown here only.
    token: String,
    /// When it stops to work.
    dt_expires: Time,
}

/// Make a one-time token that a new node joins with
#[utoipa::path(
    post, path = "/v1/nodes/join-token", tag = "Nodes",
    request_body = Option<NewJoinToken>, responses((status = 200, body = JoinToken))
)]
pub(super) async fn create_join_token(
    caller: Caller,
    JsonBody(new): JsonBody<NewJoinToken>,
) -> Answer<JoinToken> {
    let request = CreateJoinTokenRequest {
        ttl_seconds: new.ttl_seconds.unwrap_or_default(),
    };
    let answer = caller
        .inventory()
        .create_join_token(request)
        .await?
        .into_inner();
    Ok(Json(JoinToken {
        token: answer.token,
        dt_expires: Time::required("expires_at", answer.expires_at)?,
    }))
}
