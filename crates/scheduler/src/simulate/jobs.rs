//! The protocol of jobs in queues: nodes of equal GPUs, gangs, and a price for every preemption.

mod input;

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};

use super::course::Spread;
use crate::domain::engine::Site;
use crate::domain::queue::{Gang, Job, Line, QueueSpec, Queues, Rules, Verdict};

/// What the service would go by: a week's memory, a minute to run at least, an hour before nodes are set aside, ten minutes to leave.
pub(super) const RULES: Rules = Rules {
    half_life_ms: 7 * 24 * 3_600_000,
    min_run_ms: 60_000,
    patience_ms: 3_600_000,
    drain_ms: 600_000,
    with_notice: false,
};
/// Shorter jobs count as so long in slowdowns (bounded slowdown; Feitelson, JSSPP'97).
const SHORTEST_S: f64 = 10.0;

/// Who starts when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JobsPolicy {
    /// Queues with quotas, fair shares and preemption; durations are not known.
    Default,
    /// One line, first come, first served; durations are not known.
    Fifo,
    /// One line with EASY backfill by declared durations, which are true here.
    Easy,
}

impl JobsPolicy {
    /// Names and what they mean.
    pub const ALL: [(&'static str, Self); 3] = [
        ("default", Self::Default),
        ("fifo", Self::Fifo),
        ("easy", Self::Easy),
    ];
}

impl std::str::FromStr for JobsPolicy {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        super::named("jobs", &Self::ALL, name)
    }
}

/// Nodes, queues and jobs.
#[derive(Clone, Debug)]
pub struct JobsTrace {
    nodes: u32,
    gpus: u32,
    queues: Vec<QueueSpec>,
    jobs: Vec<Work>,
}

#[derive(Clone, Debug)]
struct Work {
    submitted_ms: u64,
    duration_ms: u64,
    gpus: u32,
    queue: usize,
}

/// What became of some jobs.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Figures {
    /// How many there were.
    pub jobs: u64,
    /// Seconds of waiting: before the first start, and again after each preemption.
    pub queue_delay_s: Spread,
    /// From submission to end, by the duration; durations below 10 s count as 10 s, and no slowdown as less than 1.
    pub slowdown: Spread,
    /// How often they were stopped for others.
    pub preemptions: u64,
}

/// What a policy made of the jobs.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Outcome {
    /// All jobs.
    pub overall: Figures,
    /// Those of each queue.
    pub queues: BTreeMap<String, Figures>,
    /// From time 0 to the last end.
    pub makespan_s: f64,
    /// Jobs that do not fit into the empty cluster: they are left out.
    pub refused: u64,
    /// How it went, one for each time at which something happened.
    pub moments: Vec<Moment>,
    /// When each job was submitted and how long it waited, in seconds.
    pub waits: Vec<(f64, f64)>,
}

/// The cluster at a time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Moment {
    /// Seconds since time 0.
    pub at_s: f64,
    /// GPUs in use, in percent of all.
    pub used_percent: f64,
    /// Free GPUs on nodes that are partly in use, in percent of all: no gang of whole nodes can have them.
    pub fragmented_percent: f64,
}

/// What a restart costs, in ms, by GPUs.
fn restart_ms(gpus: u32) -> u64 {
    match gpus {
        0..=1 => 7_000,
        2..=8 => 30_000,
        _ => 60_000,
    }
}

/// Who decides. Only the line is ever told a duration.
enum Decider {
    Queues(Box<(Queues, Site)>),
    Line(Box<Line>),
}

/// How far a job is.
#[derive(Clone, Debug, Default)]
struct Progress {
    left_ms: u64,
    waits_since_ms: u64,
    waited_ms: u64,
    /// While it runs: since when, and what of that is the restart.
    runs: Option<(u64, u64)>,
    preemptions: u64,
    ended_ms: Option<u64>,
}

