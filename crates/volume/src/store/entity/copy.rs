//! A row of what a node has still to copy.

use sea_orm::entity::prelude::*;

#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "copies")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: String,
    pub node_id: String,
    pub from_id: String,
    pub to_id: String,
    pub keep_id: Option<String>,
}

impl ActiveModelBehavior for ActiveModel {}
