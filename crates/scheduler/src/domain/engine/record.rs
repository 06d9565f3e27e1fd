//! What decisions rest on, written down: the nodes and the usual work that a board began with, and all that was told and asked since.
//! Played again on a new board they give the same decisions, bit for bit.

use serde::{Deserialize, Serialize};

use super::{Board, Decision, NodeView, Policy, Request};

/// A board's beginning, and its life since.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Record {
    policy: Policy,
    /// What is usually asked for.
    usual: Vec<Request>,
    /// The nodes as they were at the beginning.
    nodes: Vec<NodeView>,
    inputs: Vec<Input>,
}

/// What a board was told or asked, in its order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub(super) enum Input {
    /// A node is so now.
    Node(NodeView),
    /// A place was asked for, and given or not: the decision in full.
    Decided { request: Request, decision: String },
    /// A place that was given was taken.
    Taken {
        request: Request,
        node_id: String,
        gpu_uuids: Vec<String>,
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

impl Record {
    pub(super) fn new(nodes: Vec<NodeView>, usual: Vec<Request>, policy: Policy) -> Self {
        Self {
            policy,
            usual,
            nodes,
            inputs: Vec::new(),
        }
    }

    pub(super) fn note(&mut self, input: Input) {
        self.inputs.push(input);
    }

    /// How much was told and asked since the beginning.
    pub(crate) fn len(&self) -> usize {
        self.inputs.len()
    }

    /// Plays it again until a decision comes out differently.
    pub(crate) fn replay(&self) -> Replayed {
        let mut board = Board::new(self.nodes.clone(), &self.usual, self.policy);
        let mut same = 0;
        for input in &self.inputs {
            match input {
                Input::Node(node) => {
                    board.renew(node.clone());
                }
                Input::Taken {
                    request,
                    node_id,
                    gpu_uuids,
                } => board.take(request, node_id, gpu_uuids),
                Input::Decided { request, decision } => {
                    let now = in_full(&board.place(request));
                    if now != *decision {
                        let different = Some((now, decision.clone()));
                        return Replayed { same, different };
                    }
                    same += 1;
                }
            }
        }
        Replayed {
            same,
            different: None,
        }
    }
}

/// A decision with all that belongs to it, as text.
pub(super) fn in_full(decision: &Decision) -> String {
    format!("{decision:?}")
}

#[cfg(test)]
mod tests {
    use kernel::Resources;
    use proptest::prelude::*;

    use super::super::Device;
    use super::*;

    fn node(number: usize, milli_cores: u32, gpus: u32, free: u32) -> NodeView {
        let total = Resources {
            milli_cores,
            memory_mib: 1_000,
            disk_gib: 100,
            ..Resources::default()
        };
        let device = |at| Device {
            uuid: format!("{number}-{at}"),
            model: "H100".to_owned(),
            free_milli: if at < free { 1_000 } else { 0 },
        };
        NodeView {
            id: number.to_string(),
            name: number.to_string(),
            closed: None,
            gone: false,
            free: total.clone(),
            total,
            devices: (0..gpus).map(device).collect(),
        }
    }

    proptest! {
        /// Whatever a board lives through: its record, read from its text, gives the same decisions.
        #[test]
        fn a_record_gives_the_same_decisions(
            sizes in prop::collection::vec((500..4_000_u32, 0..4_u32), 1..6),
            steps in prop::collection::vec((0..8_usize, 0..2_000_u32, 0..3_u32), 1..60),
            policy in prop::sample::select(Policy::ALL.to_vec()),
        ) {
            let nodes = sizes.iter().enumerate().map(|(at, size)| node(at, size.0, size.1, size.1));
            let mut board = Board::new(nodes.collect(), &[], policy);
            let mut decisions = 0;
            for (at, milli_cores, gpus) in steps {
                // Some steps are news of a node, the others ask for a place.
                if let Some(size) = sizes.get(at) {
                    board.renew(node(at, milli_cores.min(size.0), size.1, gpus));
                    continue;
                }
                let gpu_model = if gpus > 0 { "H100".to_owned() } else { String::new() };
                let request = Request {
                    resources: Resources { milli_cores, gpus, gpu_model, ..Resources::default() },
                    node: None,
                };
                let before = board.record().len();
                if let Decision::Place { node_id, gpu_uuids } = board.place(&request) {
                    board.take(&request, &node_id, &gpu_uuids);
                }
                decisions += usize::from(board.record().len() > before);
            }
            let text = serde_json::to_string(board.record()).unwrap();
            let read: Record = serde_json::from_str(&text).unwrap();
            prop_assert_eq!(&read, board.record());
            prop_assert_eq!(read.replay(), Replayed { same: decisions, different: None });
        }
    }
}
