//! The nodes as they are, and as they would be if nothing ran.

use super::fleet::{Fleet, Server};
use super::planner::Planner;

/// The nodes as they are, and as they would be if nothing ran.
#[derive(Clone, Debug)]
pub(crate) struct Site {
    pub(crate) planner: Planner,
    pub(crate) empty: Fleet,
}

impl Site {
    /// A site where nothing runs yet.
    pub(crate) fn of_empty(planner: Planner) -> Self {
        let empty = planner.fleet().clone();
        Self { planner, empty }
    }

    /// Takes over a node as it is and as it would be; `false` when only a new site can (`Fleet::renew`).
    pub(super) fn renew(&mut self, node: usize, now: &Server, empty: &Server) -> bool {
        self.planner.renew(node, now) && self.empty.renew(node, empty)
    }
}
