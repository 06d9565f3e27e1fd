//! A volume: one attempt at most may write to it, it never leaves the node that it was first used on, and its files go only
//! when nobody can write to them. When its node is given up, the files are lost.

use chassis::{Error, Result};
use kernel::Timestamp;
use kernel::id::{AttemptId, NodeId, TeamId, VolumeId};

/// Where a volume is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    Ready,
    Deleting,
    Deleted,
    /// The files are gone with their node.
    Lost,
}

/// Who may write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Attachment {
    pub(crate) attempt: AttemptId,
    pub(crate) generation: u64,
}

/// A folder that persists.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Volume {
    pub(crate) id: VolumeId,
    pub(crate) team: TeamId,
    /// Project inside the team; empty = the whole team's.
    pub(crate) project: String,
    /// Where the files lie; `None` before the first attachment.
    pub(crate) node: Option<NodeId>,
    pub(crate) state: State,
    /// Why it is lost; empty otherwise.
    pub(crate) reason: String,
    pub(crate) attachment: Option<Attachment>,
    /// What uses it, such as a notebook; empty = nobody does.
    pub(crate) owner: String,
    /// Where kept files come from; empty before they were kept.
    pub(crate) label: String,
    pub(crate) revision: u64,
    pub(crate) created_at: Timestamp,
}

/// Whether a volume changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    /// It did: this must be written and told.
    Made,
    /// It was so already.
    None,
}

impl Volume {
    pub(crate) fn new(team: TeamId, project: String, owner: String, now: Timestamp) -> Self {
        Self {
            id: VolumeId::generate(),
            team,
            project,
            node: None,
            state: State::Ready,
            reason: String::new(),
            attachment: None,
            owner,
            label: String::new(),
            revision: 1,
            created_at: now,
        }
    }

    /// Notes who uses it.
    pub(crate) fn claim(&mut self, owner: &str) -> Result<Change> {
        if self.owner == owner {
            return Ok(Change::None);
        }
        let id = self.id;
        if !self.owner.is_empty() {
            let other = &self.owner;
            return Err(Error::Precondition(format!(
                "volume {id} is used by {other}"
            )));
        }
        match self.state {
            State::Ready => {
                owner.clone_into(&mut self.owner);
                Ok(self.changed())
            }
            State::Lost => Err(Error::Precondition(format!(
                "volume {id} is lost: {}; it can only be deleted",
                self.reason
            ))),
            State::Deleting | State::Deleted => Err(Error::Precondition(format!(
                "volume {id} is being deleted; its files cannot be used any more"
            ))),
        }
    }

    /// `owner` needs it no more: the files stay, with a word about where they come from.
    pub(crate) fn keep(&mut self, owner: &str, label: &str) -> Change {
        if self.owner != owner {
            return Change::None;
        }
        self.owner.clear();
        label.clone_into(&mut self.label);
        self.changed()
    }

    /// Refuses a person who would delete what somebody uses.
    pub(crate) fn check_unused(&self) -> Result<()> {
        if self.owner.is_empty() {
            return Ok(());
        }
        let (id, owner) = (self.id, &self.owner);
        Err(Error::Precondition(format!(
            "volume {id} holds the files of {owner}; delete that, and the files go with it"
        )))
    }

    /// Gives the volume to an attempt on `node`. The first one fixes where it lies.
    pub(crate) fn attach(&mut self, asked: Attachment, node: NodeId) -> Result<Change> {
        let id = self.id;
        match self.state {
            State::Ready => {}
            State::Lost => {
                let reason = &self.reason;
                return Err(Error::Precondition(format!(
                    "volume {id} is lost: {reason}; it can only be deleted"
                )));
            }
            State::Deleting | State::Deleted => {
                return Err(Error::Precondition(format!(
                    "volume {id} is being deleted; nothing can be attached to it"
                )));
            }
        }
        if let Some(lies_on) = self.node.filter(|lies_on| *lies_on != node) {
            return Err(Error::Precondition(format!(
                "volume {id} lies on node {lies_on}, not on {node}; place the attempt there"
            )));
        }
        match self.attachment {
            Some(held) if held == asked => return Ok(Change::None),
            Some(Attachment {
                attempt,
                generation,
            }) => {
                return Err(Error::Precondition(format!(
                    "volume {id} is attached to attempt {attempt} (generation {generation}); wait until that has ended"
                )));
            }
            None => {}
        }
        self.node = Some(node);
        self.attachment = Some(asked);
        Ok(self.changed())
    }

