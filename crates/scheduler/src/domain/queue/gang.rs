//! Members that start together or not at all, over one or many nodes.

use super::amount::Amount;
use crate::domain::engine::{Ask, Fleet, Gpus, Place, Planner, Ranking, WHOLE};

/// Members that are alike.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Gang {
    pub(crate) member: Ask,
    pub(crate) count: u32,
}

impl Gang {
    /// `gpus` on nodes of `per_node`: on one node if they fit there, else on whole nodes.
    pub(crate) fn of_gpus(gpus: u32, per_node: u32) -> Self {
        Self {
            member: Ask {
                gpus: Gpus::Whole(gpus.min(per_node)),
                ..Ask::default()
            },
            count: gpus.div_ceil(per_node.max(1)).max(1),
        }
    }

    /// What all members take.
    pub(crate) fn amount(&self) -> Amount {
        Amount::of(&self.member, self.count)
    }

    /// Whether smaller work can keep taking what it waits for: it needs more than one GPU at the same time.
    pub(super) fn can_starve(&self) -> bool {
        self.count > 1 || self.member.gpus.milli() > WHOLE
    }

    /// How many members fit on the node, as far as that matters.
    pub(super) fn room(&self, fleet: &Fleet, node: usize) -> u32 {
        fleet.room(node, &self.member, self.count)
    }

    /// Whether all members fit.
    pub(super) fn fits(&self, fleet: &Fleet) -> bool {
        let mut missing = self.count;
        (0..fleet.len()).any(|node| {
            missing -= self.room(fleet, node).min(missing);
            missing == 0
        })
    }

    /// Takes a place for every member, or nothing.
    pub(super) fn take(&self, planner: &mut Planner) -> Option<Vec<Place>> {
        Some(self.take_ranked(planner)?.0)
    }

    /// The same, with how the first member's place was chosen.
    pub(super) fn take_ranked(&self, planner: &mut Planner) -> Option<(Vec<Place>, Ranking)> {
        if self.count > 1 && !self.fits(planner.fleet()) {
            return None;
        }
        let mut places = Vec::new();
        let mut first = None;
        for _ in 0..self.count {
            let decided = match first {
                None => planner.decide_ranked(&self.member).map(|(place, ranking)| {
                    first = Some(ranking);
                    place
                }),
                Some(_) => planner.decide(&self.member),
            };
            let Some(place) = decided else {
                self.give_back(planner, &places);
                return None;
            };
            planner.take(&self.member, place);
            places.push(place);
        }
        Some((places, first.unwrap_or_default()))
    }

    /// Gives the members' places back.
    pub(crate) fn give_back(&self, planner: &mut Planner, places: &[Place]) {
        for place in places {
            planner.give_back(&self.member, *place);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::engine::{Mix, Policy, Server};
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_gang_is_placed_whole_or_not_at_all(
            gangs in prop::collection::vec((1_u32..5, 1_u32..5), 1..20),
            nodes in prop::collection::vec(0_usize..9, 1..6),
        ) {
            let servers: Vec<Server> = nodes.iter().map(|gpus| Server::of_gpus(*gpus)).collect();
            let mut planner = Planner::new(Fleet::new(&servers), Mix::of(&[]), Policy::BestFit, 0);
            let free = |planner: &Planner| -> u32 {
                (0..planner.fleet().len()).map(|node| planner.fleet().free_milli_gpu(node)).sum()
            };
            for (each, count) in gangs {
                let member = Ask { gpus: Gpus::Whole(each), ..Ask::default() };
                let gang = Gang { member, count };
                let (before, fits) = (free(&planner), gang.fits(planner.fleet()));
                let places = gang.take(&mut planner);
                prop_assert_eq!(places.is_some(), fits);
                let taken = places.map_or(0, |places| places.len() as u32) * each * 1_000;
                prop_assert!(taken == 0 || taken == each * count * 1_000);
                prop_assert_eq!(free(&planner), before - taken);
            }
        }
    }
}
