//! Bringing the files of a template to a start that waits for them: as people copy files, through the edge. They are more than the
//! arguments of a command may be, and nothing that the scheduler should carry.

use std::time::Duration;

use chassis::{Error, Result};
use contracts::notebook::v1::NotebookState;
use futures::{StreamExt as _, stream};
use reqwest::{Method, StatusCode};
use sea_orm::sea_query::Expr;
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter};

use super::door::accepted;
use super::template::Content;
use super::{App, view};
use crate::domain::state::Wanted;
use crate::store::entity::{Column, Entity, Model};

/// Where a start waits for files (`place.sh`).
const PLACE: &str = ".quire/files?path=.quire/template";
/// Longest time that a node may take.
const WITHIN: Duration = Duration::from_secs(30);
/// Notebooks to which files are brought at once.
const AT_ONCE: usize = 4;

/// To which attempt of which start.
fn attempt(row: &Model) -> String {
    format!("{}/{}", row.workload_id, row.generation)
}

impl App {
    /// Brings their files to all starts that wait for them.
    pub(crate) async fn bring_all(&self) -> Result<()> {
        let mut rows = Entity::find()
            .filter(Column::DeletedAt.is_null())
            .filter(Column::Template.ne(""))
            .filter(Column::Furnished.eq(false))
            .filter(Column::Wanted.eq(view::wanted_number(Wanted::Running)))
            .filter(Column::State.eq(i32::from(NotebookState::Provisioned)))
            .all(self.database.reader())
            .await?;
        rows.retain(|row| row.brought != attempt(row));
        stream::iter(rows)
            .for_each_concurrent(AT_ONCE, |row| async move {
                if let Err(error) = self.bring(&row).await {
                    let error = chassis::error::chain(&error);
                    tracing::warn!(notebook = row.id, error, "bringing files; trying again");
                }
            })
            .await;
        Ok(())
    }

    async fn bring(&self, row: &Model) -> Result<()> {
        // The edge must know where the notebook is.
        self.write_route(&row.id).await?;
        let waits = self.at_door(row, Method::GET, PLACE, "", WITHIN).await?;
        if waits.status() == StatusCode::NOT_FOUND {
            return Ok(());
        }
        let what = "the files of the template cannot be brought";
        accepted(what, waits).await?;
        let Some(template) = self.template_of(row).await? else {
            return Ok(());
        };
        let now = self.clock.now().timestamp();
        let archive = pack(&self.contents(&template).await?, now)?;
        let taken = self
            .at_door(row, Method::PUT, PLACE, archive, WITHIN)
            .await?;
        accepted(what, taken).await?;
        // Nobody can see it: no revision, no event.
        Entity::update_many()
            .col_expr(Column::Brought, Expr::value(attempt(row)))
            .filter(Column::Id.eq(&row.id))
            .exec(self.database.reader())
            .await?;
        Ok(())
    }
}

/// The files in the folder `files`, and after them the sign that they are all there.
fn pack(files: &[Content], now: i64) -> Result<Vec<u8>> {
    let failed = |error| Error::internal("packing the files of a template", error);
    let mut archive = tar::Builder::new(Vec::new());
    let mut append = |path: &str, executable: bool, bytes: &[u8]| {
        let mut header = tar::Header::new_gnu();
        header.set_mode(if executable { 0o755 } else { 0o644 });
        header.set_mtime(u64::try_from(now).unwrap_or(0));
        header.set_size(bytes.len() as u64);
        archive.append_data(&mut header, path, bytes)
    };
    for file in files {
        let path = format!("files/{}", file.path);
        append(&path, file.executable, &file.bytes).map_err(failed)?;
    }
    append("ready", false, b"").map_err(failed)?;
    archive.into_inner().map_err(failed)
}
