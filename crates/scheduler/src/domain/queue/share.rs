//! What each queue may hold in fairness: first what it deserves, then of the rest by weight, never more than it wants.

use super::amount::{Amount, KINDS};
use super::lately::Lately;
use super::tree::Tree;

impl Tree {
    /// The fair share of every queue, when each wants `wanted` (what its leaves hold and wait for) and weighs `weights`.
    pub(super) fn fair_shares(&self, wanted: &[Amount], weights: &[f64]) -> Vec<Amount> {
        let mut shares = vec![Amount::default(); self.queues.len()];
        let of = |at: usize| wanted.get(at).copied().unwrap_or_default();
        let roots: Vec<usize> = self.roots().collect();
        self.split(&roots, self.total, &of, weights, &mut shares);
        for at in &self.downwards {
            if let Some(queue) = self.queues.get(*at) {
                let whole = shares.get(*at).copied().unwrap_or_default();
                self.split(&queue.children, whole, &of, weights, &mut shares);
            }
        }
        shares
    }

    /// Adds what leaves hold or want to all queues above, none beyond its limit.
    pub(super) fn summed(&self, leaves: &[Amount]) -> Vec<Amount> {
        let mut sums = leaves.to_vec();
        for at in self.downwards.iter().rev() {
            let Some(queue) = self.queues.get(*at) else {
                continue;
            };
            let sum = sums.get(*at).copied().unwrap_or_default();
            let sum = queue.limit.map_or(sum, |limit| sum.least(limit));
            if let Some(own) = sums.get_mut(*at) {
                *own = sum;
            }
            if let Some(above) = queue.parent.and_then(|parent| sums.get_mut(parent)) {
                *above = above.plus(sum);
            }
        }
        sums
    }

    /// Adds what leaves hold to all queues above.
    pub(super) fn totalled(&self, leaves: &[Amount]) -> Vec<Amount> {
        let mut sums = leaves.to_vec();
        for at in self.downwards.iter().rev() {
            let sum = sums.get(*at).copied().unwrap_or_default();
            let above = self.queues.get(*at).and_then(|queue| queue.parent);
            if let Some(above) = above.and_then(|above| sums.get_mut(above)) {
                *above = above.plus(sum);
            }
        }
        sums
    }

    /// Splits `whole` among siblings, kind by kind.
    fn split(
        &self,
        siblings: &[usize],
        whole: Amount,
        wanted: &impl Fn(usize) -> Amount,
        weights: &[f64],
        shares: &mut [Amount],
    ) {
        for kind in 0..KINDS.len() {
            let part = |amount: Amount| amount.0.get(kind).copied().unwrap_or(0);
            let sides: Vec<Side> = siblings
                .iter()
                .filter_map(|at| {
                    let want = part(wanted(*at));
                    let deserved = part(self.queues.get(*at)?.deserved).min(want);
                    let weight = weights.get(*at).copied().unwrap_or(0.0);
                    Some(Side {
                        want,
                        deserved,
                        weight,
                    })
                })
                .collect();
            let parts = fill(&sides, part(whole));
            for (at, got) in siblings.iter().zip(parts) {
                let share = shares.get_mut(*at).and_then(|share| share.0.get_mut(kind));
                if let Some(share) = share {
                    *share = got;
                }
            }
        }
    }
}

/// A sibling as the split sees it.
struct Side {
    want: i64,
    deserved: i64,
    weight: f64,
}

/// Fills siblings like vessels of the width of their weights, over what they deserve, until `whole` is gone or all have what they want.
fn fill(sides: &[Side], whole: i64) -> Vec<i64> {
    let mut got: Vec<i64> = sides.iter().map(|side| side.deserved).collect();
    let mut left = whole - got.iter().sum::<i64>();
    while left > 0 {
        let open = || {
            sides
                .iter()
                .zip(&got)
                .filter(|(side, got)| side.weight > 0.0 && **got < side.want)
        };
        let width: f64 = open().map(|(side, _)| side.weight).sum();
        if width <= 0.0 {
            break;
        }
        let pour = left as f64;
        for (side, got) in sides.iter().zip(&mut got) {
            if side.weight > 0.0 && *got < side.want {
                // At least one unit, so that it ends: what is left over by rounding goes to the first.
                let part = ((pour * side.weight / width) as i64).max(1);
                let more = part.min(side.want - *got).min(left);
                *got += more;
                left -= more;
            }
        }
    }
    got
}

/// How often use halves a weight at most.
const MOST_HALVINGS: f64 = 20.0;

/// Use so far, forgotten by halves: the mean of dominant shares, where what is one half-life older weighs half.
#[derive(Clone, Debug)]
pub(crate) struct Usage {
    half_life_ms: u64,
    at_ms: u64,
    means: Vec<f64>,
}

impl Usage {
    pub(super) fn new(queues: usize, half_life_ms: u64) -> Self {
        Self {
            half_life_ms,
            at_ms: 0,
            means: vec![0.0; queues],
        }
    }

    /// Goes on to `now_ms`; since the last time each queue held `held` of `total`.
    pub(super) fn advance(&mut self, now_ms: u64, held: &[Amount], total: Amount) {
        let passed = now_ms.saturating_sub(self.at_ms) as f64;
        let kept = (-passed / self.half_life_ms.max(1) as f64).exp2();
        for (mean, held) in self.means.iter_mut().zip(held) {
            // Where nodes have closed, work may hold more than there is.
            let used = held.dominant_of(total).min(1.0);
            *mean = *mean * kept + used * (1.0 - kept);
        }
        self.at_ms = self.at_ms.max(now_ms);
    }

