//! A row of a certificate authority.

use sea_orm::entity::prelude::*;

#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "authorities")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: String,
    pub certificate: String,
    pub sealed_key: String,
    pub created_at: i64,
}

impl ActiveModelBehavior for ActiveModel {}
