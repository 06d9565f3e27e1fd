//! The tree of queues: organisation, team, project. Every queue may be given what it deserves, a limit, and a weight for what is
//! left over. Work waits in the leaves.

use std::collections::BTreeMap;

use super::amount::{Amount, KINDS};

/// A queue as it is written down.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct QueueSpec {
    pub(crate) name: String,
    /// The queue above; `None` = directly below the whole cluster.
    pub(crate) parent: Option<String>,
    /// What it gets back from whoever borrowed it, as soon as it wants it.
    pub(crate) deserved: Amount,
    /// What it never holds more of; `None` = no limit.
    pub(crate) limit: Option<Amount>,
    /// Its part of what nobody deserves or wants, beside its siblings; 0 = it gets nothing of that.
    pub(crate) over_quota_weight: u32,
}

/// A queue in the tree, named by its place in the order in which they were given.
#[derive(Clone, Debug)]
pub(super) struct Queue {
    pub(super) parent: Option<usize>,
    pub(super) children: Vec<usize>,
    pub(super) deserved: Amount,
    pub(super) limit: Option<Amount>,
    pub(super) weight: f64,
}

/// A tree that holds: no cycle, nothing negative, no limit below what is deserved.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tree {
    pub(super) queues: Vec<Queue>,
    /// Queues, parents before children.
    pub(super) downwards: Vec<usize>,
    pub(super) total: Amount,
}

impl Tree {
    /// The tree of these queues in a cluster of `total`, which must be able to keep what it guarantees.
    ///
    /// # Errors
    /// The queue that cannot be, and what would be right, in words.
    pub(crate) fn new(specs: &[QueueSpec], total: Amount) -> Result<Self, String> {
        let tree = Self::of(specs, total)?;
        tree.check_guarantees(specs)?;
        Ok(tree)
    }

    /// The tree of these queues in a cluster of `total`, also where less is there than is guaranteed: nodes may be away for a while.
    ///
    /// # Errors
    /// The queue that cannot be in any cluster, and what would be right, in words.
    pub(super) fn of(specs: &[QueueSpec], total: Amount) -> Result<Self, String> {
        let mut named = BTreeMap::new();
        for (at, spec) in specs.iter().enumerate() {
            named.entry(spec.name.as_str()).or_insert(at);
        }
        let named = |name: &String| named.get(name.as_str()).copied();
        let mut queues = Vec::new();
        for (at, spec) in specs.iter().enumerate() {
            check(spec)?;
            if named(&spec.name) != Some(at) {
                return Err(format!(
                    "queue {:?} is there twice; names are unique",
                    spec.name
                ));
            }
            let parent = match &spec.parent {
                Some(parent) => Some(named(parent).ok_or_else(|| {
                    let name = &spec.name;
                    format!("queue {name:?}: its parent {parent:?} is not there")
                })?),
                None => None,
            };
            queues.push(Queue {
                parent,
                children: Vec::new(),
                deserved: spec.deserved,
                limit: spec.limit,
                weight: spec.over_quota_weight.into(),
            });
        }
        let mut depths = Vec::new();
        for (at, spec) in specs.iter().enumerate() {
            let depth = ancestors(&queues, at).take(specs.len() + 1).count();
            if depth > specs.len() {
                let name = &spec.name;
                return Err(format!(
                    "queue {name:?} is below itself; a tree has no cycle"
                ));
            }
            depths.push((depth, at));
        }
        depths.sort_unstable();
        let mut tree = Self {
            queues,
            downwards: depths.into_iter().map(|(_, at)| at).collect(),
            total,
        };
        tree.join();
        Ok(tree)
    }

    fn join(&mut self) {
        for at in 0..self.queues.len() {
            let parent = self.queues.get(at).and_then(|queue| queue.parent);
            if let Some(parent) = parent.and_then(|parent| self.queues.get_mut(parent)) {
                parent.children.push(at);
            }
        }
    }

    fn check_guarantees(&self, specs: &[QueueSpec]) -> Result<(), String> {
        let named = specs.iter().zip(&self.queues);
        let inner = named.filter(|(_, queue)| !queue.children.is_empty());
        let inner = inner.map(|(spec, queue)| {
            let name = format!("queue {:?} deserves", spec.name);
            (name, &queue.children, queue.deserved)
        });
        let roots = self.roots().collect();
        let whole = ("the cluster has".to_owned(), &roots, self.total);
        for (has, children, most) in inner.chain([whole]) {
            let promised = children.iter().filter_map(|at| self.queues.get(*at));
            let promised = promised.fold(Amount::default(), |sum, queue| sum.plus(queue.deserved));
            for ((kind, promised), most) in KINDS.iter().zip(promised.0).zip(most.0) {
                if promised > most {
                    return Err(format!(
                        "{has} {most} {kind}, the queues below it deserve {promised} together; they can deserve {most} at most"
                    ));
                }
            }
        }
        Ok(())
    }

