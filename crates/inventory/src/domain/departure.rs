//! How a node goes out of use: drained, given up when it is silent for good, and off the list.

use chassis::{Error, Result};
use chrono::TimeDelta;
use kernel::Timestamp;

use super::node::{Liveness, Node, Schedulable};

/// Longest time that a drain waits before it stops what is left.
const LONGEST_DRAIN: TimeDelta = TimeDelta::days(30);

impl Node {
    /// Checks that it may still speak: a node that was given up or left the list never does again.
    pub(crate) fn check_may_speak(&self) -> Result<()> {
        if self.given_up_at.is_none() && self.deleted_at.is_none() {
            return Ok(());
        }
        Err(Error::GivenUp {
            node: self.id.to_string(),
        })
    }

    /// Changes whether it takes work, and for a drain until when what runs there may stay; whether that is a change.
    pub(crate) fn set_schedulable(
        &mut self,
        schedulable: Schedulable,
        drain_deadline_at: Option<Timestamp>,
    ) -> Result<bool> {
        if self.given_up_at.is_some() {
            let name = &self.name;
            return Err(Error::Precondition(format!(
                "node {name} was given up; delete it, and join the machine anew if it lives"
            )));
        }
        let drain_deadline_at = drain_deadline_at.filter(|_| schedulable == Schedulable::Draining);
        if (self.schedulable, self.drain_deadline_at) == (schedulable, drain_deadline_at) {
            return Ok(false);
        }
        self.schedulable = schedulable;
        self.drain_deadline_at = drain_deadline_at;
        self.revision += 1;
        Ok(true)
    }

    /// Gives it up; whether that is a change. A node that answers is not lost.
    pub(crate) fn give_up(&mut self, now: Timestamp) -> Result<bool> {
        if self.given_up_at.is_some() {
            return Ok(false);
        }
        if self.liveness == Liveness::Ready {
            let name = &self.name;
            return Err(Error::Precondition(format!(
                "node {name} answers; only a silent node can be given up. To take it out of use, drain it and delete it"
            )));
        }
        self.given_up_at = Some(now);
        self.drain_deadline_at = None;
        self.revision += 1;
        Ok(true)
    }

    /// Takes it off the list, if it is as it was at `revision`; whether that is a change. Its name becomes free.
    pub(crate) fn delete(&mut self, revision: u64, now: Timestamp) -> Result<bool> {
        if self.deleted_at.is_some() {
            return Ok(false);
        }
        let name = &self.name;
        if self.revision != revision {
            return Err(Error::Precondition(format!(
                "node {name} has changed in the meantime; look at it and try again"
            )));
        }
        if self.given_up_at.is_none() && self.schedulable == Schedulable::Open {
            return Err(Error::Precondition(format!(
                "node {name} takes work; drain it first"
            )));
        }
        self.deleted_at = Some(now);
        self.liveness = Liveness::Silent;
        self.revision += 1;
        Ok(true)
    }
}

/// When a drain that is asked for at `now` stops what is left; 0 seconds = never.
pub(crate) fn drain_deadline(seconds: u32, now: Timestamp) -> Result<Option<Timestamp>> {
    let length = TimeDelta::seconds(i64::from(seconds));
    if length > LONGEST_DRAIN {
        let most = LONGEST_DRAIN.num_seconds();
        return Err(Error::invalid(
            "deadline_seconds",
            format!("is {seconds}; at most {most} is allowed"),
        ));
    }
    Ok((seconds > 0).then(|| now + length))
}

#[cfg(test)]
mod tests {
    use kernel::time::from_micros;

    use super::super::node::tests::node;
    use super::*;

    #[test]
    fn only_what_drains_has_a_deadline() {
        let mut node = node(8_000, 32_768, 0, "");
        let at = drain_deadline(60, from_micros(5)).unwrap();
        assert_eq!(at, Some(from_micros(60_000_005)));
        assert_eq!(drain_deadline(0, from_micros(5)).unwrap(), None);
        assert!(drain_deadline(u32::MAX, from_micros(5)).is_err());
        assert!(node.set_schedulable(Schedulable::Cordoned, at).unwrap());
        assert_eq!(node.drain_deadline_at, None);
        assert!(node.set_schedulable(Schedulable::Draining, at).unwrap());
        assert_eq!(node.drain_deadline_at, at);
        assert!(node.set_schedulable(Schedulable::Draining, None).unwrap());
        assert!(node.set_schedulable(Schedulable::Open, None).unwrap());
        assert_eq!(node.drain_deadline_at, None);
    }

    #[test]
    fn only_a_silent_node_is_given_up_and_for_good() {
        let mut node = node(8_000, 32_768, 0, "");
        let refusal = node.give_up(from_micros(2)).unwrap_err().to_string();
        assert!(refusal.contains("node box answers"), "{refusal}");
        assert!(node.fall_silent(from_micros(1)));
        assert!(node.check_may_speak().is_ok());
        assert!(node.give_up(from_micros(2)).unwrap());
        assert!(!node.give_up(from_micros(3)).unwrap());
        assert_eq!(node.given_up_at, Some(from_micros(2)));
        assert!(matches!(node.check_may_speak(), Err(Error::GivenUp { .. })));
        assert!(node.set_schedulable(Schedulable::Open, None).is_err());
        assert!(node.delete(node.revision, from_micros(4)).unwrap());
    }

    #[test]
    fn what_changed_or_takes_work_is_not_deleted() {
        let mut node = node(8_000, 32_768, 0, "");
        assert!(node.delete(node.revision, from_micros(2)).is_err());
        node.set_schedulable(Schedulable::Draining, None).unwrap();
        assert!(node.delete(node.revision - 1, from_micros(2)).is_err());
        assert!(node.delete(node.revision, from_micros(2)).unwrap());
        assert!(!node.delete(0, from_micros(3)).unwrap());
        assert!(matches!(node.check_may_speak(), Err(Error::GivenUp { .. })));
    }
}
