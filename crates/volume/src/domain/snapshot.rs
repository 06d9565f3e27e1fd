//! A snapshot: what the files of a volume were at one moment. It is whole or it is not there, and goes with its volume.

use chassis::{Error, Result};
use kernel::Timestamp;
use kernel::id::{NodeId, SnapshotId, TeamId, VolumeId};
use kernel::text;

use super::volume::{Change, Volume};

/// Longest name, in characters.
const LONGEST_NAME: usize = 100;

/// Where a snapshot is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// Its node copies the files.
    Making,
    Ready,
    /// It could not be made.
    Failed,
    Deleting,
    Deleted,
}

/// What files were at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Snapshot {
    pub(crate) id: SnapshotId,
    pub(crate) volume: VolumeId,
    pub(crate) team: TeamId,
    /// Where its files lie: with those of the volume.
    pub(crate) node: NodeId,
    pub(crate) name: String,
    pub(crate) state: State,
    /// Why it could not be made; empty otherwise.
    pub(crate) reason: String,
    pub(crate) bytes: u64,
    pub(crate) revision: u64,
    pub(crate) created_at: Timestamp,
}

/// The name of a snapshot as it was asked for; one of the moment when none was.
pub(crate) fn name(asked: &str, now: Timestamp) -> Result<String> {
    if asked.is_empty() {
        return Ok(format!("at-{}", moment(now)));
    }
    let name = text::name("name", asked, LONGEST_NAME)?;
    if name.contains('@') {
        return Err(Error::invalid(
            "name",
            format!("{name:?} has an \"@\", which parts a volume from its snapshot; leave it out"),
        ));
    }
    Ok(name)
}

/// The name of what a restore keeps.
pub(crate) fn kept_name(now: Timestamp) -> String {
    format!("before-restore-{}", moment(now))
}

fn moment(now: Timestamp) -> String {
    now.format("%Y%m%d-%H%M%S-%3f").to_string()
}

impl Snapshot {
    /// One of a volume that lies on `node`, which is still to be made.
    pub(crate) fn new(volume: &Volume, node: NodeId, name: String, now: Timestamp) -> Self {
        Self {
            id: SnapshotId::generate(),
            volume: volume.id,
            team: volume.team,
            node,
            name,
            state: State::Making,
            reason: String::new(),
            bytes: 0,
            revision: 1,
            created_at: now,
        }
    }

    /// Refuses to use what is not whole.
    pub(crate) fn check_ready(&self) -> Result<()> {
        let why = match self.state {
            State::Ready => return Ok(()),
            State::Making => "is still being made; wait until it is ready".to_owned(),
            State::Failed => format!("could not be made: {}", self.reason),
            State::Deleting | State::Deleted => "is being deleted".to_owned(),
        };
        Err(Error::Precondition(format!("snapshot {} {why}", self.name)))
    }

    /// Its node has made it. One that is to be deleted by now stays so.
    pub(crate) fn made(&mut self, bytes: u64) -> Change {
        if self.state != State::Making {
            return Change::None;
        }
        self.bytes = bytes;
        self.become_(State::Ready)
    }

    /// Its node could not make it.
    pub(crate) fn failed(&mut self, reason: &str) -> Change {
        if self.state != State::Making {
            return Change::None;
        }
        reason.clone_into(&mut self.reason);
        self.become_(State::Failed)
    }

    /// A person wants it gone.
    pub(crate) fn delete(&mut self) -> Result<Change> {
        if self.state == State::Making {
            return self.check_ready().map(|()| Change::None);
        }
        Ok(self.go())
    }

    /// It goes with its volume, made or not.
    pub(crate) fn go(&mut self) -> Change {
        match self.state {
            State::Making | State::Ready | State::Failed => self.become_(State::Deleting),
            State::Deleting | State::Deleted => Change::None,
        }
    }

    /// Its files are lost with their node.
    pub(crate) fn lose(&mut self) -> Change {
        match self.state {
            State::Deleted => Change::None,
            _ => self.become_(State::Deleted),
        }
    }

