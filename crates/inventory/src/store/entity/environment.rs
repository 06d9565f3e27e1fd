//! A row of an environment of a team.

use sea_orm::entity::prelude::*;

#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "environments")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: String,
    pub team_id: String,
    pub user_id: String,
    pub name: String,
    pub base: String,
    pub python_version: String,
    pub requirements: String,
    pub state: i32,
    pub reason: String,
    pub lock: String,
    pub digest: String,
    pub packages: i32,
    pub shared: bool,
    pub created_at: i64,
    pub revision: i64,
    pub deleted_at: Option<i64>,
}

impl ActiveModelBehavior for ActiveModel {}
