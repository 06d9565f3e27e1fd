//! A row of a node's GPU.

use sea_orm::entity::prelude::*;

#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "gpus")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub node_id: String,
    #[sea_orm(primary_key, auto_increment = false)]
    pub position: i64,
    pub uuid: String,
    pub model: String,
    pub memory_mib: i64,
    #[sea_orm(belongs_to, from = "node_id", to = "id")]
    pub node: HasOne<super::node::Entity>,
}

impl ActiveModelBehavior for ActiveModel {}
