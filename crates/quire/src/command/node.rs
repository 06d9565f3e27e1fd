//! `quire node`.

use anyhow::{Result, bail};
use contracts::inventory::v1::{
    CreateJoinTokenRequest, ListNodesRequest, Node, NodeLiveness, NodeSchedulable,
    SetNodeSchedulableRequest,
};
use contracts::scheduler::v1::{GetNodeWorkRequest, NodeWork};
use serde::Serialize;

use super::node_end;
use super::node_warm::WarmView;
use crate::api::Api;
use crate::cli::{NodeCommand, Output};
use crate::print::out;
use crate::print::{self, Row};

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct NodeRow {
    pub(super) id: String,
    pub(super) name: String,
    liveness: String,
    schedulable: String,
    milli_cores: u32,
    cpu_overcommit: u32,
    memory_mib: u32,
    disk_gib: u32,
    gpus: Vec<String>,
    last_seen_at: String,
    missing_isolation: Vec<String>,
    /// Absent where the node does not say.
    #[serde(skip_serializing_if = "Option::is_none")]
    warm: Option<WarmView>,
    #[serde(skip_serializing_if = "Option::is_none")]
    drain_deadline_at: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    given_up_at: Option<String>,
}

impl From<Node> for NodeRow {
    fn from(node: Node) -> Self {
        let liveness = match node.liveness() {
            _ if node.given_up_at.is_some() => "given up",
            NodeLiveness::Ready => "ready",
            NodeLiveness::Silent | NodeLiveness::Unspecified => "silent",
        };
        let schedulable = match node.schedulable() {
            NodeSchedulable::Open => "open",
            NodeSchedulable::Draining => "draining",
            NodeSchedulable::Cordoned | NodeSchedulable::Unspecified => "cordoned",
        };
        let hardware = node.hardware.unwrap_or_default();
        Self {
            id: node.id,
            name: node.name,
            liveness: liveness.to_owned(),
            schedulable: schedulable.to_owned(),
            milli_cores: hardware.milli_cores,
            cpu_overcommit: node.cpu_overcommit,
            memory_mib: hardware.memory_mib,
            disk_gib: hardware.disk_gib,
            gpus: hardware
                .gpus
                .into_iter()
                .map(|gpu| format!("{} {}", gpu.model, gpu.uuid))
                .collect(),
            last_seen_at: print::time(node.last_seen_at),
            missing_isolation: node.missing_isolation,
            warm: node.warm.map(WarmView::from),
            drain_deadline_at: node.drain_deadline_at.map(|at| print::time(Some(at))),
            given_up_at: node.given_up_at.map(|at| print::time(Some(at))),
        }
    }
}

impl Row for NodeRow {
    const COLUMNS: &'static [&'static str] = &[
        "NAME",
        "STATE",
        "WORK",
        "CPU",
        "MEMORY MIB",
        "DISK GIB",
        "GPUS",
        "LAST SEEN",
        "MISSING ISOLATION",
        "ID",
    ];

    fn cells(&self) -> Vec<String> {
        let missing = match self.missing_isolation.as_slice() {
            [] => "none".to_owned(),
            missing => missing.join("\n"),
        };
        vec![
            self.name.clone(),
            self.liveness.clone(),
            match &self.drain_deadline_at {
                Some(at) => format!("{} until {at}", self.schedulable),
                None => self.schedulable.clone(),
            },
            format!("{} x {}", self.milli_cores / 1_000, self.cpu_overcommit),
            self.memory_mib.to_string(),
            self.disk_gib.to_string(),
            self.gpus.len().to_string(),
            self.last_seen_at.clone(),
            missing,
            self.id.clone(),
        ]
    }
}

/// Something that is not over on a node.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct WorkRow {
    kind: String,
    owner_id: String,
    team_id: String,
    state: String,
    until: Option<String>,
    movable: bool,
    reason: String,
    workload_id: String,
}

impl From<NodeWork> for WorkRow {
    fn from(work: NodeWork) -> Self {
        let state = work.state().as_str_name();
        Self {
            state: state.trim_start_matches("ATTEMPT_STATE_").to_lowercase(),
            until: work.until.map(|at| print::time(Some(at))),
            kind: work.kind,
            owner_id: work.owner_id,
            team_id: work.team_id,
            movable: work.movable,
            reason: work.reason,
            workload_id: work.workload_id,
        }
    }
}

impl Row for WorkRow {
    const COLUMNS: &'static [&'static str] = &[
        "KIND", "WHAT", "TEAM", "STATE", "UNTIL", "CAN MOVE", "REASON",
    ];

    fn cells(&self) -> Vec<String> {
        let movable = if self.movable { "yes" } else { "no" };
        vec![
            self.kind.clone(),
            self.owner_id.clone(),
            self.team_id.clone(),
            self.state.clone(),
            self.until.clone().unwrap_or_default(),
            movable.to_owned(),
            self.reason.clone(),
        ]
    }
}

