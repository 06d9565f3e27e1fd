//! The life of one attempt, as a rule without I/O: what was seen goes in, and out come what is to be done next and what is to
//! be reported. It is kept on the disk after each change, so that the next agent process goes on where this one was.

use contracts::agent::v1::{Notice as Said, Report};
use contracts::scheduler::v1::AttemptState;
use serde::{Deserialize, Serialize};

use super::ending::{self, End};
use super::notice::Notice;
use crate::moment::Moment;
use crate::runtime::{Ending, Memory, Start};

/// Where an attempt is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Phase {
    /// What it needs is being made.
    Preparing,
    /// Its shim is being started: from here on there may be a process.
    Launching,
    /// It runs, and has not answered yet.
    Answering,
    /// It answers.
    Running,
    /// It was told to end.
    Stopping,
    /// Over.
    Ended,
}

/// What is to be done next for an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Work {
    /// Make what it needs.
    Prepare,
    /// Start its shim. Not to be broken off.
    Launch,
    /// Wait for its first answer, or its end.
    AwaitAnswer,
    /// Wait for its end.
    AwaitEnd,
    /// End it.
    Stop,
    /// Nothing but being acknowledged.
    Rest,
}

/// What was seen.
#[derive(Clone, Debug)]
pub(crate) enum Seen {
    /// How far its preparation is, or what it does before it answers.
    Progress(String),
    /// It is prepared.
    Prepared,
    /// Its shim runs.
    Launched(Start),
    /// It answered for the first time; what its users are to know, or nothing.
    Answered(String),
    /// It could not be prepared or started.
    Broken(String),
    /// It will be told to end.
    NoticeWanted(Said),
    /// Its workload was told so.
    NoticeGiven,
    /// It shall end.
    StopWanted(End),
    /// It still runs.
    Alive,
    /// What its memory is like.
    Memory(Memory),
    /// It is over; with the end of its log.
    Over(Ending, String),
}

/// The life of one attempt.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Life {
    pub(crate) phase: Phase,
    /// When it answered first.
    running_since: Option<Moment>,
    /// How long it had run when last looked at, in milliseconds.
    ran_ms: Option<u64>,
    /// That it will be told to end, once that was said: what is said again changes nothing.
    #[serde(default)]
    notice: Option<Notice>,
    /// Whether its workload was told so.
    #[serde(default)]
    notice_given: bool,
    /// How it shall end, once that is known.
    stop: Option<End>,
    /// How it ended.
    pub(crate) end: Option<End>,
    reason: String,
    /// How many of its processes were killed for memory, as far as that was told.
    #[serde(default)]
    oom_kills: u64,
    /// Counts what there is to report.
    pub(crate) sequence: u64,
    /// What is acknowledged of that.
    pub(crate) acknowledged: u64,
    /// When the newest of it was seen.
    pub(crate) seen: Moment,
}

impl Life {
    /// An attempt that the agent has just heard of.
    pub(crate) fn begin(now: Moment) -> Self {
        Self {
            phase: Phase::Preparing,
            running_since: None,
            ran_ms: None,
            notice: None,
            notice_given: false,
            stop: None,
            end: None,
            reason: String::new(),
            oom_kills: 0,
            sequence: 1,
            acknowledged: 0,
            seen: now,
        }
    }

    /// What is to be done next.
    pub(crate) fn work(&self) -> Work {
        match self.phase {
            Phase::Preparing => Work::Prepare,
            Phase::Launching => Work::Launch,
            Phase::Answering => Work::AwaitAnswer,
            Phase::Running => Work::AwaitEnd,
            Phase::Stopping => Work::Stop,
            Phase::Ended => Work::Rest,
        }
    }

    /// Whether its end is reported and acknowledged: nobody needs it any more.
    pub(crate) fn is_settled(&self) -> bool {
        self.phase == Phase::Ended && self.acknowledged >= self.sequence
    }

    /// What its workload has yet to be told: one that is told to end already needs no notice of it.
    pub(crate) fn notice_to_give(&self) -> Option<&Notice> {
        let notice = self.notice.as_ref().filter(|_| !self.notice_given);
        notice.filter(|_| self.has_begun())
    }

    /// Milliseconds since its first answer, at `now`; `None` before.
    pub(crate) fn running_for(&self, now: &Moment) -> Option<u64> {
        self.running_since.as_ref().map(|since| since.ms_until(now))
    }

