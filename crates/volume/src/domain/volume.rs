//! A volume: one attempt at most may write to it, it never leaves the node that it was first used on, and its files go only
//! when nobody can write to them. When its node is given up, the files are lost.

use chassis::{Error, Result};
use kernel::Timestamp;
use kernel::id::{AttemptId, CopyId, NodeId, TeamId, VolumeId};

use super::quota::Space;

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
    /// What copies from it or to it; nothing is attached meanwhile.
    pub(crate) copy: Option<CopyId>,
    /// How much its files take, and may.
    pub(crate) space: Space,
    /// Its team shares it: it is shown to many, and attached to none.
    pub(crate) shared: bool,
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
    /// `quota` in bytes; 0 = none.
    pub(crate) fn new(
        team: TeamId,
        project: String,
        owner: String,
        quota: u64,
        now: Timestamp,
    ) -> Self {
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
            copy: None,
            space: Space::new(quota),
            shared: false,
            revision: 1,
            created_at: now,
        }
    }

    /// A volume that begins with a copy of files on `node`.
    pub(crate) fn fork(self, node: NodeId, copy: CopyId) -> Self {
        Self {
            node: Some(node),
            copy: Some(copy),
            ..self
        }
    }

    /// Whether a copy could begin, or will be able to soon: it waits for its turn while somebody writes or copies.
    pub(crate) fn check_at_rest(&self) -> Result<()> {
        let id = self.id;
        if self.attachment.is_some() {
            let why = format!("volume {id} is in use; it is copied when its notebook has stopped");
            return Err(Error::Unavailable(why));
        }
        if self.copy.is_some() {
            let why = format!("volume {id} is being copied already; it is copied again after that");
            return Err(Error::Unavailable(why));
        }
        Ok(())
    }

    /// What a team shares on `node`.
    pub(crate) fn of_team(team: TeamId, node: NodeId, quota: u64, now: Timestamp) -> Self {
        Self {
            shared: true,
            node: Some(node),
            ..Self::new(team, String::new(), String::new(), quota, now)
        }
    }

    /// Refuses what only one workload's own files are for.
    fn check_own(&self) -> Result<()> {
        if self.shared {
            return Err(Error::Precondition(format!(
                "volume {} is shared by its team; it is used at /storage, and not by one notebook",
                self.id
            )));
        }
        Ok(())
    }

    /// Lets its node copy from it or to it; where its files lie.
    pub(crate) fn begin_copy(&mut self, copy: CopyId) -> Result<NodeId> {
        let id = self.id;
        let refused = |why: String| Err(Error::Precondition(format!("volume {id} {why}")));
        self.check_own()?;
        if let Some(held) = self.attachment {
            return refused(format!(
                "is attached to attempt {}; stop the notebook first",
                held.attempt
            ));
        }
        if self.copy.is_some() {
            return refused("is being copied already; wait until that is done".to_owned());
        }
        match (self.state, self.node) {
            (State::Ready, Some(node)) => {
                self.copy = Some(copy);
                self.changed();
                Ok(node)
            }
            (State::Ready, None) => refused("has no files yet; start the notebook once".to_owned()),
            (State::Lost, _) => refused(format!("is lost: {}", self.reason)),
            (State::Deleting | State::Deleted, _) => refused("is being deleted".to_owned()),
        }
    }

    /// That copy is over.
    pub(crate) fn end_copy(&mut self, copy: CopyId) -> Change {
        if self.copy != Some(copy) {
            return Change::None;
        }
        self.copy = None;
        self.changed()
    }

    /// Notes who uses it.
    pub(crate) fn claim(&mut self, owner: &str) -> Result<Change> {
        self.check_own()?;
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
        self.check_own()?;
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
        if self.copy.is_some() {
            return Err(Error::Precondition(format!(
                "the files of volume {id} are being copied; what is to be attached waits until that is done"
            )));
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
                self.copy = None;
                self.changed()
            }
            State::Deleting => {
                self.state = State::Deleted;
                self.copy = None;
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

    /// Changes how much its files may take.
    pub(crate) fn resize(&mut self, quota: u64) -> Result<Change> {
        match self.state {
            State::Ready => {}
            State::Lost | State::Deleting | State::Deleted => {
                let id = self.id;
                return Err(Error::Precondition(format!(
                    "volume {id} has no files any more; there is nothing to resize"
                )));
            }
        }
        if quota == self.space.quota {
            return Ok(Change::None);
        }
        self.space.resize(quota)?;
        Ok(self.changed())
    }

    /// Its node says how much its files take. Only what is to be told of that is a change: all else is written without a word.
    pub(crate) fn measure(&mut self, used: u64) -> Change {
        if self.state == State::Ready && self.space.measure(used) {
            return self.changed();
        }
        Change::None
    }

    fn changed(&mut self) -> Change {
        self.revision += 1;
        Change::Made
    }
}

#[cfg(test)]
mod tests;
