//! Finding notebooks of a team, in the projects that the caller sees: by identifier, name, or a unique beginning of either.

use chassis::auth::User;
use chassis::{Error, Result, page};
use contracts::common::v1::{PageInfo, PageRequest, Role};
use contracts::notebook::v1::Notebook;
use sea_orm::sea_query::{Expr, Func};
use sea_orm::{ColumnTrait, Condition, EntityTrait, ExprTrait, QueryFilter, QuerySelect, Select};

use super::App;
use crate::store::entity::{Column, Entity, Model};

/// Longest text that is looked up.
const MAX_WANTED: usize = 200;

fn seen_by(user: &User) -> Select<Entity> {
    let hidden = user.hidden_projects().map(|project| project.to_string());
    Entity::find()
        .filter(Column::TeamId.eq(user.team.to_string()))
        .filter(Column::ProjectId.is_not_in(hidden))
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
    pub(super) async fn find(&self, user: &User, wanted: &str) -> Result<Model> {
        if wanted.is_empty() || wanted.len() > MAX_WANTED {
            return Err(Error::invalid(
                "notebook",
                "must be an identifier or name of 1 to 200 characters",
            ));
        }
        let reader = self.database.reader();
        let exact = seen_by(user)
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
        let mut found = seen_by(user).filter(beginning).limit(3).all(reader).await?;
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
    pub(crate) async fn get(&self, user: &User, wanted: &str) -> Result<Notebook> {
        self.with_token(&self.find(user, wanted).await?)
    }

    /// The one notebook that `wanted` names, for somebody who wants to change it.
    pub(super) async fn find_to_change(&self, user: &User, wanted: &str) -> Result<Model> {
        let row = self.find(user, wanted).await?;
        user.require_in(&row.project_id, Role::Member)?;
        Ok(row)
    }

    /// A page of the notebooks that the caller sees, newest first.
    pub(crate) async fn list(
        &self,
        user: &User,
        asked: &PageRequest,
        name: &str,
    ) -> Result<(Vec<Notebook>, PageInfo)> {
        let mut query = seen_by(user);
        if !name.is_empty() {
            query = query.filter(Column::Name.eq(name));
        }
        let reader = self.database.reader();
        let (rows, info) = page::by_id(reader, query, Column::Id, Some(asked), false, |row| {
            row.id.clone()
        })
        .await?;
        let notebooks = rows
            .iter()
            .map(|row| self.with_token(row))
            .collect::<Result<_>>()?;
        Ok((notebooks, info))
    }
}
