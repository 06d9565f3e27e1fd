//! A row of a node.

use sea_orm::entity::prelude::*;

#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "nodes")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: String,
    pub name: String,
    pub liveness: i32,
    pub schedulable: i32,
    pub drain_deadline_at: Option<i64>,
    pub given_up: bool,
    pub files_lost: bool,
    pub leaving: bool,
    pub deleted: bool,
    pub total_milli_cores: i64,
    pub total_memory_mib: i64,
    pub total_disk_gib: i64,
    pub free_milli_cores: i64,
    pub free_memory_mib: i64,
    pub free_disk_gib: i64,
    pub revision: i64,
    pub change: i64,
    pub told: i64,
}

impl ActiveModelBehavior for ActiveModel {}
