//! The reconciler's work on one notebook: compare what is wanted with what is, and take the next step.

use bus::{Route, Target};
use chassis::{Error, Result};
use contracts::notebook::v1::NotebookState;
use contracts::scheduler::v1::{GetWorkloadRequest, StopWorkloadRequest};
use contracts::volume::v1::{CreateVolumeRequest, DeleteVolumeRequest};
use sea_orm::sea_query::Expr;
use sea_orm::{ColumnTrait, Condition, EntityTrait, ExprTrait, QueryFilter, QuerySelect};

use super::{App, unsigned, view};
use crate::domain::state::{self, State, Step, Wanted};
use crate::store::entity::{Column, Entity, Model};

/// Notebooks looked at in one round.
const ROUND: u64 = 1_000;

fn moving() -> Condition {
    let rest = [
        NotebookState::Stopped,
        NotebookState::Cancelled,
        NotebookState::Failed,
        NotebookState::Error,
        NotebookState::Preempted,
    ]
    .map(i32::from);
    Condition::any()
        .add(Column::Wanted.ne(view::wanted_number(Wanted::Stopped)))
        .add(Column::State.is_not_in(rest))
        .add(Expr::col(Column::RouteRevision).lt(Expr::col(Column::Revision)))
}

impl App {
    /// Takes the next steps of all notebooks that are not as wanted; with `look`, asks the scheduler about each of them.
    pub(crate) async fn mend_all(&self, look: bool) -> Result<()> {
        let rows = Entity::find()
            .filter(Column::DeletedAt.is_null())
            .filter(moving())
            .limit(ROUND)
            .all(self.database.reader())
            .await?;
        for row in rows {
            let id = row.id.clone();
            if let Err(error) = self.mend(row, look).await {
                tracing::warn!(
                    notebook = id,
                    error = chassis::error::chain(&error),
                    "mending; trying again"
                );
            }
        }
        Ok(())
    }

    async fn mend(&self, row: Model, look: bool) -> Result<()> {
        if look && !row.workload_id.is_empty() && !view::state(&row).is_rest() {
            let request = GetWorkloadRequest {
                id: row.workload_id.clone(),
            };
            let workload = self
                .scheduler
                .clone()
                .get_workload(request)
                .await?
                .into_inner()
                .workload;
            self.observe(&workload.unwrap_or_default()).await?;
        }
        match state::next(view::known(&row)) {
            Step::Nothing => {}
            Step::CreateVolume => self.create_volume(&row).await?,
            Step::Submit => self.submit(&row).await?,
            Step::Stop => self.ask_stop(&row).await?,
            Step::Settle => {
                self.update(&row.id, |row| {
                    if state::next(view::known(row)) != Step::Settle {
                        return Ok(false);
                    }
                    row.wanted = view::wanted_number(Wanted::Stopped);
                    Ok(true)
                })
                .await?;
            }
            Step::Remove => return self.remove(&row).await,
        }
        self.write_route(&row.id).await
    }

    async fn create_volume(&self, row: &Model) -> Result<()> {
        let request = CreateVolumeRequest {
            team_id: row.team_id.clone(),
            request_id: row.id.clone(),
        };
        let volume = self
            .volume
            .clone()
            .create_volume(request)
            .await?
            .into_inner()
            .volume
            .unwrap_or_default();
        self.update(&row.id, |row| {
            row.volume_id.clone_from(&volume.id);
            Ok(true)
        })
        .await?;
        Ok(())
    }

    async fn submit(&self, row: &Model) -> Result<()> {
        let launched = match self.launch(row).await {
            Ok(request) => self
                .scheduler
                .clone()
                .submit_workload(request)
                .await
                .map_err(Error::from),
            Err(error) => Err(error),
        };
        let answer = match launched {
            Ok(answer) => answer.into_inner(),
            Err(
                error @ (Error::Invalid { .. }
                | Error::Precondition(_)
                | Error::Exhausted(_)
                | Error::NotFound { .. }),
            ) => {
                return self.give_up_start(row, &error.public_text()).await;
            }
            Err(error) => return Err(error),
        };
        let workload = answer.workload.unwrap_or_default();
        let start_number = row.start_number;
        self.update(&row.id, |row| {
            if row.start_number != start_number || !row.workload_id.is_empty() {
                return Ok(false);
            }
            row.workload_id.clone_from(&workload.id);
            Ok(true)
        })
        .await?;
        self.observe(&workload).await
    }

