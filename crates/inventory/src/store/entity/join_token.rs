//! A row of a join token; the token itself is not in it.

use sea_orm::entity::prelude::*;

#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "join_tokens")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub hash: String,
    pub created_at: i64,
    pub expires_at: i64,
    pub node_id: Option<String>,
    pub request_id: Option<String>,
    pub spent_at: Option<i64>,
}

impl ActiveModelBehavior for ActiveModel {}
