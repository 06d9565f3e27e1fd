//! A row of a workload.

use sea_orm::entity::prelude::*;

#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "workloads")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: String,
    pub team_id: String,
    pub project_id: String,
    pub user_id: String,
    pub owner_id: String,
    pub request_id: String,
    pub spec: String,
    pub state: i32,
    pub reason: String,
    pub stop_wanted: bool,
    pub retries_left: i64,
    pub generation: i64,
    pub files_on: String,
    pub revision: i64,
    pub created_at: i64,
    pub traceparent: String,
    pub priority: i64,
    pub preemptible: bool,
    pub free: bool,
}

impl ActiveModelBehavior for ActiveModel {}