    /// The start cannot succeed as things are: says so, and waits for the user.
    async fn give_up_start(&self, row: &Model, why: &str) -> Result<()> {
        self.update(&row.id, |row| {
            if !row.workload_id.is_empty() {
                return Ok(false);
            }
            row.wanted = view::wanted_number(Wanted::Stopped);
            row.state = view::state_number(State::Error);
            row.reason = why.to_owned();
            Ok(true)
        })
        .await?;
        Ok(())
    }

    async fn ask_stop(&self, row: &Model) -> Result<()> {
        let request = StopWorkloadRequest {
            id: row.workload_id.clone(),
            reason: row.stop_reason.clone(),
        };
        let workload = self
            .scheduler
            .clone()
            .stop_workload(request)
            .await?
            .into_inner()
            .workload;
        self.update(&row.id, |row| {
            row.stop_asked = true;
            Ok(true)
        })
        .await?;
        self.observe(&workload.unwrap_or_default()).await
    }

    /// Removes a notebook whose workload is over: its route, its files, and then the row itself from sight.
    async fn remove(&self, row: &Model) -> Result<()> {
        self.routes.remove(&row.id).await?;
        if !row.volume_id.is_empty() {
            let request = DeleteVolumeRequest {
                id: row.volume_id.clone(),
            };
            match self
                .volume
                .clone()
                .delete_volume(request)
                .await
                .map_err(Error::from)
            {
                Ok(_) | Err(Error::NotFound { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        let now = self.clock.now().timestamp_micros();
        self.update(&row.id, |row| {
            row.deleted_at = Some(now);
            Ok(true)
        })
        .await?;
        Ok(())
    }

    /// Writes the route, when the row is newer than what it was last written from.
    async fn write_route(&self, id: &str) -> Result<()> {
        let row = Entity::find_by_id(id).one(self.database.reader()).await?;
        let Some(row) = row.filter(|row| row.route_revision < row.revision) else {
            return Ok(());
        };
        let target = (!row.node_id.is_empty() && !row.workload_id.is_empty()).then(|| Target {
            node_id: row.node_id.clone(),
            workload_id: row.workload_id.clone(),
            generation: unsigned(row.generation),
        });
        let state = view::state(&row);
        self.routes
            .put(&Route {
                id: row.id.clone(),
                running: state == State::Running,
                state: format!("{state:?}"),
                reason: row.reason.clone(),
                target,
                token_sha256: row.token_sha256.clone(),
                revision: unsigned(row.revision),
            })
            .await?;
        // Not a change of the notebook: no revision, no event.
        Entity::update_many()
            .col_expr(Column::RouteRevision, Expr::value(row.revision))
            .filter(Column::Id.eq(id))
            .filter(Column::RouteRevision.lt(row.revision))
            .exec(self.database.reader())
            .await?;
        Ok(())
    }

    /// Writes every route again that the bucket lacks or has older: after somebody wiped it.
    pub(crate) async fn compare_routes(&self) -> Result<()> {
        let present: std::collections::HashMap<String, u64> = self
            .routes
            .all()
            .await?
            .into_iter()
            .map(|route| (route.id, route.revision))
            .collect();
        let rows = Entity::find()
            .filter(Column::DeletedAt.is_null())
            .all(self.database.reader())
            .await?;
        for row in rows {
            if present
                .get(&row.id)
                .is_none_or(|revision| *revision < unsigned(row.revision))
            {
                Entity::update_many()
                    .col_expr(Column::RouteRevision, Expr::value(0))
                    .filter(Column::Id.eq(&row.id))
                    .exec(self.database.reader())
                    .await?;
                self.write_route(&row.id).await?;
            }
        }
        Ok(())
    }
}
