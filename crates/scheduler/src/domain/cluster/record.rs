//! What decisions rest on, written down: how a cluster began, and all that it was told and decided since. Played again on a new
//! cluster it gives the same decisions, bit for bit.

use serde::{Deserialize, Serialize};

use super::{Cluster, Order, Run, Work};
use crate::domain::engine::{NodeView, Policy, Request};
use crate::domain::queue::{Book, Lately, Rules};

/// All that a new cluster needs to know.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Beginning {
    pub(crate) policy: Policy,
    /// What is usually asked for.
    pub(crate) usual: Vec<Request>,
    pub(crate) nodes: Vec<NodeView>,
    pub(crate) book: Book,
    pub(crate) rules: Rules,
    /// What queues used before.
    pub(crate) lately: Lately,
    /// What waits and runs.
    pub(crate) works: Vec<(Work, Option<Run>)>,
    /// Nodes that are set aside, as far as somebody has kept that.
    pub(crate) reserved: Option<Reserved>,
}

/// Nodes that are set aside for a workload that waits, since then.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Reserved {
    pub(crate) workload_id: String,
    pub(crate) node_ids: Vec<String>,
    pub(crate) since_ms: u64,
}

/// A cluster's beginning, and its life since.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Record {
    beginning: Beginning,
    inputs: Vec<Input>,
}

/// What a cluster was told or asked, in its order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub(super) enum Input {
    /// A node is so now.
    Node(NodeView),
    /// These are the queues.
    Book(Book),
    /// A workload waits.
    Waits(Work),
    /// A workload waits and runs no more.
    Gone { id: String, at_ms: u64 },
    /// A start that was decided did not come about.
    Undone(String),
    /// It was asked for decisions: what they were, in full.
    Decided {
        now_ms: u64,
        most: usize,
        orders: Vec<String>,
    },
}

/// What playing a record again has come to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Replayed {
    /// Decisions that came out the same.
    pub(crate) same: usize,
    /// The first that came out differently, and how it was written down.
    pub(crate) different: Option<(String, String)>,
}

impl Input {
    pub(super) fn decided(now_ms: u64, most: usize, orders: &[Order]) -> Self {
        Self::Decided {
            now_ms,
            most,
            orders: in_full(orders),
        }
    }
}

impl Record {
    pub(super) fn new(beginning: Beginning) -> Self {
        Self {
            beginning,
            inputs: Vec::new(),
        }
    }

    pub(super) fn note(&mut self, input: Input) {
        self.inputs.push(input);
    }

    pub(super) fn policy(&self) -> Policy {
        self.beginning.policy
    }

    /// How much was told and asked since the beginning.
    pub(crate) fn len(&self) -> usize {
        self.inputs.len()
    }

    /// Plays it again until a decision comes out differently.
    pub(crate) fn replay(&self) -> Replayed {
        let mut cluster = Cluster::new(self.beginning.clone());
        let mut same = 0;
        for input in &self.inputs {
            match input {
                Input::Node(node) => {
                    cluster.renew(node.clone());
                }
                Input::Book(book) => cluster.set_book(book.clone()),
                Input::Waits(work) => cluster.wait(work.clone()),
                Input::Gone { id, at_ms } => cluster.gone(id, *at_ms),
                Input::Undone(id) => cluster.undo(id),
                Input::Decided {
                    now_ms,
                    most,
                    orders,
                } => {
                    let now = in_full(&cluster.decide(*now_ms, *most));
                    if now != *orders {
                        let different = Some((now.join("\n"), orders.join("\n")));
                        return Replayed { same, different };
                    }
                    same += orders.len();
                }
            }
        }
        Replayed {
            same,
            different: None,
        }
    }
}

/// Decisions with all that belongs to them, as text.
fn in_full(orders: &[Order]) -> Vec<String> {
    orders.iter().map(|order| format!("{order:?}")).collect()
}
