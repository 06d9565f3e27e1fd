//! What nodes copy, and what becomes of it: a snapshot, restored files, the files of a fork.

use chassis::{Error, Result};
use kernel::id::{CopyId, NodeId, ProjectId, VolumeId};
use kernel::text;

use super::App;
use super::snapshot::usable;
use super::volume::{LONGEST_TEXT, not_found};
use crate::domain::copy::{FileCopy, Place};
use crate::domain::volume::{Change, Volume};
use crate::store::{copies, volumes};

/// Longest reason why a copy failed that is kept, in characters.
const LONGEST_FAILURE: usize = 300;

/// A volume that is to begin with the files of another.
pub(crate) struct Fork {
    pub(crate) source: VolumeId,
    /// Identifier or name of one of its snapshots; empty = its files as they are.
    pub(crate) snapshot: String,
    pub(crate) request_id: String,
    pub(crate) owner: String,
    pub(crate) project: String,
}

impl App {
    /// A new volume of the same team with a copy of another's files; the same request gives the same one.
    pub(crate) async fn fork(&self, asked: Fork) -> Result<Volume> {
        let request_id = text::name("request_id", &asked.request_id, LONGEST_TEXT)?;
        if !asked.project.is_empty() && asked.project.parse::<ProjectId>().is_err() {
            let problem = "is not the identifier of a project";
            return Err(Error::invalid("project_id", problem));
        }
        let id = asked.source;
        let transaction = self.database.begin().await?;
        let mut source = volumes::lock(&transaction, id)
            .await?
            .ok_or_else(|| not_found(id))?;
        if let Some(before) = volumes::requested(&transaction, source.team, &request_id).await? {
            return Ok(before);
        }
        let copy = CopyId::generate();
        let (from, node) = if asked.snapshot.is_empty() {
            source.check_at_rest()?;
            let node = source.begin_copy(copy)?;
            self.record(&transaction, &source, Change::Made).await?;
            (Place::Volume(id), node)
        } else {
            let snapshot = usable(&transaction, id, &asked.snapshot).await?;
            (Place::Snapshot(snapshot.id), snapshot.node)
        };
        let (team, quota) = (source.team, source.space.quota);
        let new =
            Volume::new(team, asked.project, asked.owner, quota, self.clock.now()).fork(node, copy);
        let made = volumes::insert_or_find(&transaction, &new, &request_id).await?;
        if made.id != new.id {
            return Ok(made);
        }
        let work = FileCopy {
            id: copy,
            node,
            from,
            to: Place::Volume(new.id),
            keep: None,
        };
        copies::insert(&transaction, &work).await?;
        self.publish(&transaction, &new).await?;
        self.commit(transaction).await?;
        Ok(new)
    }

    /// What a node has still to copy.
    pub(crate) async fn node_copies(&self, node: NodeId) -> Result<Vec<FileCopy>> {
        copies::on_node(self.database.reader(), node).await
    }

    /// A node has made a copy, or says in `failure` why it cannot. One that is over already changes nothing.
    pub(crate) async fn confirm_copy(
        &self,
        node: NodeId,
        id: CopyId,
        failure: &str,
        bytes: u64,
    ) -> Result<()> {
        let failure: String = failure.chars().take(LONGEST_FAILURE).collect();
        let bytes = bytes.min(i64::MAX.unsigned_abs());
        let transaction = self.database.begin().await?;
        // The volumes first, as everywhere: whoever holds them changes what is copied.
        let copied = volumes::lock_copied(&transaction, id).await?;
        let found = copies::find(&transaction, id).await?;
        let Some(copy) = found.filter(|copy| copy.node == node) else {
            return Ok(());
        };
        if let Some(snapshot) = copy.snapshot() {
            self.change_snapshot(&transaction, snapshot, |snapshot| {
                Ok(match failure.as_str() {
                    "" => snapshot.made(bytes),
                    why => snapshot.failed(why),
                })
            })
            .await?;
        }
        for mut volume in copied {
            let change = if copy.fork() == Some(volume.id) && !failure.is_empty() {
                volume.lose(&format!("its files could not be copied: {failure}"))
            } else {
                volume.end_copy(id)
            };
            self.record(&transaction, &volume, change).await?;
        }
        copies::remove(&transaction, id).await?;
        self.commit(transaction).await
    }
}
