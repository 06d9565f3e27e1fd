//! What single resources owe: running totals of what is settled, and the attempts of what is not.

use chassis::Result;
use kernel::Micros;
use kernel::id::{AttemptId, TeamId};
use sea_orm::sea_query::{Expr, ExprTrait as _, Func, Query};
use sea_orm::{
    ColumnTrait as _, Condition, DatabaseConnection, EntityTrait as _, FromQueryResult,
    QueryFilter as _,
};

use super::attempt::{self, entity};
use super::ledger::charge;
use crate::domain::usage::Metered;

/// Whose resources are asked about.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Asked<'a> {
    /// Who pays.
    pub(crate) team: TeamId,
    /// Identifiers of the resources.
    pub(crate) resources: &'a [String],
    /// Projects that the caller does not see.
    pub(crate) hidden: &'a [String],
}

impl Asked<'_> {
    fn matches(&self) -> Condition {
        Condition::all()
            .add(entity::Column::TeamId.eq(self.team.to_string()))
            .add(entity::Column::OwnerId.is_in(self.resources))
            .add(entity::Column::ProjectId.is_not_in(self.hidden))
    }
}

/// Attempts whose charges are not complete yet.
///
/// # Errors
/// Those of the database.
pub(crate) async fn unsettled(
    connection: &DatabaseConnection,
    asked: &Asked<'_>,
) -> Result<Vec<Metered>> {
    let rows = entity::Entity::find()
        .filter(asked.matches())
        .filter(entity::Column::SettledAt.is_null())
        .all(connection)
        .await?;
    rows.into_iter().map(attempt::metered).collect()
}

#[derive(Debug, FromQueryResult)]
struct Sum {
    owner_id: String,
    micros: i64,
}

/// The sum of each resource's charges, those of some attempts left out.
///
/// # Errors
/// Those of the database.
pub(crate) async fn settled(
    connection: &DatabaseConnection,
    asked: &Asked<'_>,
    left_out: &[AttemptId],
) -> Result<Vec<(String, Micros)>> {
    let sum = Func::sum(Expr::col((charge::Entity, charge::Column::Micros)));
    let statement = Query::select()
        .column((entity::Entity, entity::Column::OwnerId))
        .expr_as(Expr::from(sum).cast_as("BIGINT"), "micros")
        .from(entity::Entity)
        .inner_join(
            charge::Entity,
            Expr::col((entity::Entity, entity::Column::Id))
                .equals((charge::Entity, charge::Column::AttemptId)),
        )
        .cond_where(asked.matches())
        .and_where(entity::Column::Id.is_not_in(left_out.iter().map(ToString::to_string)))
        .group_by_col((entity::Entity, entity::Column::OwnerId))
        .to_owned();
    let statement = connection.get_database_backend().build(&statement);
    let sums = Sum::find_by_statement(statement).all(connection).await?;
    Ok(sums
        .into_iter()
        .map(|sum| (sum.owner_id, Micros(sum.micros)))
        .collect())
}