    /// Takes in what was seen at `now`; true when there is something new to report.
    pub(crate) fn take(&mut self, seen: Seen, now: Moment) -> bool {
        if self.phase == Phase::Ended {
            return false;
        }
        match seen {
            Seen::Progress(text) if self.is_on_its_way() && text != self.reason => {
                self.reason = text
            }
            Seen::Prepared if self.phase == Phase::Preparing => {
                self.phase = Phase::Launching;
                "starting".clone_into(&mut self.reason);
            }
            Seen::Launched(how) if self.phase == Phase::Launching => {
                self.phase = if self.stop.is_some() {
                    Phase::Stopping
                } else {
                    Phase::Answering
                };
                let reason = match how {
                    Start::Fresh | Start::Found => "waiting for its first answer",
                    Start::TakenOver => "waiting for its first answer, in a sandbox that was ready",
                };
                reason.clone_into(&mut self.reason);
            }
            Seen::Answered(note) if self.phase == Phase::Answering => {
                self.phase = Phase::Running;
                self.running_since = Some(now.clone());
                self.ran_ms = Some(0);
                self.reason = self.notice.as_ref().map_or(note, Notice::text);
            }
            Seen::Alive if self.phase == Phase::Running => self.ran_ms = self.running_for(&now),
            Seen::Memory(memory)
                if self.phase == Phase::Running && memory.oom_kills > self.oom_kills =>
            {
                self.oom_kills = memory.oom_kills;
                self.reason = ending::killed_within(memory);
                self.ran_ms = self.running_for(&now);
            }
            Seen::NoticeWanted(said) if self.has_begun() && self.notice.is_none() => {
                let notice = Notice::heard(&said, &now);
                self.reason = notice.text();
                self.notice = Some(notice);
            }
            Seen::NoticeGiven if self.notice_to_give().is_some() => self.notice_given = true,
            Seen::StopWanted(end) if self.stop.is_none() => self.wish_end(end),
            Seen::Broken(reason) => self.finish(End::broken(reason)),
            Seen::Over(ending, tail) => {
                self.measure(&ending);
                let end = ending::end_of(&ending, &tail);
                self.finish(end);
            }
            Seen::Progress(_)
            | Seen::Prepared
            | Seen::Launched(_)
            | Seen::Answered(_)
            | Seen::Alive
            | Seen::Memory(_)
            | Seen::NoticeWanted(_)
            | Seen::NoticeGiven
            | Seen::StopWanted(_) => return false,
        }
        self.sequence += 1;
        self.seen = now;
        true
    }

    /// Whether it can be told how far it is.
    fn is_on_its_way(&self) -> bool {
        matches!(self.phase, Phase::Preparing | Phase::Answering)
    }

    /// Whether its workload runs, and nobody has told it to end.
    fn has_begun(&self) -> bool {
        matches!(self.phase, Phase::Answering | Phase::Running)
    }

    fn wish_end(&mut self, end: End) {
        self.reason.clone_from(&end.reason);
        self.stop = Some(end.clone());
        match self.phase {
            // There is no process yet.
            Phase::Preparing => self.finish(end),
            // There may be one; it is stopped when that is known.
            Phase::Launching => {}
            Phase::Answering | Phase::Running | Phase::Stopping | Phase::Ended => {
                self.phase = Phase::Stopping
            }
        }
    }

    /// A wished end counts more than what it looks like from inside.
    fn finish(&mut self, seen: End) {
        let end = self.stop.take().unwrap_or(seen);
        self.phase = Phase::Ended;
        self.reason.clone_from(&end.reason);
        self.end = Some(end);
    }

    /// The shim measured the end on the same clock as the first answer; without it the last look counts.
    fn measure(&mut self, ending: &Ending) {
        if let (Ending::Exited(exit), Some(since)) = (ending, &self.running_since)
            && exit.boot_id == since.boot_id
        {
            self.ran_ms = Some(exit.ended_ms.saturating_sub(since.up_ms));
        }
    }

    /// The newest report, of the attempt `id` with `generation`, as it is to be sent at `now`.
    pub(crate) fn report(&self, id: &str, generation: u64, now: &Moment) -> Report {
        let end = self.end.as_ref();
        Report {
            attempt_id: id.to_owned(),
            generation,
            sequence: self.sequence,
            state: self.state().into(),
            ran_ms: self.ran_ms,
            boot_id: self
                .running_since
                .as_ref()
                .map_or(&self.seen.boot_id, |since| &since.boot_id)
                .clone(),
            end: end.map_or(0, |end| end.end),
            fault: end.map_or(0, |end| end.fault),
            reason: self.reason.clone(),
            age_ms: self.seen.ms_until(now),
        }
    }

    fn state(&self) -> AttemptState {
        match self.phase {
            Phase::Preparing | Phase::Launching | Phase::Answering => AttemptState::Starting,
            Phase::Running => AttemptState::Running,
            Phase::Stopping => AttemptState::Stopping,
            Phase::Ended => AttemptState::Ended,
        }
    }
}

#[cfg(test)]
mod tests;
