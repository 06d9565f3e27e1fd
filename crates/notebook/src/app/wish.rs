//! What people wish of a notebook: start, stop, delete. A wish is written down; the reconciler sees to it.

use chassis::auth::User;
use chassis::database::is_unique_violation;
use chassis::{Error, Result, telemetry};
use contracts::notebook::v1::Notebook;
use sea_orm::{ColumnTrait, DbErr, EntityTrait, QueryFilter};

use super::idle::forget_warning;
use super::keep::wish_kept;
use super::loss::lost;
use super::{App, view};
use crate::domain::state::{State, Wanted};
use crate::store::entity::{Column, Entity, Model};

impl App {
    /// Wants a notebook running, on the same files.
    pub(crate) async fn start(&self, user: &User, wanted: &str) -> Result<Notebook> {
        let seen = self.find_to_change(user, wanted).await?;
        // It must still be possible: the node may be gone since the last start.
        self.machine(&seen.machine_type).await?;
        if view::wanted(&seen) != Wanted::Running {
            self.check_room(&seen).await?;
        }
        let updated = self
            .update(&seen.id, |row| {
                if view::wanted(row) == Wanted::Running {
                    return Ok(false);
                }
                if view::wanted(row) == Wanted::Deleted {
                    let name = &row.name;
                    return Err(Error::Precondition(format!(
                        "notebook {name:?} is being deleted"
                    )));
                }
                if !view::state(row).is_rest() {
                    return Err(Error::Precondition(format!(
                        "notebook {:?} is still stopping; start it when it has stopped",
                        row.name
                    )));
                }
                if !row.lost_reason.is_empty() {
                    return Err(Error::Precondition(lost(&row.lost_reason)));
                }
                begin_start(row);
                row.traceparent = telemetry::traceparent().unwrap_or_default();
                Ok(true)
            })
            .await;
        match updated {
            Ok(row) => self.with_token(&row),
            Err(error) if violates_unique(&error) => Err(self.free_is_taken(&seen.team_id).await?),
            Err(error) => Err(error),
        }
    }

    /// Wants a notebook stopped; its files stay, and are kept as a snapshot of this name besides.
    pub(crate) async fn stop(
        &self,
        user: &User,
        wanted: &str,
        snapshot: Option<&str>,
    ) -> Result<Notebook> {
        let seen = self.find_to_change(user, wanted).await?;
        if let Some(name) = snapshot {
            self.check_keep(&seen, name).await?;
        }
        let row = self
            .update(&seen.id, |row| {
                let stops = wish_stopped(row, "stopped by user");
                let keeps = match snapshot {
                    Some(name) if view::wanted(row) == Wanted::Stopped => wish_kept(row, name)?,
                    _ => false,
                };
                Ok(stops || keeps)
            })
            .await?;
        self.with_token(&row)
    }

    /// Wants the notebooks of all teams stopped; gives how many have not yet.
    pub(crate) async fn stop_all(&self, why: &str) -> Result<u32> {
        let rows = Entity::find()
            .filter(Column::DeletedAt.is_null())
            .all(self.database.reader())
            .await?;
        let mut remaining = 0;
        for row in rows {
            if view::wanted(&row) == Wanted::Running {
                self.update(&row.id, |row| Ok(wish_stopped(row, why)))
                    .await?;
            }
            remaining += u32::from(!view::state(&row).is_rest());
        }
        Ok(remaining)
    }

    /// Wants a notebook gone, with its files unless `keep_volume`. Who once wanted them gone does not get them back.
    pub(crate) async fn delete(
        &self,
        user: &User,
        wanted: &str,
        keep_volume: bool,
    ) -> Result<Model> {
        let seen = self.find_to_change(user, wanted).await?;
        self.update(&seen.id, |row| {
            row.keep_volume =
                keep_volume && (row.keep_volume || view::wanted(row) != Wanted::Deleted);
            row.wanted = view::wanted_number(Wanted::Deleted);
            row.restart = false;
            forget_warning(row);
            row.stop_reason = "deleted".to_owned();
            row.reason = "is being deleted".to_owned();
            row.traceparent = telemetry::traceparent().unwrap_or_default();
            Ok(true)
        })
        .await
    }
}

/// Begins the next start, on the same files.
pub(super) fn begin_start(row: &mut Model) {
    row.wanted = view::wanted_number(Wanted::Running);
    row.restart = false;
    row.stop_reason = String::new();
    row.stop_asked = false;
    row.start_number += 1;
    row.launch = String::new();
    row.workload_id = String::new();
    row.workload_revision = 0;
    row.started_at = None;
    row.run_until = None;
    row.kept_until = None;
    forget_warning(row);
    row.state = view::state_number(State::Pending);
    row.reason = "is being submitted".to_owned();
}

/// Notes the wish to stop; `false` when it is not wanted running anyway.
pub(super) fn wish_stopped(row: &mut Model, why: &str) -> bool {
    if view::wanted(row) != Wanted::Running {
        return false;
    }
    row.wanted = view::wanted_number(Wanted::Stopped);
    row.restart = false;
    row.stop_reason = why.to_owned();
    forget_warning(row);
    row.traceparent = telemetry::traceparent().unwrap_or_default();
    if row.workload_id.is_empty() && row.launch.is_empty() {
        row.state = view::state_number(State::Cancelled);
        row.reason = why.to_owned();
    } else {
        row.reason = "stopping".to_owned();
    }
    true
}

pub(super) fn violates_unique(error: &Error) -> bool {
    let Error::Internal { cause, .. } = error else {
        return false;
    };
    cause
        .downcast_ref::<DbErr>()
        .is_some_and(is_unique_violation)
}
