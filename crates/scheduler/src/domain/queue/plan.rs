//! What each queue is due and holds, and who gains and loses when the queues are changed.

use std::collections::BTreeMap;

use super::amount::Amount;
use super::book::{Grown, Owner};

/// What the work of an owner, or of a queue, comes to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Demand {
    /// What it has.
    pub(crate) held: Amount,
    /// What it waits for besides.
    pub(crate) wanted: Amount,
    /// How many workloads wait.
    pub(crate) waiting: u64,
}

impl Demand {
    /// Both together.
    pub(crate) fn plus(self, other: Self) -> Self {
        Self {
            held: self.held.plus(other.held),
            wanted: self.wanted.plus(other.wanted),
            waiting: self.waiting.saturating_add(other.waiting),
        }
    }
}

/// How a queue stands.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Standing {
    pub(crate) name: String,
    /// The queue above; `None` = directly below the whole cluster.
    pub(crate) parent: Option<String>,
    pub(crate) deserved: Amount,
    pub(crate) weight: u32,
    /// Of the queue and of all below it.
    pub(crate) demand: Demand,
    /// What it may hold in fairness now.
    pub(crate) share: Amount,
}

impl Standing {
    /// What it holds beyond its share: whoever is due it may take it back.
    pub(crate) fn above(&self) -> Amount {
        self.demand.held.minus(self.share).most(Amount::default())
    }
}

/// A queue that gains or loses by a change; `None` = it is not there.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Change {
    pub(crate) before: Option<Standing>,
    pub(crate) after: Option<Standing>,
}

/// How the queues stand with these demands, by their numbers.
pub(crate) fn stand(grown: &Grown, demands: &BTreeMap<Owner, Demand>) -> Vec<Standing> {
    let mut own = vec![Demand::default(); grown.names.len()];
    for (owner, demand) in demands {
        let leaf = grown.leaves.get(owner).and_then(|at| own.get_mut(*at));
        if let Some(leaf) = leaf {
            *leaf = leaf.plus(*demand);
        }
    }
    let all = with_those_below(grown, &own);
    let queues = grown.tree.queues.iter().zip(&grown.names);
    let standings = queues.zip(all).zip(shares(grown, &own));
    standings
        .map(|(((queue, name), demand), share)| Standing {
            name: name.clone(),
            parent: queue.parent.and_then(|at| grown.names.get(at).cloned()),
            deserved: queue.deserved,
            // Made of a `u32`, see `Tree::of`.
            weight: queue.weight as u32,
            demand,
            share,
        })
        .collect()
}

/// The fair share of each queue, by its number, where its leaves have and want this.
fn shares(grown: &Grown, leaves: &[Demand]) -> Vec<Amount> {
    let tree = &grown.tree;
    let both = leaves.iter().map(|leaf| leaf.held.plus(leaf.wanted));
    let weights: Vec<f64> = tree.queues.iter().map(|queue| queue.weight).collect();
    tree.fair_shares(&tree.summed(&both.collect::<Vec<_>>()), &weights)
}

/// What each queue and all below it have and want: also what is beyond a limit, which a share leaves out.
fn with_those_below(grown: &Grown, leaves: &[Demand]) -> Vec<Demand> {
    let mut sums = leaves.to_vec();
    for at in grown.tree.downwards.iter().rev() {
        let parent = grown.tree.queues.get(*at).and_then(|queue| queue.parent);
        let own = sums.get(*at).copied().unwrap_or_default();
        if let Some(above) = parent.and_then(|parent| sums.get_mut(parent)) {
            *above = above.plus(own);
        }
    }
    sums
}

