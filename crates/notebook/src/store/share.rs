//! A row of a share.
#![allow(
    missing_docs,
    unreachable_pub,
    reason = "sea-orm derives public items; the columns are explained in the migration"
)]

use sea_orm::entity::prelude::*;

#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "shares")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: String,
    pub notebook_id: String,
    pub access: i32,
    pub user_id: String,
    pub email: String,
    pub token_sealed: String,
    pub token_sha256: String,
    pub created_by: String,
    pub created_at: i64,
    pub expires_at: Option<i64>,
    pub request_id: String,
}

impl ActiveModelBehavior for ActiveModel {}
