//! Reading workloads and attempts.

use chassis::auth::User;
use chassis::{Error, Result};
use contracts::scheduler::v1::{Attempt, Workload};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect};

use super::{App, unsigned, view};
use crate::store::entity;

/// Most attempts in one answer.
const MAX_ATTEMPTS: u32 = 1_000;

impl App {
    /// One workload with its newest attempt; for a person only one of their team, in a project that they see.
    pub(crate) async fn workload(&self, id: &str, person: Option<&User>) -> Result<Workload> {
        let reader = self.database.reader();
        let row = entity::workload::Entity::find_by_id(id)
            .one(reader)
            .await?
            .filter(|row| {
                person.is_none_or(|user| {
                    row.team_id == user.team.to_string() && user.sees(&row.project_id)
                })
            })
            .ok_or_else(|| Error::not_found("workload", id))?;
        let newest = entity::attempt::Entity::find()
            .filter(entity::attempt::Column::WorkloadId.eq(id))
            .order_by_desc(entity::attempt::Column::Generation)
            .one(reader)
            .await?;
        view::workload(&row, newest.as_ref())
    }

    /// Attempts by their last change, after one: the attempts, the last change among them, and whether there are more.
    pub(crate) async fn attempts_after(
        &self,
        change: u64,
        limit: u32,
    ) -> Result<(Vec<Attempt>, u64, bool)> {
        if !(1..=MAX_ATTEMPTS).contains(&limit) {
            return Err(Error::invalid(
                "limit",
                format!("is {limit}; 1 to {MAX_ATTEMPTS} are allowed"),
            ));
        }
        let after =
            i64::try_from(change).map_err(|_| Error::invalid("after_change", "is too large"))?;
        let mut rows = entity::attempt::Entity::find()
            .filter(entity::attempt::Column::Change.gt(after))
            .order_by_asc(entity::attempt::Column::Change)
            .limit(u64::from(limit) + 1)
            .all(self.database.reader())
            .await?;
        let has_more = rows.len() > limit as usize;
        rows.truncate(limit as usize);
        let last = rows.last().map_or(change, |row| unsigned(row.change));
        Ok((rows.iter().map(view::attempt).collect(), last, has_more))
    }
}
