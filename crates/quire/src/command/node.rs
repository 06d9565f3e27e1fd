//! `quire node`.

use anyhow::{Result, bail};
use contracts::inventory::v1::{
    CreateJoinTokenRequest, ListNodesRequest, Node, NodeLiveness, NodeSchedulable,
    SetNodeSchedulableRequest,
};
use serde::Serialize;

use crate::api::Api;
use crate::cli::{NodeCommand, Output};
use crate::print::out;
use crate::print::{self, Row};

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct NodeRow {
    id: String,
    name: String,
    liveness: String,
    schedulable: String,
    milli_cores: u32,
    cpu_overcommit: u32,
    memory_mib: u32,
    disk_gib: u32,
    gpus: Vec<String>,
    last_seen_at: String,
    missing_isolation: Vec<String>,
}

impl From<Node> for NodeRow {
    fn from(node: Node) -> Self {
        let liveness = match node.liveness() {
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
            self.schedulable.clone(),
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
        NodeCommand::Show { node } => show(api, output, &node).await,
        NodeCommand::JoinToken { ttl } => join_token(api, output, ttl).await,
        NodeCommand::Cordon { node } => set(api, output, node, NodeSchedulable::Cordoned).await,
        NodeCommand::Drain { node } => set(api, output, node, NodeSchedulable::Draining).await,
        NodeCommand::Uncordon { node } => set(api, output, node, NodeSchedulable::Open).await,
    }
}

async fn show(api: &Api, output: Output, wanted: &str) -> Result<()> {
    let mut matching: Vec<_> = nodes(api)
        .await?
        .into_iter()
        .filter(|node| node.name.starts_with(wanted) || node.id.starts_with(wanted))
        .collect();
    if let Some(exact) = matching
        .iter()
        .position(|node| node.name == wanted || node.id == wanted)
    {
        return print::one(output, &matching.swap_remove(exact));
    }
    match matching.as_slice() {
        [node] => print::one(output, node),
        [] => bail!("node {wanted:?} not found; see \"quire node list\""),
        several => {
            let names: Vec<_> = several.iter().map(|node| node.name.as_str()).collect();
            bail!("{wanted:?} could be {}; give more of it", names.join(", "))
        }
    }
}

async fn join_token(api: &Api, output: Output, ttl_seconds: u32) -> Result<()> {
    let request = CreateJoinTokenRequest { ttl_seconds };
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

async fn set(api: &Api, output: Output, node: String, schedulable: NodeSchedulable) -> Result<()> {
    let request = SetNodeSchedulableRequest {
        node,
        schedulable: schedulable.into(),
    };
    let answer = api
        .ask(api.inventory().set_node_schedulable(request))
        .await?;
    print::one(output, &NodeRow::from(answer.node.unwrap_or_default()))
}
