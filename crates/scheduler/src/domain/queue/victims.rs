//! Who makes room for a gang: with the least damage, which is the lowest in priority first, then the fewest, then the youngest.

use std::collections::{BTreeMap, BTreeSet};

use super::gang::Gang;
use crate::domain::engine::{Fleet, Place};

/// What runs and may be stopped.
#[derive(Clone, Debug)]
pub(super) struct Candidate<'a> {
    pub(super) id: u64,
    pub(super) priority: i32,
    pub(super) started_ms: u64,
    pub(super) gang: &'a Gang,
    pub(super) places: &'a [Place],
}

/// What it costs to stop some: the highest priority among them, how many, and since when the oldest has run.
type Damage = (i32, usize, std::cmp::Reverse<u64>);

/// The nodes, as if some of the candidates were gone.
struct Trial<'a> {
    fleet: Fleet,
    gang: &'a Gang,
    candidates: &'a [Candidate<'a>],
    gone: BTreeSet<usize>,
    rooms: Vec<u32>,
}

/// Those of `candidates` that make enough room for `gang` when they go; `None` = there is no such choice.
/// `may_go` is asked with those that have been chosen, and one more: it refuses who must stay once they are gone.
pub(super) fn choose(
    fleet: &Fleet,
    gang: &Gang,
    candidates: &[Candidate<'_>],
    may_go: &dyn Fn(&BTreeSet<usize>, usize) -> bool,
) -> Option<Vec<u64>> {
    let mut trial = Trial {
        fleet: fleet.clone(),
        gang,
        candidates,
        gone: BTreeSet::new(),
        rooms: (0..fleet.len())
            .map(|node| gang.room(fleet, node))
            .collect(),
    };
    let mut options: Vec<(Damage, Vec<usize>)> = trial
        .by_node()
        .into_iter()
        .filter_map(|(node, there)| trial.option(node, &there, may_go))
        .collect();
    options.sort();
    for (_, option) in options {
        if trial.is_enough() {
            break;
        }
        for at in option {
            if trial.gone.contains(&at) {
                continue;
            }
            if !may_go(&trial.gone, at) {
                break;
            }
            trial.go(at);
        }
    }
    if !trial.is_enough() {
        return None;
    }
    trial.spare();
    let gone = trial.gone.iter().filter_map(|at| candidates.get(*at));
    Some(gone.map(|candidate| candidate.id).collect())
}

impl Trial<'_> {
    fn is_enough(&self) -> bool {
        let room: u64 = self.rooms.iter().map(|room| u64::from(*room)).sum();
        room >= self.gang.count.into()
    }

    /// Candidates by node, those that cost least first.
    fn by_node(&self) -> BTreeMap<usize, Vec<usize>> {
        let mut nodes: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
        for (at, candidate) in self.candidates.iter().enumerate() {
            let on: BTreeSet<usize> = candidate.places.iter().map(|place| place.node).collect();
            for node in on {
                nodes.entry(node).or_default().push(at);
            }
        }
        for there in nodes.values_mut() {
            there.sort_by_key(|at| self.worth(*at));
        }
        nodes
    }

    /// How dear a candidate is: its priority, then how long it has run.
    fn worth(&self, at: usize) -> Option<(i32, std::cmp::Reverse<u64>, std::cmp::Reverse<u64>)> {
        let candidate = self.candidates.get(at)?;
        let since = std::cmp::Reverse(candidate.started_ms);
        Some((candidate.priority, since, std::cmp::Reverse(candidate.id)))
    }

    /// The first of those on the node that make room for a member more there, and the damage.
    fn option(
        &mut self,
        node: usize,
        there: &[usize],
        may_go: &dyn Fn(&BTreeSet<usize>, usize) -> bool,
    ) -> Option<(Damage, Vec<usize>)> {
        let before = self.rooms.get(node).copied()?;
        let mut option = Vec::new();
        let mut chosen = BTreeSet::new();
        let mut is_enough = false;
        for at in there {
            if !may_go(&chosen, *at) {
                continue;
            }
            chosen.insert(*at);
            option.push(*at);
            self.go(*at);
            if self.rooms.get(node).is_some_and(|room| *room > before) {
                is_enough = true;
                break;
            }
        }
        for at in option.iter().rev() {
            self.stay(*at);
        }
        let chosen = || option.iter().filter_map(|at| self.candidates.get(*at));
        let oldest = chosen().map(|one| one.started_ms).min()?;
        let priority = chosen().map(|one| one.priority).max()?;
        let damage = (priority, option.len(), std::cmp::Reverse(oldest));
        is_enough.then_some((damage, option))
    }

    fn go(&mut self, at: usize) {
        if let Some(candidate) = self.candidates.get(at) {
            for place in candidate.places {
                self.fleet.give_back(&candidate.gang.member, *place);
            }
            self.gone.insert(at);
            self.count(candidate.places);
        }
    }

    fn stay(&mut self, at: usize) {
        if let Some(candidate) = self.candidates.get(at) {
            for place in candidate.places {
                self.fleet.take(&candidate.gang.member, *place);
            }
            self.gone.remove(&at);
            self.count(candidate.places);
        }
    }

    fn count(&mut self, changed: &[Place]) {
        for place in changed {
            if let Some(room) = self.rooms.get_mut(place.node) {
                *room = self.gang.room(&self.fleet, place.node);
            }
        }
    }

    /// Lets stay whoever need not go, the dearest first.
    fn spare(&mut self) {
        let mut dearest: Vec<usize> = self.gone.iter().copied().collect();
        dearest.sort_by_key(|at| std::cmp::Reverse(self.worth(*at)));
        for at in dearest {
            self.stay(at);
            if !self.is_enough() {
                self.go(at);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::engine::{DeviceSet, Server};

    /// Jobs of `(node, GPUs, priority, started)` on two nodes of 8, and who goes for `gpus`.
    fn chosen(jobs: &[(usize, usize, i32, u64)], gpus: u32) -> Option<Vec<u64>> {
        let mut fleet = Fleet::new(&[Server::of_gpus(8), Server::of_gpus(8)]);
        let mut used = [0, 0];
        let mut running = Vec::new();
        for (node, count, priority, started) in jobs {
            let gang = Gang::of_gpus(u32::try_from(*count).unwrap(), 8);
            let gpus: DeviceSet = (used[*node]..used[*node] + count).collect();
            used[*node] += count;
            let place = Place { node: *node, gpus };
            fleet.take(&gang.member, place);
            running.push((gang, [place], *priority, *started));
        }
        let candidates: Vec<Candidate<'_>> = (0..)
            .zip(&running)
            .map(|(id, (gang, places, priority, started_ms))| Candidate {
                id,
                priority: *priority,
                started_ms: *started_ms,
                gang,
                places,
            })
            .collect();
        choose(&fleet, &Gang::of_gpus(gpus, 8), &candidates, &|_, _| true)
    }

    #[test]
    fn the_lowest_go_before_the_fewest_and_those_before_the_youngest() {
        let few = [(0, 8, 0, 1), (1, 4, 0, 5), (1, 4, 0, 6)];
        assert_eq!(chosen(&few, 8), Some(vec![0]), "one instead of two");
        assert_eq!(
            chosen(&[(0, 8, 0, 1), (1, 8, 0, 5)], 8),
            Some(vec![1]),
            "the younger"
        );
        let low = [(0, 8, 1, 9), (1, 4, 0, 1), (1, 4, 0, 1)];
        assert_eq!(chosen(&low, 8), Some(vec![1, 2]), "two of lower priority");
        assert_eq!(chosen(&low, 4), Some(vec![2]), "no more than needed");
        assert_eq!(chosen(&few, 16), Some(vec![0, 1, 2]));
        assert_eq!(chosen(&few, 24), None);
    }
}