/// The queues whose share is another afterwards, or that have other work, by name.
pub(crate) fn compare(before: Vec<Standing>, after: Vec<Standing>) -> Vec<Change> {
    let mut changes: BTreeMap<String, Change> = BTreeMap::new();
    let none = || Change {
        before: None,
        after: None,
    };
    for standing in before {
        let name = standing.name.clone();
        changes.entry(name).or_insert_with(none).before = Some(standing);
    }
    for standing in after {
        let name = standing.name.clone();
        changes.entry(name).or_insert_with(none).after = Some(standing);
    }
    let felt = |standing: &Option<Standing>| {
        let standing = standing.as_ref();
        standing.map_or_else(Default::default, |standing| {
            (standing.share, standing.demand.held)
        })
    };
    changes
        .into_values()
        .filter(|change| felt(&change.before) != felt(&change.after))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::super::book::{Book, Serves, Written};
    use super::*;

    const TOTAL: Amount = Amount([8_000, 0, 0]);

    fn team(id: &str) -> Owner {
        Owner {
            team_id: id.to_owned(),
            project_id: "pr".to_owned(),
            free: false,
        }
    }

    fn demand(held: u32, wanted: u32) -> Demand {
        Demand {
            held: Amount::gpus(held),
            wanted: Amount::gpus(wanted),
            waiting: wanted.into(),
        }
    }

    fn queue(name: &str, parent: Option<&str>, serves: Serves, gpus: i64) -> Written {
        Written {
            name: name.to_owned(),
            parent: parent.map(str::to_owned),
            serves,
            deserved: [Some(gpus * 1_000), None, None],
            limit: [None; 3],
            over_quota_weight: 1,
        }
    }

    fn standings(written: Vec<Written>, demands: &BTreeMap<Owner, Demand>) -> Vec<Standing> {
        let owners = demands.keys().cloned().collect();
        let grown = Book::new(written).grow(&owners, TOTAL).unwrap();
        stand(&grown, demands)
    }

    #[test]
    fn a_promise_to_one_is_what_the_others_may_hold_less() {
        let demands = [(team("te-a"), demand(8, 0)), (team("te-b"), demand(0, 6))].into();
        let before = standings(Vec::new(), &demands);
        assert_eq!(before[0].above(), Amount::gpus(4));
        let promised = queue("b", None, Serves::Team("te-b".to_owned()), 5);
        let changes = compare(before, standings(vec![promised], &demands));
        let told: Vec<_> = changes
            .iter()
            .map(|change| {
                let share = |side: &Option<Standing>| side.as_ref().map(|side| side.share.0[0]);
                (share(&change.before), share(&change.after))
            })
            .collect();
        // The queue that was written down, its team's own, which it is in the place of, and the other team's.
        assert_eq!(
            told,
            [
                (None, Some(6_000)),
                (Some(4_000), Some(2_000)),
                (Some(4_000), None)
            ]
        );
        let loser = changes[1].after.as_ref().unwrap();
        assert_eq!(
            (loser.name.as_str(), loser.above()),
            ("team te-a", Amount::gpus(6))
        );
    }

    #[test]
    fn what_changes_nothing_for_anybody_is_no_change() {
        let demands = [(team("te-a"), demand(2, 0))].into();
        let idle = queue("idle", None, Serves::Nobody, 4);
        let before = standings(Vec::new(), &demands);
        assert_eq!(compare(before, standings(vec![idle], &demands)), []);
    }

    #[test]
    fn a_queue_holds_what_those_below_it_hold_also_beyond_a_limit() {
        let mut lab = queue("lab", None, Serves::Team("te-a".to_owned()), 1);
        lab.limit[0] = Some(3_000);
        let below = queue("x", Some("lab"), Serves::Project("pr-x".to_owned()), 1);
        let demands = [(team("te-a"), demand(5, 1))].into();
        let standings = standings(vec![lab, below], &demands);
        let of = |name: &str| standings.iter().find(|one| one.name == name).unwrap();
        assert_eq!(of("lab").demand, demand(5, 1));
        assert_eq!(of("lab").share, Amount::gpus(3));
        assert_eq!(of("lab").above(), Amount::gpus(2));
        assert_eq!(of("lab (rest)").parent.as_deref(), Some("lab"));
        assert_eq!(of("lab (rest)").share, Amount::gpus(3));
    }
}
