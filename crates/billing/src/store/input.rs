//! Raw usage inputs: rows are only ever added.

use chassis::Result;
use kernel::time::from_micros;
use sea_orm::{
    ActiveValue::Set, ConnectionTrait, DatabaseTransaction, EntityTrait, QueryOrder as _,
};

use super::{micros, parsed, signed, time, unsigned};
use crate::domain::chain::Link;
use crate::domain::usage::Input;

mod entity {
    #![allow(missing_docs, unreachable_pub, reason = "sea-orm derives public items")]
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "usage_inputs")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub sequence: i64,
        pub attempt_id: String,
        pub revision: i64,
        pub team_id: String,
        pub project_id: String,
        pub owner_id: String,
        pub machine_type: String,
        pub billable_from: Option<i64>,
        pub billable_until: Option<i64>,
        pub received_at: i64,
        pub hash: String,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

/// Adds one link to the chain.
///
/// # Errors
/// Those of the database.
pub(crate) async fn add(transaction: &DatabaseTransaction, link: &Link) -> Result<()> {
    let input = &link.input;
    let row = entity::ActiveModel {
        sequence: Set(signed(link.sequence)?),
        attempt_id: Set(input.attempt.to_string()),
        revision: Set(signed(input.revision)?),
        team_id: Set(input.team.to_string()),
        project_id: Set(input.project.clone()),
        owner_id: Set(input.owner.clone()),
        machine_type: Set(input.machine_type.clone()),
        billable_from: Set(micros(input.billable_from)),
        billable_until: Set(micros(input.billable_until)),
        received_at: Set(link.received_at.timestamp_micros()),
        hash: Set(link.hash.clone()),
    };
    entity::Entity::insert(row)
        .exec_without_returning(transaction)
        .await?;
    Ok(())
}

/// The whole chain.
///
/// # Errors
/// Those of the database.
pub(crate) async fn all(connection: &impl ConnectionTrait) -> Result<Vec<Link>> {
    let rows = entity::Entity::find()
        .order_by_asc(entity::Column::Sequence)
        .all(connection)
        .await?;
    rows.into_iter().map(link).collect()
}

fn link(row: entity::Model) -> Result<Link> {
    Ok(Link {
        sequence: unsigned(row.sequence)?,
        input: Input {
            attempt: parsed(&row.attempt_id)?,
            revision: unsigned(row.revision)?,
            team: parsed(&row.team_id)?,
            project: row.project_id,
            owner: row.owner_id,
            machine_type: row.machine_type,
            billable_from: time(row.billable_from),
            billable_until: time(row.billable_until),
        },
        received_at: from_micros(row.received_at),
        hash: row.hash,
    })
}
