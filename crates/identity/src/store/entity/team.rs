//! A row of a team.

use sea_orm::entity::prelude::*;

#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "teams")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: String,
    pub name: String,
    pub namespace: String,
    pub created_at: i64,
    pub revision: i64,
}

impl ActiveModelBehavior for ActiveModel {}
