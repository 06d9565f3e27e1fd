//! Snapshots, as people make, restore and delete them. Their node does the work: here it is only written down.

use chassis::auth::{Principal, User};
use chassis::{Error, Result};
use contracts::common::v1::Role;
use contracts::volume::v1::SnapshotChanged;
use kernel::id::{CopyId, SnapshotId, VolumeId};
use sea_orm::DatabaseTransaction;

use super::App;
use super::volume::{LONGEST_TEXT, not_found};
use crate::domain::copy::{FileCopy, Place};
use crate::domain::snapshot::{Snapshot, kept_name, name};
use crate::domain::volume::{Change, Volume};
use crate::store::{copies, snapshots, volumes};
use crate::wire;

/// What is to become of a volume's files.
enum Wish<'a> {
    /// A snapshot of this name.
    Keep(&'a str),
    /// This snapshot is to be in their place.
    Restore(&'a str),
}

impl App {
    /// Asks for a snapshot of a volume, once per request. To a service that it must wait is said as such.
    pub(crate) async fn create_snapshot(
        &self,
        caller: &Principal,
        id: VolumeId,
        name: &str,
        request_id: &str,
    ) -> Result<Snapshot> {
        self.copy_for(caller, id, Wish::Keep(name), request_id)
            .await
    }

    /// Asks for a snapshot in the place of a volume's files, once per request; what is kept of those.
    pub(crate) async fn restore_snapshot(
        &self,
        caller: &Principal,
        id: VolumeId,
        snapshot: &str,
        request_id: &str,
    ) -> Result<Snapshot> {
        self.copy_for(caller, id, Wish::Restore(snapshot), request_id)
            .await
    }

    async fn copy_for(
        &self,
        caller: &Principal,
        id: VolumeId,
        wish: Wish<'_>,
        request_id: &str,
    ) -> Result<Snapshot> {
        if request_id.chars().count() > LONGEST_TEXT {
            let problem = format!("must have at most {LONGEST_TEXT} characters");
            return Err(Error::invalid("request_id", problem));
        }
        if let Principal::User(user) = caller {
            self.check_member(user, id).await?;
        }
        let now = self.clock.now();
        let (kind, name) = match wish {
            Wish::Keep(asked) => ("create", name(asked, now)?),
            Wish::Restore(_) => ("restore", kept_name(now)),
        };
        let transaction = self.database.begin().await?;
        let mut volume = lock(&transaction, id).await?;
        let copy = CopyId::generate();
        let request = match request_id {
            "" => copy.to_string(),
            given => format!("{kind}/{given}"),
        };
        if let Some(before) = snapshots::requested(&transaction, id, &request).await? {
            return Ok(before);
        }
        if snapshots::named(&transaction, id, &name).await?.is_some() {
            return Err(Error::Conflict(format!(
                "volume {id} has a snapshot named {name:?} already; choose another name"
            )));
        }
        let source = match wish {
            Wish::Keep(_) => None,
            Wish::Restore(wanted) => Some(usable(&transaction, id, wanted).await?),
        };
        if matches!(caller, Principal::Service(_)) {
            volume.check_at_rest()?;
        }
        let node = volume.begin_copy(copy)?;
        let made = Snapshot::new(&volume, node, name, now);
        let (from, to, keep) = match source {
            None => (Place::Volume(id), Place::Snapshot(made.id), None),
            Some(source) => (Place::Snapshot(source.id), Place::Volume(id), Some(made.id)),
        };
        let work = FileCopy {
            id: copy,
            node,
            from,
            to,
            keep,
        };
        copies::insert(&transaction, &work).await?;
        snapshots::insert(&transaction, &made, &request).await?;
        self.record(&transaction, &volume, Change::Made).await?;
        self.tell_snapshot(&transaction, &made).await?;
        self.commit(transaction).await?;
        Ok(made)
    }

    /// Snapshots of a volume that the caller sees.
    pub(crate) async fn snapshots(
        &self,
        caller: &Principal,
        id: VolumeId,
    ) -> Result<Vec<Snapshot>> {
        self.get(caller, id).await?;
        snapshots::of_volume(self.database.reader(), id).await
    }

    /// Marks a snapshot for deletion.
    pub(crate) async fn delete_snapshot(
        &self,
        user: &User,
        id: VolumeId,
        wanted: &str,
    ) -> Result<Snapshot> {
        self.check_member(user, id).await?;
        let transaction = self.database.begin().await?;
        lock(&transaction, id).await?;
        let mut snapshot = find(&transaction, id, wanted).await?;
        let change = snapshot.delete()?;
        self.record_snapshot(&transaction, &snapshot, change)
            .await?;
        self.commit(transaction).await?;
        Ok(snapshot)
    }

    /// All snapshots of a locked volume change as `change` says.
    pub(super) async fn each_snapshot(
        &self,
        transaction: &DatabaseTransaction,
        volume: VolumeId,
        change: impl Fn(&mut Snapshot) -> Change + Send,
    ) -> Result<()> {
        loop {
            let mut changed = false;
            for mut snapshot in snapshots::of_volume(transaction, volume).await? {
                let change = change(&mut snapshot);
                changed |= change == Change::Made;
                self.record_snapshot(transaction, &snapshot, change).await?;
            }
            if !changed {
                return Ok(());
            }
        }
    }

    /// Writes what changed in a snapshot, and tells the others.
    pub(super) async fn record_snapshot(
        &self,
        transaction: &DatabaseTransaction,
        snapshot: &Snapshot,
        change: Change,
    ) -> Result<()> {
        if change == Change::Made {
            snapshots::update(transaction, snapshot).await?;
            self.tell_snapshot(transaction, snapshot).await?;
        }
        Ok(())
    }

    async fn tell_snapshot(
        &self,
        transaction: &DatabaseTransaction,
        snapshot: &Snapshot,
    ) -> Result<()> {
        let event = SnapshotChanged {
            snapshot: Some(wire::snapshot(snapshot.clone())),
        };
        let team = snapshot.team.to_string();
        self.outbox
            .append(
                transaction,
                &event,
                &snapshot.volume.to_string(),
                Some(&team),
            )
            .await
    }

    /// Refuses who is not a member where the volume is.
    async fn check_member(&self, user: &User, id: VolumeId) -> Result<()> {
        let seen = self.get(&Principal::User(user.clone()), id).await?;
        user.require_in(&seen.project, Role::Member)
    }

    /// Locks a snapshot, lets `change` decide, writes and tells what it changed.
    pub(super) async fn change_snapshot(
        &self,
        transaction: &DatabaseTransaction,
        id: SnapshotId,
        change: impl FnOnce(&mut Snapshot) -> Result<Change> + Send,
    ) -> Result<()> {
        let found = snapshots::lock(transaction, id).await?;
        let mut snapshot = found.ok_or_else(|| Error::not_found("snapshot", &id.to_string()))?;
        let change = change(&mut snapshot)?;
        self.record_snapshot(transaction, &snapshot, change).await
    }
}

async fn lock(transaction: &DatabaseTransaction, id: VolumeId) -> Result<Volume> {
    volumes::lock(transaction, id)
        .await?
        .ok_or_else(|| not_found(id))
}

async fn find(transaction: &DatabaseTransaction, id: VolumeId, wanted: &str) -> Result<Snapshot> {
    snapshots::named(transaction, id, wanted)
        .await?
        .ok_or_else(|| Error::not_found("snapshot", &format!("{id}@{wanted}")))
}

/// A whole snapshot of a locked volume, by identifier or name.
pub(super) async fn usable(
    transaction: &DatabaseTransaction,
    id: VolumeId,
    wanted: &str,
) -> Result<Snapshot> {
    let snapshot = find(transaction, id, wanted).await?;
    snapshot.check_ready()?;
    Ok(snapshot)
}