    /// The queues directly below the whole cluster.
    pub(super) fn roots(&self) -> impl Iterator<Item = usize> + '_ {
        let queues = self.queues.iter().enumerate();
        queues
            .filter(|(_, queue)| queue.parent.is_none())
            .map(|(at, _)| at)
    }

    /// The queue and those with the same one above.
    pub(super) fn siblings(&self, at: usize) -> Vec<usize> {
        let parent = self.queues.get(at).and_then(|queue| queue.parent);
        match parent.and_then(|parent| self.queues.get(parent)) {
            Some(parent) => parent.children.clone(),
            None => self.roots().collect(),
        }
    }

    /// The queue and those above it, upwards.
    pub(super) fn path(&self, at: usize) -> impl Iterator<Item = usize> + '_ {
        [at].into_iter().chain(ancestors(&self.queues, at))
    }
}

fn ancestors(queues: &[Queue], at: usize) -> impl Iterator<Item = usize> + '_ {
    let above = move |at: usize| queues.get(at).and_then(|queue| queue.parent);
    std::iter::successors(above(at), move |at| above(*at))
}

fn check(spec: &QueueSpec) -> Result<(), String> {
    let name = &spec.name;
    let limit = spec.limit.unwrap_or(Amount([i64::MAX; KINDS.len()]));
    for ((kind, deserved), limit) in KINDS.iter().zip(spec.deserved.0).zip(limit.0) {
        for (what, value) in [("deserved", deserved), ("limit", limit)] {
            if value < 0 {
                return Err(format!(
                    "queue {name:?}: {what} is {value} {kind}; 0 or more is needed"
                ));
            }
        }
        if limit < deserved {
            return Err(format!(
                "queue {name:?}: its limit is {limit} {kind} and it deserves {deserved}; a limit cannot be less"
            ));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec(name: &str, parent: Option<&str>, gpus: i64) -> QueueSpec {
        QueueSpec {
            name: name.to_owned(),
            parent: parent.map(str::to_owned),
            deserved: Amount([gpus * 1_000, 0, 0]),
            limit: None,
            over_quota_weight: 1,
        }
    }

    #[test]
    fn a_tree_that_cannot_be_is_refused_and_the_queue_named() {
        let refused = |specs: &[QueueSpec]| Tree::new(specs, Amount::gpus(8)).unwrap_err();
        let cycle = [spec("a", Some("b"), 0), spec("b", Some("a"), 0)];
        assert_eq!(
            refused(&cycle),
            "queue \"a\" is below itself; a tree has no cycle"
        );
        assert_eq!(
            refused(&[spec("a", None, -1)]),
            "queue \"a\": deserved is -1000 milli-GPUs; 0 or more is needed"
        );
        let inner = [
            spec("org", None, 4),
            spec("x", Some("org"), 3),
            spec("y", Some("org"), 2),
        ];
        assert!(refused(&inner).starts_with("queue \"org\" deserves 4000 milli-GPUs"));
        assert!(refused(&[spec("a", None, 5), spec("b", None, 4)]).starts_with("the cluster has"));
        assert!(refused(&[spec("a", Some("z"), 0)]).contains("\"z\" is not there"));
        assert!(refused(&[spec("a", None, 0), spec("a", None, 0)]).contains("twice"));
        let mut low = spec("a", None, 4);
        low.limit = Some(Amount::gpus(3));
        assert!(refused(&[low]).contains("a limit cannot be less"));
    }

    #[test]
    fn parents_come_before_children_whatever_the_order_of_writing() {
        let specs = [
            spec("leaf", Some("team"), 1),
            spec("team", Some("org"), 2),
            spec("org", None, 3),
        ];
        let tree = Tree::new(&specs, Amount::gpus(8)).unwrap();
        assert_eq!(tree.downwards, [2, 1, 0]);
        assert_eq!(tree.path(0).collect::<Vec<_>>(), [0, 1, 2]);
    }
}
