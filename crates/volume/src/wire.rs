//! Between the domain and the contracts; used by calls and events.

use chassis::{Error, Result};
use contracts::scheduler::v1::{Attempt, AttemptEnd, AttemptState};
use contracts::to_wire_time;
use contracts::volume::v1 as wire;
use kernel::id::{AttemptId, ParseIdError};

use crate::domain::copy::FileCopy;
use crate::domain::quota::Fill;
use crate::domain::snapshot::{self, Snapshot};
use crate::domain::volume::{Attachment, State, Volume};

pub(crate) fn volume(volume: Volume) -> wire::Volume {
    let state = match volume.state {
        State::Ready => wire::VolumeState::Ready,
        State::Deleting => wire::VolumeState::Deleting,
        State::Deleted => wire::VolumeState::Deleted,
        State::Lost => wire::VolumeState::Lost,
    };
    let fill = match volume.space.fill {
        Fill::Room => wire::VolumeFill::Room,
        Fill::NearlyFull => wire::VolumeFill::NearlyFull,
        Fill::Full => wire::VolumeFill::Full,
    };
    wire::Volume {
        id: volume.id.into(),
        quota_bytes: volume.space.quota,
        used_bytes: volume.space.used,
        fill: fill.into(),
        shared: volume.shared,
        reason: volume.reason,
        owner_id: volume.owner,
        label: volume.label,
        copy_id: volume.copy.map(String::from).unwrap_or_default(),
        project_id: volume.project,
        team_id: volume.team.into(),
        node_id: volume.node.map(String::from).unwrap_or_default(),
        state: state.into(),
        attachment: volume.attachment.map(attachment),
        revision: volume.revision,
        created_at: Some(to_wire_time(volume.created_at)),
    }
}

pub(crate) fn snapshot(snapshot: Snapshot) -> wire::Snapshot {
    let state = match snapshot.state {
        snapshot::State::Making => wire::SnapshotState::Making,
        snapshot::State::Ready => wire::SnapshotState::Ready,
        snapshot::State::Failed => wire::SnapshotState::Failed,
        snapshot::State::Deleting => wire::SnapshotState::Deleting,
        snapshot::State::Deleted => wire::SnapshotState::Deleted,
    };
    wire::Snapshot {
        id: snapshot.id.into(),
        volume_id: snapshot.volume.into(),
        name: snapshot.name,
        state: state.into(),
        reason: snapshot.reason,
        bytes: snapshot.bytes,
        revision: snapshot.revision,
        created_at: Some(to_wire_time(snapshot.created_at)),
        team_id: snapshot.team.into(),
    }
}

pub(crate) fn file_copy(copy: FileCopy) -> wire::FileCopy {
    wire::FileCopy {
        id: copy.id.into(),
        from_id: copy.from.to_string(),
        to_id: copy.to.to_string(),
        keep_id: copy.keep.map(String::from).unwrap_or_default(),
    }
}

pub(crate) fn quota(volume: Volume) -> wire::VolumeQuota {
    wire::VolumeQuota {
        volume_id: volume.id.into(),
        quota_bytes: volume.space.quota,
    }
}

fn attachment(attachment: Attachment) -> wire::Attachment {
    wire::Attachment {
        attempt_id: attachment.attempt.into(),
        generation: attachment.generation,
    }
}

/// Reads an identifier; an error names the field.
pub(crate) fn read_id<T: std::str::FromStr<Err = ParseIdError>>(
    field: &'static str,
    text: &str,
) -> Result<T> {
    text.parse()
        .map_err(|error: ParseIdError| Error::invalid(field, error.to_string()))
}

pub(crate) fn read_attachment(attachment: Option<wire::Attachment>) -> Result<Attachment> {
    let asked = attachment
        .ok_or_else(|| Error::invalid("attachment", "is missing; say which attempt will write"))?;
    // What the database can count to.
    if i64::try_from(asked.generation).is_err() {
        return Err(Error::invalid(
            "attachment.generation",
            format!("is {}; at most {} is allowed", asked.generation, i64::MAX),
        ));
    }
    Ok(Attachment {
        attempt: read_id("attachment.attempt_id", &asked.attempt_id)?,
        generation: asked.generation,
    })
}

/// The attempt, when it is over for good: it can write no more.
pub(crate) fn read_ended(attempt: &Attempt) -> Result<Option<AttemptId>> {
    if attempt.state() != AttemptState::Ended || attempt.end() == AttemptEnd::Unspecified {
        return Ok(None);
    }
    read_id("attempt.id", &attempt.id).map(Some)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_end_that_is_named_releases() {
        let id = AttemptId::generate();
        let attempt = |state: AttemptState, end: AttemptEnd| Attempt {
            id: id.into(),
            state: state.into(),
            end: end.into(),
            ..Attempt::default()
        };
        let ended = |state, end| read_ended(&attempt(state, end)).unwrap();
        for end in [
            AttemptEnd::Completed,
            AttemptEnd::Failed,
            AttemptEnd::Preempted,
            AttemptEnd::Lost,
            AttemptEnd::Stopped,
        ] {
            assert_eq!(ended(AttemptState::Ended, end), Some(id));
            assert_eq!(ended(AttemptState::Stopping, end), None);
        }
        assert_eq!(ended(AttemptState::Ended, AttemptEnd::Unspecified), None);
        let strange = Attempt {
            id: "at-?".to_owned(),
            ..attempt(AttemptState::Ended, AttemptEnd::Lost)
        };
        assert!(read_ended(&strange).is_err());
    }
}
