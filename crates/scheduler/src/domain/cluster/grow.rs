//! The queues of a cluster: they grow anew, for all whose work there is, when work of somebody new comes, when operators change
//! them, and when there is more or less to share.

use std::collections::BTreeSet;

use super::{Cluster, Reserved};
use crate::domain::engine::{NodeView, Place};
use crate::domain::queue::{Amount, Book, Grown, Owner, Queues, Usage};

impl Cluster {
    /// Lets the queues grow anew, for all whose work there is, on the nodes that there are.
    pub(super) fn grow(&mut self) {
        let owners: BTreeSet<Owner> = self
            .known
            .values()
            .map(|known| known.work.owner.clone())
            .collect();
        let total = total(self.board.nodes());
        let grown = self.book.grow(&owners, total);
        // What was written down was checked then; placement goes on in any case.
        let Ok(Grown {
            tree,
            names,
            leaves,
        }) = grown.or_else(|_| Book::default().grow(&owners, total))
        else {
            unreachable!("a book without queues has nothing that could be refused");
        };
        let lately = self.queues.usage().by_name(&self.names);
        let reserved = self.reserved();
        self.queues.clear_aside(self.board.site());
        self.queues = Queues::new(tree, self.rules);
        let usage = Usage::of(&lately, &names, self.rules.half_life_ms);
        self.queues.set_usage(usage);
        (self.names, self.leaf_of, self.stale) = (names, leaves, false);
        self.fill();
        if let Some(reserved) = reserved {
            self.resume_reservation(&reserved);
        }
    }

    pub(super) fn reserved(&self) -> Option<Reserved> {
        let (number, nodes, since_ms) = self.queues.reserved()?;
        let nodes = nodes.iter().map(|at| self.board.nodes().get(*at));
        Some(Reserved {
            workload_id: self.known.get(&number)?.work.id.clone(),
            node_ids: nodes
                .map(|node| Some(node?.id.clone()))
                .collect::<Option<_>>()?,
            since_ms,
        })
    }

    pub(super) fn resume_reservation(&mut self, reserved: &Reserved) {
        let number = self.numbers.get(&reserved.workload_id).copied();
        let known = number.and_then(|number| self.known.get(&number));
        let waits = known.filter(|known| known.run.is_none());
        let job = waits.and_then(|known| self.job(number?, &known.work));
        let ids = reserved.node_ids.iter();
        let nodes: Option<Vec<usize>> = ids.map(|id| self.board.position(id)).collect();
        if let (Some(job), Some(nodes)) = (job, nodes) {
            let site = self.board.site();
            self.queues
                .resume_reservation(job, nodes, reserved.since_ms, site);
        }
    }

    /// Tells new queues what waits, runs and leaves.
    fn fill(&mut self) {
        let mut leaving = Vec::new();
        for (number, known) in &self.known {
            let Some(job) = self.job(*number, &known.work) else {
                continue;
            };
            let Some(run) = &known.run else {
                self.queues.wait(job);
                continue;
            };
            let place: Option<Place> = self.board.place_named(&run.node_id, &run.gpu_uuids);
            let places = place.into_iter().collect();
            self.queues.resume(job, places, run.started_ms);
            if let Some(by) = &run.by {
                // A node that has closed makes room for nobody.
                let takes_work = self.board.node(&run.node_id).is_some_and(takes_work);
                let by = self.numbers.get(by).filter(|_| takes_work);
                leaving.push((*number, by.copied()));
            }
        }
        for (number, by) in leaving {
            let known = by.and_then(|by| Some((by, self.known.get(&by)?)));
            let waits = known.filter(|(_, known)| known.run.is_none());
            let by = waits.and_then(|(by, known)| self.job(by, &known.work));
            self.queues
                .resume_leaving(number, by.as_ref(), self.board.site());
        }
    }
}

pub(super) fn takes_work(node: &NodeView) -> bool {
    node.closed.is_none() && !node.gone
}

/// All that there is on nodes that take work: what is shared.
pub(crate) fn total(nodes: &[NodeView]) -> Amount {
    let there = nodes.iter().filter(|node| takes_work(node));
    there.fold(Amount::default(), |sum, node| {
        let gpus = i64::try_from(node.devices.len()).unwrap_or(i64::MAX);
        let (cores, memory) = (node.total.milli_cores, node.total.memory_mib);
        sum.plus(Amount([
            gpus.saturating_mul(1_000),
            cores.into(),
            memory.into(),
        ]))
    })
}
