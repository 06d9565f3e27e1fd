//! A row of a queue.

use sea_orm::entity::prelude::*;

#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "queues")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub name: String,
    pub parent: Option<String>,
    pub team_id: Option<String>,
    pub project_id: Option<String>,
    pub deserved_milli_gpus: Option<i64>,
    pub deserved_milli_cores: Option<i64>,
    pub deserved_memory_mib: Option<i64>,
    pub limit_milli_gpus: Option<i64>,
    pub limit_milli_cores: Option<i64>,
    pub limit_memory_mib: Option<i64>,
    pub over_quota_weight: i64,
    pub created_at: i64,
    pub revision: i64,
}

impl ActiveModelBehavior for ActiveModel {}
