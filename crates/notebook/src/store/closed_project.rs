//! A row of a project that takes no notebook any more.
#![allow(
    missing_docs,
    unreachable_pub,
    reason = "sea-orm derives public items; the columns are explained in the migration"
)]

use sea_orm::entity::prelude::*;

#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "closed_projects")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: String,
    pub team_id: String,
    pub closed_at: i64,
    pub deleted: bool,
}

impl ActiveModelBehavior for ActiveModel {}
