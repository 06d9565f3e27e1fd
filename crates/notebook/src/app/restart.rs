//! A restart: one wish, kept in the row. The reconciler stops what runs, and when that has ended begins the next start; a control
//! plane that ends in between goes on with it.

use chassis::auth::User;
use chassis::{Error, Result, telemetry};
use contracts::notebook::v1::Notebook;

use super::idle::forget_warning;
use super::loss::lost;
use super::wish::{begin_start, violates_unique};
use super::{App, view};
use crate::domain::state::{self, Step, Wanted};
use crate::store::entity::Model;

/// What people read while it is being stopped for that.
pub(super) const RESTARTING: &str = "restarting";

impl App {
    /// Wants a notebook stopped and started again. It stays wanted running in between, so that its place among free machines is
    /// not given away.
    pub(crate) async fn restart(&self, user: &User, wanted: &str) -> Result<Notebook> {
        let seen = self.find_to_change(user, wanted).await?;
        // Nothing is stopped that could not start again.
        self.machine(&seen.machine_type).await?;
        self.check_room(&seen).await?;
        match self.update(&seen.id, wish_restarted).await {
            Ok(row) => {
                self.metrics.changed("restart");
                self.with_token(&row)
            }
            Err(error) if violates_unique(&error) => Err(self.free_is_taken(&seen.team_id).await?),
            Err(error) => Err(error),
        }
    }

    /// Begins the start that a restart still owes.
    pub(super) async fn start_again(&self, row: &Model) -> Result<()> {
        self.update(&row.id, |row| {
            if state::next(view::known(row)) != Step::StartAgain {
                return Ok(false);
            }
            begin_start(row);
            Ok(true)
        })
        .await?;
        Ok(())
    }
}

fn wish_restarted(row: &mut Model) -> Result<bool> {
    if !row.lost_reason.is_empty() {
        return Err(Error::Precondition(lost(&row.lost_reason)));
    }
    let asked_for = !row.launch.is_empty() || !row.workload_id.is_empty();
    match view::wanted(row) {
        Wanted::Deleted => {
            let name = &row.name;
            return Err(Error::Precondition(format!(
                "notebook {name:?} is being deleted"
            )));
        }
        // Its start has not been asked for yet, or it is being restarted already.
        Wanted::Running if row.restart || !asked_for => return Ok(false),
        _ if view::state(row).is_rest() => begin_start(row),
        Wanted::Running | Wanted::Stopped => {
            row.wanted = view::wanted_number(Wanted::Running);
            row.restart = true;
            forget_warning(row);
            row.stop_reason = "restarted by user".to_owned();
            row.reason = RESTARTING.to_owned();
        }
    }
    row.traceparent = telemetry::traceparent().unwrap_or_default();
    Ok(true)
}
