//! All that placement decides on: the nodes, the queues, and the work that waits and runs, by their names. Pure: what happens is
//! told, with its time, and what is decided comes out; both are written down (`record`).

mod grow;
mod record;
mod verdict;
mod why;

use std::collections::{BTreeMap, HashMap};

use serde::{Deserialize, Serialize};

pub(crate) use grow::total;
pub(crate) use record::{Beginning, Record, Replayed, Reserved};
pub(crate) use verdict::Verdict;
pub(crate) use why::Why;

use self::grow::takes_work;
use self::record::Input;
use super::engine::{Board, NodeView, Request};
use super::queue::{self, Book, Gang, Job, Owner, Queues, Rules, Tree, Usage};

/// The priority of free work: below all that people may ask for.
const FREE: i32 = i32::MIN;

/// A workload that waits or runs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Work {
    pub(crate) id: String,
    pub(crate) owner: Owner,
    pub(crate) request: Request,
    pub(crate) priority: i32,
    pub(crate) preemptible: bool,
    pub(crate) submitted_ms: u64,
    /// Since when it waits for this start.
    pub(crate) waits_since_ms: u64,
    /// Attempts that it had before the one that it waits for or runs in.
    pub(crate) generation: u64,
}

/// Where a workload runs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Run {
    pub(crate) node_id: String,
    pub(crate) gpu_uuids: Vec<String>,
    pub(crate) started_ms: u64,
    /// The workload that it makes room for, empty = for nobody any more; `None` = it stays.
    pub(crate) by: Option<String>,
}

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Order {
    /// It starts there.
    Start {
        id: String,
        node_id: String,
        gpu_uuids: Vec<String>,
        verdict: Verdict,
    },
    /// It makes room for another, and keeps its place until it has gone.
    Leave { id: String, by: String },
}

#[derive(Clone, Debug)]
struct Known {
    work: Work,
    run: Option<Run>,
}

/// The nodes, the queues and the work.
#[derive(Clone, Debug)]
pub(crate) struct Cluster {
    board: Board,
    book: Book,
    rules: Rules,
    queues: Queues,
    /// The names of the queues, by their numbers.
    names: Vec<String>,
    /// The queue that each owner's work waits in.
    leaf_of: BTreeMap<Owner, usize>,
    known: BTreeMap<u64, Known>,
    numbers: HashMap<String, u64>,
    /// The number of the next workload.
    next: u64,
    /// Queues are missing, or others than there should be: they grow anew before the next decision.
    stale: bool,
    /// Why work waits, by leaf, request, whether it may be stopped, and priority, as far as it was asked since the last change.
    whys: HashMap<(usize, Request, bool, i32), Why>,
    /// What kept requests off nodes when they were last placed, since the last pass began.
    removed: HashMap<Request, BTreeMap<String, u32>>,
    record: Record,
}

impl Cluster {
    /// The cluster that began so.
    pub(crate) fn new(beginning: Beginning) -> Self {
        let record = Record::new(beginning.clone());
        let Beginning {
            policy,
            usual,
            nodes,
            book,
            rules,
            lately,
            works,
            reserved,
        } = beginning;
        let board = Board::new(nodes, &usual, policy);
        let numbered: Vec<(u64, (Work, Option<Run>))> = (0..).zip(works).collect();
        let numbers = numbered
            .iter()
            .map(|(at, (work, _))| (work.id.clone(), *at));
        let mut cluster = Self {
            numbers: numbers.collect(),
            next: numbered.len() as u64,
            known: numbered
                .into_iter()
                .map(|(at, (work, run))| (at, Known { work, run }))
                .collect(),
            queues: Queues::new(Tree::default(), rules),
            names: Vec::new(),
            leaf_of: BTreeMap::new(),
            stale: false,
            whys: HashMap::new(),
            removed: HashMap::new(),
            board,
            book,
            rules,
            record,
        };
        cluster.grow();
        let usage = Usage::of(&lately, &cluster.names, rules.half_life_ms);
        cluster.queues.set_usage(usage);
        if let Some(reserved) = reserved {
            cluster.resume_reservation(&reserved);
        }
        cluster
    }

    /// As a new cluster would begin from here, with what is usually asked for now; and what led here.
    pub(crate) fn into_parts(self, usual: Vec<Request>) -> (Beginning, Record) {
        let beginning = Beginning {
            policy: self.record.policy(),
            usual,
            nodes: self.board.nodes().to_vec(),
            lately: self.queues.usage().by_name(&self.names),
            reserved: self.reserved(),
            book: self.book,
            rules: self.rules,
            works: self
                .known
                .into_values()
                .map(|known| (known.work, known.run))
                .collect(),
        };
        (beginning, self.record)
    }

    /// All that its decisions rest on, and they themselves.
    pub(crate) fn record(&self) -> &Record {
        &self.record
    }

    /// Takes over a node as it is now; `false` when it is new or has other GPUs: only a new cluster can have it.
    pub(crate) fn renew(&mut self, node: NodeView) -> bool {
        self.note(Input::Node(node.clone()));
        let whole =
            |node: &NodeView| takes_work(node).then(|| (node.total.clone(), node.devices.len()));
        let known = self.board.node(&node.id);
        self.stale |= known.map(whole) != Some(whole(&node));
        self.board.renew(node)
    }

