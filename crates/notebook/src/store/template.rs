//! A row of a template that a team made.
#![allow(
    missing_docs,
    unreachable_pub,
    reason = "sea-orm derives public items; the columns are explained in the migration"
)]

use sea_orm::entity::prelude::*;

#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "templates")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: String,
    pub team_id: String,
    pub name: String,
    pub description: String,
    pub environment: String,
    pub environment_digest: String,
    pub command: String,
    pub notebook_id: String,
    pub user_id: String,
    pub created_at: i64,
    pub deleted_at: Option<i64>,
    pub request_id: String,
    pub request_hash: String,
}

impl ActiveModelBehavior for ActiveModel {}
