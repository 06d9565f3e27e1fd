//! A row of a volume.

use sea_orm::entity::prelude::*;

#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "volumes")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: String,
    pub team_id: String,
    pub project_id: String,
    pub reason: String,
    pub request_id: String,
    pub node_id: Option<String>,
    pub state: String,
    pub attempt_id: Option<String>,
    pub generation: Option<i64>,
    pub owner_id: String,
    pub label: String,
    pub copy_id: Option<String>,
    pub quota_bytes: i64,
    pub used_bytes: i64,
    pub fill: String,
    pub shared: bool,
    pub revision: i64,
    pub created_at: i64,
}

impl ActiveModelBehavior for ActiveModel {}
