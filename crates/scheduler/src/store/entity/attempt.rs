//! A row of an attempt.

use sea_orm::entity::prelude::*;

#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "attempts")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: String,
    pub workload_id: String,
    pub generation: i64,
    pub node_id: String,
    pub gpu_uuids: String,
    pub milli_cores: i64,
    pub memory_mib: i64,
    pub disk_gib: i64,
    pub machine_type: String,
    pub team_id: String,
    pub project_id: String,
    pub owner_id: String,
    pub state: i32,
    pub ended: i32,
    pub stop_as: i32,
    pub fault: i32,
    pub reason: String,
    pub state_since: i64,
    pub placed_at: i64,
    pub billable_from: Option<i64>,
    pub billable_until: Option<i64>,
    pub confirmed_until: Option<i64>,
    pub unreachable_since: Option<i64>,
    pub run_until: Option<i64>,
    pub boot_id: String,
    pub sequence: i64,
    pub revision: i64,
    pub change: i64,
    pub leaves_at: Option<i64>,
    pub leaves_for: String,
    pub verdict: String,
}

impl ActiveModelBehavior for ActiveModel {}
