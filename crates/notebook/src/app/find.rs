//! Finding notebooks of a team: by identifier, name, or a unique beginning of either.

use chassis::{Error, Result, page};
use contracts::common::v1::{PageInfo, PageRequest};
use contracts::notebook::v1::Notebook;
use kernel::id::TeamId;
use sea_orm::sea_query::{Expr, Func};
use sea_orm::{
    ColumnTrait, Condition, EntityTrait, ExprTrait, QueryFilter, QueryOrder, QuerySelect, Select,
};

use super::App;
use crate::store::entity::{Column, Entity, Model};

/// Longest text that is looked up.
const MAX_WANTED: usize = 200;

fn of_team(team: TeamId) -> Select<Entity> {
    Entity::find()
        .filter(Column::TeamId.eq(team.to_string()))
        .filter(Column::DeletedAt.is_null())
}

/// Letter by letter: to `LIKE` some characters are patterns, and to one of the engines all letters are small.
fn begins(column: Column, wanted: &str) -> Expr {
    let length = i32::try_from(wanted.chars().count()).unwrap_or(i32::MAX);
    Expr::from(
        Func::cust("substr")
            .arg(Expr::col(column))
            .arg(Expr::value(1))
            .arg(Expr::value(length)),
    )
    .eq(wanted)
}

impl App {
    /// The one notebook that `wanted` names.
    pub(super) async fn find(&self, team: TeamId, wanted: &str) -> Result<Model> {
        if wanted.is_empty() || wanted.len() > MAX_WANTED {
            return Err(Error::invalid(
                "notebook",
                "must be an identifier or name of 1 to 200 characters",
            ));
        }
        let reader = self.database.reader();
        let exact = of_team(team)
            .filter(
                Condition::any()
                    .add(Column::Id.eq(wanted))
                    .add(Column::Name.eq(wanted)),
            )
            .one(reader)
            .await?;
        if let Some(row) = exact {
            return Ok(row);
        }
        let beginning = Condition::any()
            .add(begins(Column::Id, wanted))
            .add(begins(Column::Name, wanted));
        let mut found = of_team(team).filter(beginning).limit(3).all(reader).await?;
        match (found.pop(), found.is_empty()) {
            (Some(row), true) => Ok(row),
            (Some(row), false) => {
                let others: Vec<_> = found.into_iter().map(|other| other.name).collect();
                let problem = format!(
                    "{wanted:?} could be {}, {}; give more of it",
                    row.name,
                    others.join(", ")
                );
                Err(Error::invalid("notebook", problem))
            }
            (None, _) => Err(Error::not_found("notebook", wanted)),
        }
    }

    /// One notebook with its token.
    pub(crate) async fn get(&self, team: TeamId, wanted: &str) -> Result<Notebook> {
        self.with_token(&self.find(team, wanted).await?)
    }

    /// A page of a team's notebooks, newest first.
    pub(crate) async fn list(
        &self,
        team: TeamId,
        asked: &PageRequest,
        name: &str,
    ) -> Result<(Vec<Notebook>, PageInfo)> {
        let limit = page::limit(asked)?;
        let mut query = of_team(team).order_by_desc(Column::Id).limit(limit + 1);
        if !asked.after.is_empty() {
            query = query.filter(Column::Id.lt(&asked.after));
        }
        if !name.is_empty() {
            query = query.filter(Column::Name.eq(name));
        }
        let rows = query.all(self.database.reader()).await?;
        let (rows, info) = page::cut(rows, limit, |row: &Model| row.id.clone());
        let notebooks = rows
            .iter()
            .map(|row| self.with_token(row))
            .collect::<Result<_>>()?;
        Ok((notebooks, info))
    }
}