    /// Its node has removed the files.
    pub(crate) fn confirm_deletion(&mut self) -> Result<Change> {
        match self.state {
            State::Deleting => Ok(self.become_(State::Deleted)),
            State::Deleted => Ok(Change::None),
            State::Making | State::Ready | State::Failed => Err(Error::Precondition(format!(
                "snapshot {} is not marked for deletion; keep its files",
                self.id
            ))),
        }
    }

    fn become_(&mut self, state: State) -> Change {
        self.state = state;
        self.revision += 1;
        Change::Made
    }
}

#[cfg(test)]
mod tests {
    use kernel::time::from_micros;
    use proptest::prelude::*;

    use super::*;

    fn snapshot() -> Snapshot {
        let now = from_micros(1_700_000_000_000_000);
        let volume = Volume::new(TeamId::generate(), String::new(), String::new(), 0, now);
        Snapshot::new(&volume, NodeId::generate(), "one".to_owned(), now)
    }

    #[test]
    fn a_name_is_made_up_and_never_parts() {
        let now = from_micros(1_700_000_000_123_456);
        assert_eq!(name("", now).unwrap(), "at-20231114-221320-123");
        assert_eq!(kept_name(now), "before-restore-20231114-221320-123");
        assert_eq!(name("before trial", now).unwrap(), "before trial");
        let refused = name("a@b", now).unwrap_err().to_string();
        assert!(
            refused.contains("a@b") && refused.contains("leave it out"),
            "{refused}"
        );
        assert!(name(&"x".repeat(101), now).is_err());
    }

    #[test]
    fn only_what_is_whole_is_used_and_what_failed_says_why() {
        let mut made = snapshot();
        assert!(made.check_ready().is_err());
        assert!(
            made.delete().is_err(),
            "its node would make it after it was gone"
        );
        assert_eq!(made.made(7), Change::Made);
        assert!(made.check_ready().is_ok());
        assert_eq!(made.failed("late"), Change::None);
        let mut failed = snapshot();
        failed.failed("no space is left");
        let refused = failed.check_ready().unwrap_err().to_string();
        assert!(refused.contains("no space is left"), "{refused}");
        assert_eq!(failed.delete().unwrap(), Change::Made);
    }

    #[derive(Clone, Copy, Debug)]
    enum Step {
        Made,
        Failed,
        Delete,
        Go,
        Lose,
        Confirm,
    }

    proptest! {
        /// Whatever is asked in whatever order: it never comes back, and files are not removed that nobody gave up.
        #[test]
        fn a_life_has_one_direction(steps in prop::collection::vec(prop_oneof![
            Just(Step::Made), Just(Step::Failed), Just(Step::Delete), Just(Step::Go), Just(Step::Lose), Just(Step::Confirm),
        ], 1..20)) {
            let mut snapshot = snapshot();
            let order = |state| match state {
                State::Making => 0,
                State::Ready | State::Failed => 1,
                State::Deleting => 2,
                State::Deleted => 3,
            };
            for step in steps {
                let before = snapshot.clone();
                let change = match step {
                    Step::Made => Ok(snapshot.made(1)),
                    Step::Failed => Ok(snapshot.failed("no")),
                    Step::Delete => snapshot.delete(),
                    Step::Go => Ok(snapshot.go()),
                    Step::Lose => Ok(snapshot.lose()),
                    Step::Confirm => snapshot.confirm_deletion(),
                };
                match change {
                    Ok(Change::Made) => {
                        prop_assert_eq!(snapshot.revision, before.revision + 1);
                        prop_assert!(order(snapshot.state) > order(before.state));
                    }
                    Ok(Change::None) | Err(_) => prop_assert_eq!(&snapshot, &before),
                }
                let confirmed = matches!(step, Step::Confirm) && snapshot.state == State::Deleted;
                prop_assert!(!confirmed || matches!(before.state, State::Deleting | State::Deleted));
            }
        }
    }
}
