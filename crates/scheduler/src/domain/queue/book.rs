//! Which queues there are: what operators wrote down, and a queue of its own for everybody whom they did not think of.
//!
//! Every owner of work has exactly one leaf, whatever is written: nobody waits for an administrator.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::amount::{Amount, KINDS};
use super::tree::{QueueSpec, Tree};

/// The queue of all free work: it gets what nobody else wants.
pub(crate) const FREE: &str = "free";

/// Whose work it is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub(crate) struct Owner {
    pub(crate) team_id: String,
    pub(crate) project_id: String,
    /// It runs on what nobody pays for.
    pub(crate) free: bool,
}

/// Whose work a queue takes in.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) enum Serves {
    /// Only what queues below it take in.
    Nobody,
    /// All work of a team that no queue of a project takes in.
    Team(String),
    /// All work of a project.
    Project(String),
}

/// A queue as an operator wrote it down. Kinds as in [`KINDS`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Written {
    pub(crate) name: String,
    /// The queue above; `None` = directly below the whole cluster.
    pub(crate) parent: Option<String>,
    pub(crate) serves: Serves,
    /// What it gets back from whoever borrowed it. Cores and memory that are not given follow the GPUs, see [`Written::deserves`].
    pub(crate) deserved: [Option<i64>; KINDS.len()],
    /// What it never holds more of; `None` = no limit of this kind.
    pub(crate) limit: [Option<i64>; KINDS.len()],
    /// Its part of what nobody deserves or wants, beside its siblings; 0 = it gets nothing of that.
    pub(crate) over_quota_weight: u32,
}

/// The queues that were written down, by name.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Book(Vec<Written>);

/// A tree with a leaf for everybody whose work there is.
#[derive(Clone, Debug)]
pub(crate) struct Grown {
    pub(crate) tree: Tree,
    /// The name of each queue of the tree, by its number. The written ones come first, in the order of the book.
    pub(crate) names: Vec<String>,
    pub(crate) leaves: BTreeMap<Owner, usize>,
}

impl Written {
    /// What it deserves in a cluster of `total`: as written, and of cores and memory that were not given the same part of the
    /// cluster as of its GPUs, but no more than its limit.
    pub(crate) fn deserves(&self, total: Amount) -> Amount {
        let [gpus, ..] = self.deserved;
        let [all_gpus, ..] = total.0;
        let part = |whole: i64| match gpus {
            Some(gpus) if all_gpus > 0 => {
                let part = i128::from(whole) * i128::from(gpus) / i128::from(all_gpus);
                i64::try_from(part).unwrap_or(i64::MAX)
            }
            _ => 0,
        };
        let mut deserves = total;
        let kinds = deserves.0.iter_mut().zip(self.deserved).zip(self.limit);
        for ((kind, given), limit) in kinds {
            let followed = part(*kind).min(limit.unwrap_or(i64::MAX)).max(0);
            *kind = given.unwrap_or(followed);
        }
        deserves
    }

    /// What it never holds more of; `None` = it has no limit at all.
    pub(crate) fn limit(&self) -> Option<Amount> {
        let any = self.limit.iter().any(Option::is_some);
        any.then(|| Amount(self.limit.map(|limit| limit.unwrap_or(i64::MAX))))
    }

    fn spec(&self, total: Amount) -> QueueSpec {
        QueueSpec {
            name: self.name.clone(),
            parent: self.parent.clone(),
            deserved: self.deserves(total),
            limit: self.limit(),
            over_quota_weight: self.over_quota_weight,
        }
    }
}

impl Book {
    /// A book of these queues, in whatever order they come.
    pub(crate) fn new(mut written: Vec<Written>) -> Self {
        written.sort_by(|one, other| one.name.cmp(&other.name));
        Self(written)
    }

    /// The queues that were written down, by name.
    pub(crate) fn written(&self) -> &[Written] {
        &self.0
    }

    /// Whether these queues can be in a cluster of `total`.
    ///
    /// # Errors
    /// The queue that cannot be, the value, and what would be right, in words.
    pub(crate) fn check(&self, total: Amount) -> Result<(), String> {
        self.check_written()?;
        Tree::new(&self.specs(total), total).map(drop)
    }

    /// The same for queues that were `before` until now: where more is promised already than there is, because nodes were given
    /// up, a change may not promise more still, but need not mend all at once.
    ///
    /// # Errors
    /// As [`Book::check`].
    pub(crate) fn check_after(&self, before: &Self, total: Amount) -> Result<(), String> {
        let Err(wrong) = self.check(total) else {
            return Ok(());
        };
        self.check_written()?;
        let promised = before.0.iter().filter(|queue| queue.parent.is_none());
        let promised = promised.fold(Amount::default(), |sum, queue| {
            sum.plus(queue.deserves(total))
        });
        let no_worse = Tree::new(&self.specs(total), total.most(promised));
        no_worse.map(drop).map_err(|_| wrong)
    }

