//! A row of a node.

use sea_orm::entity::prelude::*;

#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "nodes")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: String,
    pub name: String,
    pub cpu_overcommit: i64,
    pub milli_cores: i64,
    pub memory_mib: i64,
    pub disk_gib: i64,
    pub boot_id: String,
    pub missing_isolation: String,
    pub warm: String,
    pub liveness: String,
    pub schedulable: String,
    pub last_seen_at: Option<i64>,
    pub drain_deadline_at: Option<i64>,
    pub given_up_at: Option<i64>,
    pub deleted_at: Option<i64>,
    pub key_revoked: bool,
    pub revision: i64,
    pub created_at: i64,
    #[sea_orm(has_many)]
    pub gpus: HasMany<super::gpu::Entity>,
}

impl ActiveModelBehavior for ActiveModel {}