    /// These are the queues from now on.
    pub(crate) fn set_book(&mut self, book: Book) {
        if self.book != book {
            self.note(Input::Book(book.clone()));
            self.book = book;
            self.stale = true;
        }
    }

    /// A workload waits: it is new, waits for something else than before, or ran and waits again. Then it keeps its turn among those
    /// that came at the same moment.
    pub(crate) fn wait(&mut self, work: Work) {
        self.note(Input::Waits(work.clone()));
        let number = self.forget(&work.id, 0).unwrap_or(self.next);
        self.next = self.next.max(number + 1);
        self.numbers.insert(work.id.clone(), number);
        self.stale |= !self.leaf_of.contains_key(&work.owner);
        if let Some(job) = self.job(number, &work).filter(|_| !self.stale) {
            self.queues.wait(job);
        }
        self.known.insert(number, Known { work, run: None });
    }

    /// A workload waits and runs no more, since then.
    pub(crate) fn gone(&mut self, id: &str, at_ms: u64) {
        let id = id.to_owned();
        self.forget(&id, at_ms);
        self.note(Input::Gone { id, at_ms });
    }

    /// Gives the number that it had.
    fn forget(&mut self, id: &str, at_ms: u64) -> Option<u64> {
        let number = self.numbers.remove(id)?;
        let Known { work, run } = self.known.remove(&number)?;
        if self.stale {
            return Some(number);
        }
        if run.is_some() {
            // Its places are free once its node is taken over anew.
            self.queues.end(number, at_ms);
        } else if let Some(job) = self.job(number, &work) {
            self.queues.withdraw(&job, self.board.site());
        }
        Some(number)
    }

    /// The start that was decided did not come about: the workload waits as before.
    pub(crate) fn undo(&mut self, id: &str) {
        self.note(Input::Undone(id.to_owned()));
        let Some(number) = self.numbers.get(id).copied() else {
            return;
        };
        let known = self.known.get_mut(&number);
        let Some(work) = known.and_then(|known| known.run.take().map(|_| known.work.clone()))
        else {
            return;
        };
        if let Some(job) = self.job(number, &work).filter(|_| !self.stale) {
            self.queues.end(number, 0);
            self.queues.wait(job);
        }
    }

    /// The workload, and where it runs.
    pub(crate) fn find(&self, id: &str) -> Option<(&Work, Option<&Run>)> {
        let known = self.known.get(self.numbers.get(id)?)?;
        Some((&known.work, known.run.as_ref()))
    }

    /// The workloads that wait.
    pub(crate) fn waiting(&self) -> impl Iterator<Item = &Work> {
        let waiting = self.known.values().filter(|known| known.run.is_none());
        waiting.map(|known| &known.work)
    }

    /// Whether the node that a workload is bound to never takes work again.
    pub(crate) fn is_stranded(&self, work: &Work) -> bool {
        self.board.is_stranded(&work.request)
    }

    /// Decides who starts and who makes room now; after `most` orders, or a few more, the others are left for the next time.
    pub(crate) fn decide(&mut self, now_ms: u64, most: usize) -> Vec<Order> {
        if self.stale {
            self.grow();
        }
        self.removed.clear();
        let verdicts = self.queues.decide(self.board.site(), now_ms, most);
        let orders: Vec<Order> = verdicts
            .into_iter()
            .filter_map(|verdict| self.order(verdict, now_ms))
            .collect();
        self.board.note_aside(self.queues.kept_aside().collect());
        for number in self.queues.leaving_for_nobody() {
            let known = self.known.get_mut(&number);
            if let Some(run) = known.and_then(|known| known.run.as_mut()) {
                run.by = Some(String::new());
            }
        }
        self.note(Input::decided(now_ms, most, &orders));
        orders
    }

    fn order(&mut self, verdict: queue::Verdict, now_ms: u64) -> Option<Order> {
        match verdict {
            queue::Verdict::Start {
                id,
                places,
                ranking,
            } => {
                // A workload is one member.
                let (node_id, gpu_uuids) = self.board.named(*places.first()?);
                let verdict = self.verdict(id, &ranking)?;
                let known = self.known.get_mut(&id)?;
                let request = &known.work.request;
                self.board.note_taken(request, &node_id, &gpu_uuids);
                known.run = Some(Run {
                    node_id: node_id.clone(),
                    gpu_uuids: gpu_uuids.clone(),
                    started_ms: now_ms,
                    by: None,
                });
                let id = known.work.id.clone();
                Some(Order::Start {
                    id,
                    node_id,
                    gpu_uuids,
                    verdict,
                })
            }
            queue::Verdict::Preempt { id, by } => {
                let by = self.known.get(&by)?.work.id.clone();
                let known = self.known.get_mut(&id)?;
                known.run.as_mut()?.by = Some(by.clone());
                let id = known.work.id.clone();
                Some(Order::Leave { id, by })
            }
        }
    }

    fn note(&mut self, input: Input) {
        self.whys.clear();
        self.record.note(input);
    }

    fn job(&self, number: u64, work: &Work) -> Option<Job> {
        let free = work.owner.free;
        Some(Job {
            id: number,
            queue: *self.leaf_of.get(&work.owner)?,
            gang: Gang {
                member: self.board.ask(&work.request),
                count: 1,
            },
            priority: if free { FREE } else { work.priority },
            submitted_ms: work.submitted_ms,
            waits_since_ms: work.waits_since_ms,
            preemptible: free || work.preemptible,
        })
    }
}

#[cfg(test)]
mod tests;
