//! Routes: derived from the rows, written when a row changes, compared with all rows from time to time.

use std::collections::HashMap;

use bus::{Bus, Route, RouteIdle, RouteShare, Routes, Target};
use chassis::Result;
use contracts::notebook::v1::ShareAccess;
use kernel::id::NotebookId;
use kernel::time::from_micros;
use sea_orm::sea_query::Expr;
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter};

use super::share::in_force;
use super::{App, unsigned, view};
use crate::domain::state::{State, Wanted};
use crate::store::entity::{Column, Entity, Model};
use crate::store::share;

fn route(row: &Model, shares: &[share::Model]) -> Route {
    let target = (!row.node_id.is_empty() && !row.workload_id.is_empty()).then(|| Target {
        node_id: row.node_id.clone(),
        workload_id: row.workload_id.clone(),
        generation: unsigned(row.generation),
        volume_id: row.volume_id.clone(),
    });
    let state = view::state(row);
    Route {
        id: row.id.clone(),
        running: state == State::Running,
        state: format!("{state:?}"),
        reason: row.reason.clone(),
        note: note(row),
        target,
        idle: RouteIdle {
            stops_at: row.stops_at.map(from_micros),
            because: row.stops_because.clone(),
            costs: row.stops_costs.clone(),
            kept_until: row.kept_until.map(from_micros),
            run_until: row.run_until.map(from_micros),
        },
        token_sha256: row.token_sha256.clone(),
        shares: shares.iter().map(opens).collect(),
        revision: unsigned(row.revision),
    }
}

/// What its users are to know: of the files, and what is said of it while it runs, such as that it makes room for others.
fn note(row: &Model) -> String {
    let runs_on =
        view::state(row) == State::Running && view::wanted(row) == Wanted::Running && !row.restart;
    let told = [row.reason.as_str()].into_iter().filter(|_| runs_on);
    let told: Vec<_> = told
        .chain([row.files_note.as_str()])
        .filter(|words| !words.is_empty())
        .collect();
    told.join("; ")
}

fn opens(share: &share::Model) -> RouteShare {
    RouteShare {
        token_sha256: share.token_sha256.clone(),
        // What is not known opens the least.
        view_only: share.access != i32::from(ShareAccess::Use),
        expires_at: share.expires_at.map(from_micros),
    }
}

impl App {
    /// Writes the route, when the row is newer than what it was last written from.
    pub(super) async fn write_route(&self, id: &str) -> Result<()> {
        let row = Entity::find_by_id(id).one(self.database.reader()).await?;
        let stale = |row: &Model| row.deleted_at.is_none() && row.route_revision < row.revision;
        match row.filter(stale) {
            Some(row) => self.put_route(&row).await,
            None => Ok(()),
        }
    }

    async fn put_route(&self, row: &Model) -> Result<()> {
        let shares = in_force(self.database.reader(), &row.id, self.clock.now()).await?;
        self.routes.put(&route(row, &shares)).await?;
        // Not a change of the notebook: no revision, no event.
        Entity::update_many()
            .col_expr(Column::RouteRevision, Expr::value(row.revision))
            .filter(Column::Id.eq(&row.id))
            .filter(Column::RouteRevision.lt(row.revision))
            .exec(self.database.reader())
            .await?;
        Ok(())
    }

    /// Writes every route again that the bucket lacks or has older, and removes those of notebooks that are gone: after somebody
    /// wiped it, or two replicas wrote and removed at once.
    pub(crate) async fn compare_routes(&self, bus: &Bus) -> Result<()> {
        self.forget_shares().await?;
        self.forget_templates().await?;
        // A wiped server has no bucket any more: opening makes it. Read before the rows, so that no route is newer than they.
        let present = Routes::open(bus).await?.all().await?;
        let rows = Entity::find()
            .filter(Column::DeletedAt.is_null())
            .all(self.database.reader())
            .await?;
        let mut present: HashMap<String, u64> = present
            .into_iter()
            .map(|route| (route.id, route.revision))
            .collect();
        for row in rows {
            let found = present.remove(&row.id);
            if found.is_none_or(|revision| revision < unsigned(row.revision)) {
                self.put_route(&row).await?;
            }
        }
        let ours = |id: &String| id.parse::<NotebookId>().is_ok();
        for id in present.into_keys().filter(ours) {
            self.routes.remove(&id).await?;
        }
        Ok(())
    }
}