async fn nodes(api: &Api) -> Result<Vec<NodeRow>> {
    let answer = api
        .ask(api.inventory().list_nodes(ListNodesRequest {}))
        .await?;
    Ok(answer.nodes.into_iter().map(NodeRow::from).collect())
}

pub(crate) async fn run(command: NodeCommand, api: &Api, output: Output) -> Result<()> {
    match command {
        NodeCommand::List => print::list(
            output,
            &nodes(api).await?,
            "no node has joined; see \"quire node join-token\"",
        ),
        NodeCommand::Show { node } => show(api, output, &node.unwrap_or_default()).await,
        NodeCommand::JoinToken { ttl } => join_token(api, output, ttl).await,
        NodeCommand::Cordon { node } => set(api, output, &node, NodeSchedulable::Cordoned, 0).await,
        NodeCommand::Drain { node, deadline } => {
            let deadline = deadline.unwrap_or_default();
            set(api, output, &node, NodeSchedulable::Draining, deadline).await
        }
        NodeCommand::Uncordon { node } => set(api, output, &node, NodeSchedulable::Open, 0).await,
        NodeCommand::GiveUp { node, yes } => node_end::give_up(api, output, &node, yes).await,
        NodeCommand::Delete { node } => node_end::delete(api, output, &node).await,
    }
}

async fn show(api: &Api, output: Output, wanted: &str) -> Result<()> {
    let node = find(api, wanted).await?;
    let request = GetNodeWorkRequest {
        node: node.id.clone(),
    };
    let still = api.ask(api.scheduler().get_node_work(request)).await?;
    let work: Vec<_> = still.work.into_iter().map(WorkRow::from).collect();
    if output == Output::Json {
        let mut value = serde_json::to_value(&node)?;
        if let Some(fields) = value.as_object_mut() {
            fields.insert("work".to_owned(), serde_json::to_value(&work)?);
            fields.insert("volumes".to_owned(), still.volumes.into());
        }
        return print::json(&value);
    }
    print::one(output, &node)?;
    if let Some(warm) = &node.warm {
        out!("\n{}", warm.summary());
        print::list(output, &warm.pools, "none are in demand")?;
    }
    out!("\nvolumes with their files here: {}", still.volumes);
    print::list(output, &work, "nothing runs here")
}

/// The one node that `wanted` names: by name, identifier, or a unique beginning of either.
pub(super) async fn find(api: &Api, wanted: &str) -> Result<NodeRow> {
    let mut matching: Vec<_> = nodes(api)
        .await?
        .into_iter()
        .filter(|node| node.name.starts_with(wanted) || node.id.starts_with(wanted))
        .collect();
    if let Some(exact) = matching
        .iter()
        .position(|node| node.name == wanted || node.id == wanted)
    {
        return Ok(matching.swap_remove(exact));
    }
    match (matching.pop(), matching.is_empty()) {
        (Some(node), true) => Ok(node),
        (None, _) => bail!("node {wanted:?} not found; see \"quire node list\""),
        (Some(last), false) => {
            matching.push(last);
            let names: Vec<_> = matching.iter().map(|node| node.name.as_str()).collect();
            bail!("{wanted:?} could be {}; say which", names.join(", "))
        }
    }
}

async fn join_token(api: &Api, output: Output, ttl_seconds: u32) -> Result<()> {
    // Not asked again under the same request: the token is not kept, and another one does no harm.
    let request = CreateJoinTokenRequest {
        ttl_seconds,
        ..CreateJoinTokenRequest::default()
    };
    let answer = api.ask(api.inventory().create_join_token(request)).await?;
    let expires_at = print::time(answer.expires_at);
    if output == Output::Json {
        return print::json(&serde_json::json!({ "token": answer.token, "expiresAt": expires_at }));
    }
    out!("{}", answer.token);
    print::note(&format!("works once, until {expires_at}; on the new node:"));
    print::note(&format!(
        "  quire agent --server {} --token {}",
        api.server(),
        answer.token
    ));
    Ok(())
}

async fn set(
    api: &Api,
    output: Output,
    wanted: &str,
    schedulable: NodeSchedulable,
    deadline_seconds: u32,
) -> Result<()> {
    let request = SetNodeSchedulableRequest {
        node: find(api, wanted).await?.id,
        schedulable: schedulable.into(),
        deadline_seconds,
    };
    let answer = api
        .ask(api.inventory().set_node_schedulable(request))
        .await?;
    print::one(output, &NodeRow::from(answer.node.unwrap_or_default()))
}