/// Plays the trace.
///
/// # Errors
/// The queue that cannot be, in words.
pub fn jobs(trace: &JobsTrace, policy: JobsPolicy) -> Result<Outcome, String> {
    let mut play = Play {
        trace,
        policy,
        decider: match policy {
            JobsPolicy::Default => {
                let queues = Queues::new(trace.tree()?, RULES);
                let site = Site::of_empty(trace.planner());
                Decider::Queues(Box::new((queues, site)))
            }
            JobsPolicy::Fifo | JobsPolicy::Easy => {
                Decider::Line(Box::new(Line::new(trace.planner())))
            }
        },
        progress: vec![Progress::default(); trace.jobs.len()],
        ends: BinaryHeap::new(),
        moments: Vec::new(),
        refused: 0,
    };
    let mut next = 0;
    while let Some(now_ms) = play.next_time(next) {
        play.end(now_ms);
        while let Some(job) = trace
            .jobs
            .get(next)
            .filter(|job| job.submitted_ms <= now_ms)
        {
            play.submit(next, job);
            next += 1;
        }
        play.decide(now_ms);
    }
    Ok(play.outcome())
}

struct Play<'a> {
    trace: &'a JobsTrace,
    policy: JobsPolicy,
    decider: Decider,
    progress: Vec<Progress>,
    /// When jobs end, with their numbers; of one that was stopped meanwhile it says nothing.
    ends: BinaryHeap<Reverse<(u64, usize)>>,
    moments: Vec<Moment>,
    refused: u64,
}