    /// Takes the volume back from an attempt that has ended; another attachment stays.
    pub(crate) fn detach(&mut self, attempt: AttemptId) -> Change {
        match self.attachment {
            Some(held) if held.attempt == attempt => {
                self.attachment = None;
                self.changed()
            }
            _ => Change::None,
        }
    }

    /// Its node was given up: whoever may have written there never will again, and the files are gone. What was to be deleted
    /// is deleted by that.
    pub(crate) fn lose(&mut self, reason: &str) -> Change {
        match self.state {
            State::Ready if self.node.is_some() => {
                self.state = State::Lost;
                reason.clone_into(&mut self.reason);
                self.attachment = None;
                self.changed()
            }
            State::Deleting => {
                self.state = State::Deleted;
                self.changed()
            }
            State::Ready | State::Deleted | State::Lost => Change::None,
        }
    }

    /// Marks it for deletion. Files that were never made, or are lost, are gone at once.
    pub(crate) fn delete(&mut self) -> Result<Change> {
        if let Some(held) = self.attachment {
            let (id, attempt) = (self.id, held.attempt);
            return Err(Error::Precondition(format!(
                "volume {id} is attached to attempt {attempt}; stop that first"
            )));
        }
        self.state = match (self.state, self.node) {
            (State::Deleting | State::Deleted, _) => return Ok(Change::None),
            (State::Ready, Some(_)) => State::Deleting,
            (State::Ready, None) | (State::Lost, _) => State::Deleted,
        };
        Ok(self.changed())
    }

    /// Its node has removed the files.
    pub(crate) fn confirm_deletion(&mut self) -> Result<Change> {
        match self.state {
            State::Ready | State::Lost => Err(Error::Precondition(format!(
                "volume {} is not marked for deletion; keep its files",
                self.id
            ))),
            State::Deleted => Ok(Change::None),
            State::Deleting => {
                self.state = State::Deleted;
                Ok(self.changed())
            }
        }
    }

    fn changed(&mut self) -> Change {
        self.revision += 1;
        Change::Made
    }
}

#[cfg(test)]
mod tests {
    use kernel::time::from_micros;
    use proptest::prelude::*;

    use super::*;

    fn volume() -> Volume {
        Volume::new(
            TeamId::generate(),
            String::new(),
            String::new(),
            from_micros(1),
        )
    }

    fn attempt() -> Attachment {
        Attachment {
            attempt: AttemptId::generate(),
            generation: 1,
        }
    }

    #[test]
    fn one_owner_at_a_time_and_what_is_kept_can_be_claimed() {
        let mut volume = volume();
        assert!(volume.check_unused().is_ok());
        assert_eq!(volume.claim("nb-1").unwrap(), Change::Made);
        assert_eq!(volume.claim("nb-1").unwrap(), Change::None);
        for refused in [
            volume.claim("nb-2").unwrap_err(),
            volume.check_unused().unwrap_err(),
        ] {
            assert!(
                refused.to_string().contains("nb-1"),
                "the owner is named: {refused}"
            );
        }
        assert_eq!(volume.keep("nb-2", "not theirs"), Change::None);
        assert_eq!(volume.keep("nb-1", "files of first"), Change::Made);
        assert_eq!(
            (volume.owner.as_str(), volume.label.as_str()),
            ("", "files of first")
        );
        assert_eq!(volume.keep("nb-1", "again"), Change::None);
        assert_eq!(volume.claim("nb-2").unwrap(), Change::Made);
    }

    #[test]
    fn what_goes_cannot_be_claimed() {
        let mut deleted = volume();
        deleted.delete().unwrap();
        assert!(deleted.claim("nb-1").is_err());
        let mut lost = volume();
        lost.attach(attempt(), NodeId::generate()).unwrap();
        lost.lose("its node was given up");
        let refused = lost.claim("nb-1").unwrap_err().to_string();
        assert!(refused.contains("its node was given up"), "{refused}");
    }

    #[test]
    fn one_attempt_at_a_time_on_one_node() {
        let (mut volume, node) = (volume(), NodeId::generate());
        let (one, two) = (attempt(), attempt());
        assert_eq!(volume.attach(one, node).unwrap(), Change::Made);
        assert_eq!(volume.attach(one, node).unwrap(), Change::None);
        let refused = volume.attach(two, node).unwrap_err().to_string();
        assert!(
            refused.contains(&one.attempt.to_string()),
            "the holder is named: {refused}"
        );
        let newer = Attachment {
            generation: 2,
            ..one
        };
        assert!(volume.attach(newer, node).is_err());

        assert_eq!(volume.detach(two.attempt), Change::None);
        assert_eq!(volume.detach(one.attempt), Change::Made);
        let elsewhere = volume
            .attach(two, NodeId::generate())
            .unwrap_err()
            .to_string();
        assert!(elsewhere.contains(&node.to_string()), "{elsewhere}");
        assert_eq!(volume.attach(two, node).unwrap(), Change::Made);
    }