    /// The same in queues of these names, to be written down.
    pub(crate) fn by_name(&self, names: &[String]) -> Lately {
        Lately::new(self.at_ms, names.iter().zip(self.means.iter().copied()))
    }

    /// What was written down, for queues of these names.
    pub(crate) fn of(lately: &Lately, names: &[String], half_life_ms: u64) -> Self {
        Self {
            half_life_ms,
            at_ms: lately.at_ms(),
            means: names.iter().map(|name| lately.mean(name)).collect(),
        }
    }

    /// The time that it is known for.
    pub(super) fn at_ms(&self) -> u64 {
        self.at_ms
    }

    /// The weights of all queues, smaller the more a queue has used beside its siblings (Slurm's fair-share factor, 2^(-used/due)).
    pub(super) fn weights(&self, tree: &Tree) -> Vec<f64> {
        let mut weights: Vec<f64> = tree.queues.iter().map(|queue| queue.weight).collect();
        for (at, queue) in tree.queues.iter().enumerate() {
            let siblings = tree.siblings(at);
            let sum = |of: &dyn Fn(usize) -> f64| siblings.iter().map(|at| of(*at)).sum::<f64>();
            let used = |at: usize| self.means.get(at).copied().unwrap_or(0.0);
            let weight = |at: usize| tree.queues.get(at).map_or(0.0, |queue| queue.weight);
            let (all_used, all_weights) = (sum(&used), sum(&weight));
            if all_used > 0.0 && queue.weight > 0.0 {
                let due = queue.weight / all_weights;
                // Never down to nothing: who used most still has a weight.
                let factor = (-used(at) / all_used / due).max(-MOST_HALVINGS).exp2();
                if let Some(weight) = weights.get_mut(at) {
                    *weight *= factor;
                }
            }
        }
        weights
    }
}

#[cfg(test)]
mod tests {
    use super::super::tree::QueueSpec;
    use super::*;
    use proptest::prelude::*;

    fn flat(queues: &[(i64, u32)], total: u32) -> Tree {
        let specs: Vec<QueueSpec> = queues
            .iter()
            .enumerate()
            .map(|(at, (deserved, weight))| QueueSpec {
                name: format!("q{at}"),
                parent: None,
                deserved: Amount([deserved * 1_000, 0, 0]),
                limit: None,
                over_quota_weight: *weight,
            })
            .collect();
        Tree::new(&specs, Amount::gpus(total)).unwrap()
    }

    #[test]
    fn what_nobody_wants_is_lent_by_weight() {
        let tree = flat(&[(10, 1), (10, 3), (20, 1)], 40);
        let wanted = [100, 100, 4].map(Amount::gpus);
        let shares = tree.fair_shares(&wanted, &[1.0, 3.0, 1.0]);
        assert_eq!(shares, [14, 22, 4].map(Amount::gpus));
    }

    #[test]
    fn weights_even_out_what_was_used() {
        let tree = flat(&[(0, 1), (0, 1)], 8);
        let mut usage = Usage::new(2, 1_000);
        usage.advance(10_000, &[Amount::gpus(8), Amount::gpus(0)], tree.total);
        let weights = usage.weights(&tree);
        assert!(weights[0] < weights[1] / 3.0, "{weights:?}");
        // Ten half-lives of the reverse, and it is the other way round.
        usage.advance(20_000, &[Amount::gpus(0), Amount::gpus(8)], tree.total);
        let weights = usage.weights(&tree);
        assert!(weights[1] < weights[0] / 3.0, "{weights:?}");
    }

    #[test]
    fn work_on_nodes_that_have_closed_counts_as_all_there_is_and_no_more() {
        let tree = flat(&[(0, 1), (0, 1)], 8);
        let mut usage = Usage::new(2, 1_000);
        let held = [Amount::gpus(8), Amount::gpus(0)];
        usage.advance(0, &held, Amount::gpus(0));
        usage.advance(10_000, &held, Amount::gpus(0));
        usage.advance(30_000, &[Amount::gpus(0); 2], tree.total);
        let weights = usage.weights(&tree);
        assert!(
            weights
                .iter()
                .all(|weight| weight.is_finite() && *weight > 0.2),
            "{weights:?}"
        );
    }

    proptest! {
        #[test]
        fn shares_are_within_what_is_there_and_wanted_and_keep_guarantees(
            queues in prop::collection::vec((0_i64..10, 0_u32..5, 0_u32..60), 1..6),
            spare in 0_u32..40,
        ) {
            let pairs: Vec<(i64, u32)> = queues.iter().map(|queue| (queue.0, queue.1)).collect();
            let promised: i64 = pairs.iter().map(|pair| pair.0).sum();
            let tree = flat(&pairs, u32::try_from(promised).unwrap() + spare);
            let wanted: Vec<Amount> = queues.iter().map(|queue| Amount::gpus(queue.2)).collect();
            let weights: Vec<f64> = queues.iter().map(|queue| queue.1.into()).collect();
            let shares = tree.fair_shares(&wanted, &weights);
            let sum = shares.iter().fold(Amount::default(), |sum, share| sum.plus(*share));
            prop_assert!(sum.is_within(tree.total));
            let mut all_served = true;
            for ((share, wanted), (deserved, weight, _)) in shares.iter().zip(&wanted).zip(&queues) {
                prop_assert!(share.is_within(*wanted));
                prop_assert!(share.0[0] >= (deserved * 1_000).min(wanted.0[0]));
                all_served &= *weight == 0 || share == wanted;
            }
            prop_assert!(all_served || sum == tree.total, "nothing is left while somebody wants it");
        }
    }
}