    fn check_written(&self) -> Result<(), String> {
        let mut served: BTreeMap<&Serves, &str> = BTreeMap::new();
        for queue in &self.0 {
            let name = &queue.name;
            kernel::text::slug("queue", name)
                .map_err(|wrong| format!("queue {}", wrong.problem))?;
            if name == FREE {
                return Err(format!(
                    "queue {name:?} is there for all free work by itself; choose another name"
                ));
            }
            let (whose, id) = match &queue.serves {
                Serves::Nobody => continue,
                Serves::Team(id) => ("team", id),
                Serves::Project(id) => ("project", id),
            };
            if id.is_empty() {
                return Err(format!(
                    "queue {name:?} serves a {whose} without a name; give its identifier"
                ));
            }
            if let Some(other) = served.insert(&queue.serves, name) {
                return Err(format!(
                    "queues {other:?} and {name:?} both serve {whose} {id:?}; one queue can"
                ));
            }
        }
        Ok(())
    }

    /// The tree for work of these owners, also where less is there than is guaranteed: nodes may be away for a while.
    ///
    /// # Errors
    /// What [`Book::check`] refuses in a cluster of any size.
    pub(crate) fn grow(&self, owners: &BTreeSet<Owner>, total: Amount) -> Result<Grown, String> {
        self.check_written()?;
        // By themselves first: no written queue is below one that nobody wrote down.
        Tree::of(&self.specs(total), total)?;
        let mut growth = Growth::of(self, total);
        let mut leaves = BTreeMap::new();
        for owner in owners {
            leaves.insert(owner.clone(), growth.leaf(owner));
        }
        let names = growth.specs.iter().map(|spec| spec.name.clone()).collect();
        Ok(Grown {
            tree: Tree::of(&growth.specs, total)?,
            names,
            leaves,
        })
    }

    fn specs(&self, total: Amount) -> Vec<QueueSpec> {
        self.0.iter().map(|queue| queue.spec(total)).collect()
    }
}

/// The queues so far, while leaves are added to those that were written down.
struct Growth<'a> {
    specs: Vec<QueueSpec>,
    /// The queue that serves a team or a project.
    serving: BTreeMap<&'a Serves, usize>,
    /// Names of queues with written queues below them.
    parents: BTreeSet<&'a str>,
    /// The number of each queue that nobody wrote down.
    implicit: BTreeMap<String, usize>,
}

impl<'a> Growth<'a> {
    fn of(book: &'a Book, total: Amount) -> Self {
        let mut serving = BTreeMap::new();
        for (at, queue) in book.0.iter().enumerate() {
            serving.entry(&queue.serves).or_insert(at);
        }
        let parents = book.0.iter().filter_map(|queue| queue.parent.as_deref());
        Self {
            specs: book.specs(total),
            serving,
            parents: parents.collect(),
            implicit: BTreeMap::new(),
        }
    }

    /// The leaf for this owner's work.
    fn leaf(&mut self, owner: &Owner) -> usize {
        if owner.free {
            return self.own(FREE.to_owned(), None, 0);
        }
        let project = Serves::Project(owner.project_id.clone());
        let team = Serves::Team(owner.team_id.clone());
        let serving = self.serving.get(&project).or(self.serving.get(&team));
        let named = |at: usize| self.specs.get(at).map(|spec| spec.name.clone());
        match serving.and_then(|at| Some((*at, named(*at)?))) {
            // Work waits in leaves only.
            Some((_, name)) if self.parents.contains(name.as_str()) => {
                self.own(format!("{name} (rest)"), Some(name), 1)
            }
            Some((at, _)) => at,
            None => self.own(format!("team {}", owner.team_id), None, 1),
        }
    }

    /// The queue of this name that nobody wrote down: nothing is promised to it, and it has no limit.
    fn own(&mut self, name: String, parent: Option<String>, weight: u32) -> usize {
        let next = self.specs.len();
        let at = *self.implicit.entry(name.clone()).or_insert(next);
        if at == next {
            self.specs.push(QueueSpec {
                name,
                parent,
                deserved: Amount::default(),
                limit: None,
                over_quota_weight: weight,
            });
        }
        at
    }
}

#[cfg(test)]
mod tests;