    #[test]
    fn files_go_when_nobody_writes() {
        let (mut volume, one, node) = (volume(), attempt(), NodeId::generate());
        assert!(volume.confirm_deletion().is_err());
        volume.attach(one, node).unwrap();
        assert!(
            volume
                .delete()
                .unwrap_err()
                .to_string()
                .contains(&one.attempt.to_string())
        );
        volume.detach(one.attempt);
        assert_eq!(
            (volume.delete().unwrap(), volume.state),
            (Change::Made, State::Deleting)
        );
        assert_eq!(volume.delete().unwrap(), Change::None);
        assert!(volume.attach(one, node).is_err());
        assert_eq!(
            (volume.confirm_deletion().unwrap(), volume.state),
            (Change::Made, State::Deleted)
        );
        assert_eq!(volume.confirm_deletion().unwrap(), Change::None);
        assert_eq!(volume.delete().unwrap(), Change::None);
    }

    #[test]
    fn files_that_were_never_made_are_gone_at_once() {
        let mut volume = volume();
        assert_eq!(
            (volume.delete().unwrap(), volume.state),
            (Change::Made, State::Deleted)
        );
    }

    #[test]
    fn files_are_lost_with_their_node_and_nothing_else() {
        let (mut volume, one, node) = (volume(), attempt(), NodeId::generate());
        assert_eq!(volume.lose("gone"), Change::None, "it has no files yet");
        volume.attach(one, node).unwrap();
        assert_eq!(volume.lose("its node was given up"), Change::Made);
        assert_eq!((volume.state, volume.attachment), (State::Lost, None));
        assert_eq!(volume.lose("again"), Change::None);
        let refused = volume.attach(one, node).unwrap_err().to_string();
        assert!(refused.contains("its node was given up"), "{refused}");
        assert!(volume.confirm_deletion().is_err());
        assert_eq!(
            (volume.delete().unwrap(), volume.state),
            (Change::Made, State::Deleted),
            "nobody is left to remove the files"
        );

        let mut going = self::volume();
        going.attach(one, node).unwrap();
        going.detach(one.attempt);
        going.delete().unwrap();
        assert_eq!(
            (going.lose("gone"), going.state),
            (Change::Made, State::Deleted)
        );
    }

    #[derive(Clone, Copy, Debug)]
    enum Step {
        Attach(usize, usize),
        Detach(usize),
        Delete,
        Confirm,
        Lose,
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let step = prop_oneof![
            4 => (0_usize..4, 0_usize..2).prop_map(|(attempt, node)| Step::Attach(attempt, node)),
            4 => (0_usize..4).prop_map(Step::Detach),
            1 => Just(Step::Delete),
            1 => Just(Step::Confirm),
            1 => Just(Step::Lose),
        ];
        prop::collection::vec(step, 1..60)
    }

    proptest! {
        /// Whatever is asked in whatever order.
        #[test]
        fn the_rules_hold(steps in steps()) {
            let attempts: Vec<_> = (0..4).map(|_| attempt()).collect();
            let nodes = [NodeId::generate(), NodeId::generate()];
            let mut volume = volume();
            for step in steps {
                let before = volume.clone();
                let change = match step {
                    Step::Attach(attempt, node) => volume.attach(attempts[attempt], nodes[node]),
                    Step::Detach(attempt) => Ok(volume.detach(attempts[attempt].attempt)),
                    Step::Delete => volume.delete(),
                    Step::Confirm => volume.confirm_deletion(),
                    Step::Lose => Ok(volume.lose("its node was given up")),
                };
                match change {
                    Ok(Change::Made) => prop_assert_eq!(volume.revision, before.revision + 1),
                    Ok(Change::None) | Err(_) => prop_assert_eq!(&volume, &before),
                }
                prop_assert!(before.node.is_none() || volume.node == before.node, "it moved");
                let taken = before.attachment.is_some() && volume.attachment.is_some();
                prop_assert!(!taken || volume.attachment == before.attachment, "the writer changed without an end");
                prop_assert!(volume.attachment.is_none() || volume.state == State::Ready, "a writer on files that go");
                prop_assert!(volume.attachment.is_none() || volume.node.is_some());
                let rose = before.state == State::Lost && volume.state == State::Ready;
                prop_assert!(!rose, "lost files came back");
                prop_assert_eq!(volume.reason.is_empty(), volume.state != State::Lost && before.reason.is_empty());
            }
        }
    }
}
