//! Nodes that are kept for one job: one that was promised room there (`promise`), or that they are set aside for (`reserve`).

use super::queues::Queues;
use crate::domain::engine::Site;

impl Queues {
    /// The nodes that are kept for somebody.
    pub(crate) fn kept_aside(&self) -> impl Iterator<Item = usize> + '_ {
        let promised = self.promises.values().flat_map(|promise| &promise.nodes);
        let reserved = self.reservation.iter().flat_map(|reserved| &reserved.nodes);
        promised.chain(reserved).copied()
    }

    /// Keeps no nodes any more, before there are other queues.
    pub(crate) fn clear_aside(&self, site: &mut Site) {
        let nodes: Vec<usize> = self.kept_aside().collect();
        set_aside(&nodes, false, site);
    }

    /// Keeps what is to be kept, whoever else was let in there for a moment.
    pub(super) fn keep_aside(&self, site: &mut Site) {
        let nodes: Vec<usize> = self.kept_aside().collect();
        set_aside(&nodes, true, site);
    }

    /// Keeps these no more, but for whoever else they are kept for.
    pub(super) fn reopen(&self, nodes: &[usize], site: &mut Site) {
        set_aside(nodes, false, site);
        self.keep_aside(site);
    }
}

/// Keeps these nodes for somebody, or no more.
pub(super) fn set_aside(nodes: &[usize], aside: bool, site: &mut Site) {
    for node in nodes {
        site.planner.set_aside(*node, aside);
    }
}
