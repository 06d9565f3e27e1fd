//! A row of a notebook.
#![allow(
    missing_docs,
    unreachable_pub,
    reason = "sea-orm derives public items; the columns are explained in the migration"
)]

use sea_orm::entity::prelude::*;

#[sea_orm::model]
#[derive(Clone, Debug, Default, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "notebooks")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: String,
    pub team_id: String,
    pub project_id: String,
    pub user_id: String,
    pub name: String,
    pub machine_type: String,
    pub environment: String,
    pub environment_digest: String,
    pub free: bool,
    pub wanted: i32,
    pub stop_reason: String,
    pub stop_asked: bool,
    pub state: i32,
    pub reason: String,
    pub start_number: i64,
    pub volume_id: String,
    pub launch: String,
    pub workload_id: String,
    pub workload_revision: i64,
    pub node_id: String,
    pub generation: i64,
    pub token_sealed: String,
    pub token_sha256: String,
    pub idle_timeout_seconds: i64,
    pub shutdown_timeout_seconds: i64,
    pub request_id: String,
    pub request_hash: String,
    pub created_at: i64,
    pub modified_at: i64,
    pub started_at: Option<i64>,
    pub deleted_at: Option<i64>,
    pub lost_reason: String,
    pub revision: i64,
    pub route_revision: i64,
    pub traceparent: String,
    pub restart: bool,
    pub keep_volume: bool,
    pub run_until: Option<i64>,
    pub idle_own: bool,
    pub idle_warn_seconds: i64,
    pub stops_at: Option<i64>,
    pub stops_because: String,
    pub stops_costs: String,
    pub kept_until: Option<i64>,
    pub repository: String,
    pub repository_ref: String,
    pub template: String,
    pub template_id: String,
    pub brought: String,
    pub furnished: bool,
    pub forked_from: String,
    pub fork_volume: String,
    pub fork_snapshot: String,
    pub snapshot_request: String,
    pub snapshot_name: String,
    pub files_note: String,
    pub preemptible: bool,
    pub priority: i64,
}

impl ActiveModelBehavior for ActiveModel {}
