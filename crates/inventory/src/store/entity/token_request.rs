//! A row of a request for a join token.

use sea_orm::entity::prelude::*;

#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "token_requests")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub asker: String,
    #[sea_orm(primary_key, auto_increment = false)]
    pub request_id: String,
    pub ttl_seconds: i64,
    pub expires_at: i64,
}

impl ActiveModelBehavior for ActiveModel {}
