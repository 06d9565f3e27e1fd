//! What a node copies: a volume or a snapshot of one, to a folder that is not there yet, or in the place of one that is kept.

use std::fmt;
use std::str::FromStr;

use kernel::id::{CopyId, NodeId, ParseIdError, SnapshotId, VolumeId};

/// A folder on a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    Volume(VolumeId),
    Snapshot(SnapshotId),
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Volume(id) => id.fmt(f),
            Self::Snapshot(id) => id.fmt(f),
        }
    }
}

impl FromStr for Place {
    type Err = ParseIdError;

    fn from_str(text: &str) -> Result<Self, ParseIdError> {
        match text.parse() {
            Ok(id) => Ok(Self::Snapshot(id)),
            Err(_) => text.parse().map(Self::Volume),
        }
    }
}

/// One copying of files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FileCopy {
    pub(crate) id: CopyId,
    pub(crate) node: NodeId,
    pub(crate) from: Place,
    pub(crate) to: Place,
    /// What lies at `to` becomes this; `None` = nothing lies there.
    pub(crate) keep: Option<SnapshotId>,
}

impl FileCopy {
    /// The snapshot whose making this is: a new one, or what a restore keeps.
    pub(crate) fn snapshot(&self) -> Option<SnapshotId> {
        match self.to {
            Place::Snapshot(id) => Some(id),
            Place::Volume(_) => self.keep,
        }
    }

    /// The volume that begins with these files.
    pub(crate) fn fork(&self) -> Option<VolumeId> {
        match (self.to, self.keep) {
            (Place::Volume(id), None) => Some(id),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_read_as_they_are_written() {
        for place in [
            Place::Volume(VolumeId::generate()),
            Place::Snapshot(SnapshotId::generate()),
        ] {
            assert_eq!(place.to_string().parse(), Ok(place));
        }
        assert!(NodeId::generate().to_string().parse::<Place>().is_err());
    }

    #[test]
    fn a_copy_is_a_snapshot_a_restore_or_a_fork() {
        let (volume, made, kept) = (
            Place::Volume(VolumeId::generate()),
            SnapshotId::generate(),
            SnapshotId::generate(),
        );
        let copy = |from, to, keep| FileCopy {
            id: CopyId::generate(),
            node: NodeId::generate(),
            from,
            to,
            keep,
        };
        let snapshot = copy(volume, Place::Snapshot(made), None);
        assert_eq!((snapshot.snapshot(), snapshot.fork()), (Some(made), None));
        let restore = copy(Place::Snapshot(made), volume, Some(kept));
        assert_eq!((restore.snapshot(), restore.fork()), (Some(kept), None));
        let new = VolumeId::generate();
        let fork = copy(volume, Place::Volume(new), None);
        assert_eq!((fork.snapshot(), fork.fork()), (None, Some(new)));
    }
}
