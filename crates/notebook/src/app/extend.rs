//! Keeping a notebook from being stopped for being idle.

use chassis::auth::User;
use chassis::{Error, Result};
use chrono::TimeDelta;
use contracts::notebook::v1::{ExtendNotebookResponse, NotebookExtended};
use contracts::to_wire_time;
use kernel::time::from_micros;
use sea_orm::EntityTrait;

use super::idle::forget_warning;
use super::{App, view};
use crate::domain::policy::{LEAST_SECONDS, MOST_SECONDS};
use crate::domain::state::Wanted;
use crate::store::entity::{Entity, Model};

impl App {
    /// Keeps a notebook for so long from now, as a user wishes.
    pub(crate) async fn extend(
        &self,
        user: &User,
        wanted: &str,
        seconds: u32,
    ) -> Result<ExtendNotebookResponse> {
        let row = self.find_to_change(user, wanted).await?;
        self.keep(&row.id, seconds, user.id.to_string()).await
    }

    /// The same, as somebody wishes who has opened it.
    pub(crate) async fn extend_visited(
        &self,
        id: &str,
        seconds: u32,
    ) -> Result<ExtendNotebookResponse> {
        let row = Entity::find_by_id(id).one(self.database.reader()).await?;
        match row.filter(|row| row.deleted_at.is_none()) {
            Some(row) => self.keep(&row.id, seconds, String::new()).await,
            None => Err(Error::not_found("notebook", id)),
        }
    }

    async fn keep(
        &self,
        id: &str,
        seconds: u32,
        user_id: String,
    ) -> Result<ExtendNotebookResponse> {
        if !(LEAST_SECONDS..=MOST_SECONDS).contains(&seconds) {
            let problem = format!("is {seconds}; use {LEAST_SECONDS} to {MOST_SECONDS}");
            return Err(Error::invalid("seconds", problem));
        }
        let now = self.clock.now();
        let asked = now + TimeDelta::seconds(seconds.into());
        let mut note = String::new();
        let change = |row: &mut Model| {
            if view::wanted(row) != Wanted::Running || view::state(row).is_rest() {
                let name = &row.name;
                return Err(Error::Precondition(format!(
                    "notebook {name:?} does not run; start it first"
                )));
            }
            let until = match row.run_until.map(from_micros) {
                Some(end) => asked.min(end),
                None => asked,
            };
            if until < asked {
                note = format!(
                    "its longest time is over at {}: until then it is kept",
                    until.format("%Y-%m-%d %H:%M UTC")
                );
            }
            let until = until.timestamp_micros();
            if row.kept_until.is_some_and(|kept| kept >= until) {
                return Ok(false);
            }
            row.kept_until = Some(until);
            if row.stops_at.is_some_and(|stops| stops < until) {
                forget_warning(row);
            }
            Ok(true)
        };
        let row = self
            .update_saying(id, change, |_, notebook| {
                Some(NotebookExtended {
                    notebook: Some(notebook),
                    asked_seconds: seconds,
                    user_id,
                    extended_at: Some(to_wire_time(now)),
                })
            })
            .await?;
        Ok(ExtendNotebookResponse {
            kept_until: row.kept_until.map(|at| to_wire_time(from_micros(at))),
            id: row.id,
            note,
        })
    }
}
