//! How a place was chosen, kept with the attempt that has it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::Cluster;
use crate::domain::engine::Ranking;

/// How a place was chosen.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Verdict {
    /// The placement policy.
    pub(crate) policy: String,
    /// Nodes that fitted.
    pub(crate) fit: u32,
    /// Those that did not, by the first thing in the way, as the pass began or shortly after.
    pub(crate) removed: BTreeMap<String, u32>,
    /// The best nodes, by identifier, with their scores; the first was taken. Scores compare within one verdict only.
    pub(crate) best: Vec<(String, i64)>,
}

impl Cluster {
    pub(super) fn verdict(&mut self, number: u64, ranking: &Ranking) -> Option<Verdict> {
        let request = &self.known.get(&number)?.work.request;
        if !self.removed.contains_key(request) {
            let removed = self.board.removed(request);
            self.removed.insert(request.clone(), removed);
        }
        let best = ranking.best.iter();
        let nodes = self.board.nodes();
        Some(Verdict {
            policy: self.record.policy().name().to_owned(),
            fit: ranking.fit,
            removed: self.removed.get(request).cloned().unwrap_or_default(),
            best: best
                .filter_map(|(node, score)| Some((nodes.get(*node)?.id.clone(), *score)))
                .collect(),
        })
    }
}