impl Play<'_> {
    /// When something happens next: an arrival, an end, or that who runs has run for the minimum and may have to go.
    fn next_time(&self, next: usize) -> Option<u64> {
        let arrival = self.trace.jobs.get(next).map(|job| job.submitted_ms);
        let end = self.ends.peek().map(|Reverse((at, _))| *at);
        let look = match &self.decider {
            Decider::Queues(both) if end.is_some() => both.0.next_look(),
            _ => None,
        };
        [arrival, end, look].into_iter().flatten().min()
    }

    fn end(&mut self, now_ms: u64) {
        while let Some(Reverse((at, number))) = self.ends.peek().copied() {
            if at > now_ms {
                break;
            }
            self.ends.pop();
            let Some(progress) = self.progress.get_mut(number) else {
                continue;
            };
            // Equal only while it is this run that ends.
            let ends = progress
                .runs
                .map(|(since, restart)| since + restart + progress.left_ms);
            if ends != Some(at) {
                continue;
            }
            progress.runs = None;
            progress.ended_ms = Some(at);
            match &mut self.decider {
                Decider::Queues(both) => {
                    let (queues, site) = both.as_mut();
                    if let Some((job, places)) = queues.end(number as u64, now_ms) {
                        job.gang.give_back(&mut site.planner, &places);
                    }
                }
                Decider::Line(line) => line.end(number as u64),
            }
        }
    }

    fn submit(&mut self, number: usize, work: &Work) {
        let job = Job {
            id: number as u64,
            queue: work.queue,
            gang: Gang::of_gpus(work.gpus, self.trace.gpus),
            priority: 0,
            submitted_ms: work.submitted_ms,
            waits_since_ms: work.submitted_ms,
            preemptible: true,
        };
        if job.gang.count > self.trace.nodes {
            self.refused += 1;
            return;
        }
        if let Some(progress) = self.progress.get_mut(number) {
            progress.left_ms = work.duration_ms.max(1);
            progress.waits_since_ms = work.submitted_ms;
        }
        match &mut self.decider {
            Decider::Queues(both) => {
                let (queues, site) = both.as_mut();
                self.refused += u64::from(queues.submit(site, job).is_err());
            }
            Decider::Line(line) => {
                let is_declared = self.policy == JobsPolicy::Easy;
                line.submit(job, is_declared.then_some(work.duration_ms.max(1)));
            }
        }
    }

    fn decide(&mut self, now_ms: u64) {
        let verdicts = match &mut self.decider {
            Decider::Queues(both) => both.0.decide(&mut both.1, now_ms, usize::MAX),
            Decider::Line(line) => line.decide(now_ms),
        };
        for verdict in verdicts {
            match verdict {
                Verdict::Preempt { id, .. } => self.stop(id, now_ms),
                Verdict::Start { id, .. } => self.start(id, now_ms),
            }
        }
        let fleet = match &self.decider {
            Decider::Queues(both) => both.1.planner.fleet(),
            Decider::Line(line) => line.planner().fleet(),
        };
        let all = f64::from(self.trace.nodes * self.trace.gpus);
        let free = (0..fleet.len()).map(|node| fleet.free_milli_gpu(node) / 1_000);
        let (mut idle, mut fragmented) = (0, 0);
        for free in free {
            idle += free;
            fragmented += if free < self.trace.gpus { free } else { 0 };
        }
        self.moments.push(Moment {
            at_s: now_ms as f64 / 1_000.0,
            used_percent: 100.0 - f64::from(idle) * 100.0 / all,
            fragmented_percent: f64::from(fragmented) * 100.0 / all,
        });
    }

    fn start(&mut self, id: u64, now_ms: u64) {
        let number = usize::try_from(id).unwrap_or(usize::MAX);
        let gpus = self.trace.jobs.get(number).map_or(0, |job| job.gpus);
        if let Some(progress) = self.progress.get_mut(number) {
            progress.waited_ms += now_ms - progress.waits_since_ms;
            let restart = if progress.preemptions > 0 {
                restart_ms(gpus)
            } else {
                0
            };
            progress.runs = Some((now_ms, restart));
            let ends = now_ms + restart + progress.left_ms;
            self.ends.push(Reverse((ends, number)));
        }
    }

    fn stop(&mut self, id: u64, now_ms: u64) {
        let number = usize::try_from(id).unwrap_or(usize::MAX);
        if let Some(progress) = self.progress.get_mut(number)
            && let Some((since, restart)) = progress.runs.take()
        {
            let worked = (now_ms - since).saturating_sub(restart);
            progress.left_ms -= worked.min(progress.left_ms);
            progress.preemptions += 1;
            progress.waits_since_ms = now_ms;
        }
    }

    fn outcome(self) -> Outcome {
        let mut by_queue: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
        let mut ended = Vec::new();
        for (number, (job, progress)) in self.trace.jobs.iter().zip(&self.progress).enumerate() {
            if progress.ended_ms.is_some() {
                ended.push(number);
                if let Some(queue) = self.trace.queues.get(job.queue) {
                    by_queue.entry(&queue.name).or_default().push(number);
                }
            }
        }
        let seconds = |ms: u64| ms as f64 / 1_000.0;
        let both = |at: &usize| Some((self.trace.jobs.get(*at)?, self.progress.get(*at)?));
        let waits = ended.iter().filter_map(both);
        let waits =
            waits.map(|(job, progress)| (seconds(job.submitted_ms), seconds(progress.waited_ms)));
        let last = self
            .progress
            .iter()
            .filter_map(|progress| progress.ended_ms)
            .max();
        Outcome {
            overall: self.figures(&ended),
            queues: by_queue
                .iter()
                .map(|(name, numbers)| ((*name).to_owned(), self.figures(numbers)))
                .collect(),
            makespan_s: seconds(last.unwrap_or(0)),
            refused: self.refused,
            waits: waits.collect(),
            moments: self.moments,
        }
    }

    fn figures(&self, numbers: &[usize]) -> Figures {
        let (mut delays, mut slowdowns, mut preemptions) = (Vec::new(), Vec::new(), 0);
        for number in numbers {
            let (Some(job), Some(progress)) =
                (self.trace.jobs.get(*number), self.progress.get(*number))
            else {
                continue;
            };
            let took = progress
                .ended_ms
                .unwrap_or(0)
                .saturating_sub(job.submitted_ms) as f64
                / 1_000.0;
            let duration = (job.duration_ms as f64 / 1_000.0).max(SHORTEST_S);
            delays.push(progress.waited_ms as f64 / 1_000.0);
            slowdowns.push((took / duration).max(1.0));
            preemptions += progress.preemptions;
        }
        Figures {
            jobs: numbers.len() as u64,
            queue_delay_s: Spread::of(delays),
            slowdown: Spread::of(slowdowns),
            preemptions,
        }
    }
}

#[cfg(test)]
mod tests;
