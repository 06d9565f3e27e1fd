//! Decisions, one after the other. Scores of the nodes are kept for each request that came before, and after a decision only those of
//! the node that changed are counted anew: every node that fits is always compared, and nothing is counted twice.

use std::collections::{HashMap, VecDeque};

use super::ask::{Ask, DeviceSet, Place};
use super::fleet::{Bank, Fleet, Server, WHOLE};
use super::mix::Mix;
use super::policy::Policy;
use super::score::Look;
use super::seeded::Seeded;

/// Requests whose scores are kept; with one more, all are dropped and counted anew as they come.
const MOST_ROWS: usize = 1_024;
/// The score of a node that does not fit.
const UNFIT: i64 = i64::MIN;

/// The engine: the fleet and what was learnt of it.
#[derive(Clone, Debug)]
pub(crate) struct Planner {
    fleet: Fleet,
    mix: Mix,
    policy: Policy,
    rows: HashMap<Ask, Row>,
    /// Nodes as they changed, the oldest first; the first of them is the change of this number.
    changes: VecDeque<usize>,
    first_change: usize,
    /// The number of the last change of each node.
    changed: Vec<usize>,
    dice: Seeded,
}

/// How a decision came about: of all nodes those that fit best, with their scores; the first was taken.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Ranking {
    /// How many nodes fit.
    pub(crate) fit: u32,
    /// Nodes by their places, the best first. Scores compare within one ranking only.
    pub(crate) best: Vec<(usize, i64)>,
}

/// Nodes that a ranking names.
const NAMED: usize = 3;

/// The scores of all nodes for one request, as of a change.
#[derive(Clone, Debug, Default)]
struct Row {
    scores: Vec<i64>,
    seen: usize,
}

impl Planner {
    /// The engine on this fleet. `seed` matters to the policy that rolls dice only.
    pub(crate) fn new(fleet: Fleet, mix: Mix, policy: Policy, seed: u64) -> Self {
        Self {
            changed: vec![0; fleet.len()],
            fleet,
            mix,
            policy,
            rows: HashMap::new(),
            changes: VecDeque::new(),
            first_change: 1,
            dice: Seeded::new(seed),
        }
    }

    /// The nodes as they are now.
    pub(crate) fn fleet(&self) -> &Fleet {
        &self.fleet
    }

    fn look(&self) -> Look<'_> {
        Look {
            fleet: &self.fleet,
            mix: &self.mix,
            policy: self.policy,
        }
    }

    /// The best place for `ask`, which stays free until it is taken; `None` = it fits nowhere now.
    pub(crate) fn decide(&mut self, ask: &Ask) -> Option<Place> {
        let node = match ask.node {
            Some(bound) => Some(bound).filter(|node| self.fleet.admits(*node, ask)),
            None => self.best_node(ask),
        }?;
        let choice = self.look().choose(node, ask)?;
        let gpus = match self.policy {
            Policy::Random => self.any_gpus(node, ask).unwrap_or(choice.gpus),
            _ => choice.gpus,
        };
        Some(Place { node, gpus })
    }

    /// The same, with how it came about.
    pub(crate) fn decide_ranked(&mut self, ask: &Ask) -> Option<(Place, Ranking)> {
        let place = self.decide(ask)?;
        let ranking = match ask.node {
            Some(bound) => Ranking {
                fit: 1,
                best: vec![(bound, self.look().score(bound, ask))],
            },
            None => self
                .rows
                .get(ask)
                .map(|row| row.ranking(place.node))
                .unwrap_or_default(),
        };
        Some((place, ranking))
    }

    /// Takes a place that was decided.
    pub(crate) fn take(&mut self, ask: &Ask, place: Place) {
        self.fleet.take(ask, place);
        self.note_change(place.node);
    }

    /// Takes over what of a node is free now; `false` when only a new engine can (`Fleet::renew`).
    pub(super) fn renew(&mut self, node: usize, server: &Server) -> bool {
        let known = self.fleet.renew(node, server);
        self.note_change(node);
        known
    }

    /// Gives a place back.
    pub(crate) fn give_back(&mut self, ask: &Ask, place: Place) {
        self.fleet.give_back(ask, place);
        self.note_change(place.node);
    }

    /// Keeps the node for somebody, or no more: meanwhile nothing is placed there.
    pub(crate) fn set_aside(&mut self, node: usize, aside: bool) {
        if self.fleet.set_aside(node, aside) {
            self.note_change(node);
        }
    }

    /// The fragmentation of all nodes, in thousandths of GPUs (`served`).
    pub(crate) fn fragmented(&self) -> f64 {
        let look = Look {
            policy: Policy::Fgd,
            ..self.look()
        };
        let lost: i64 = (0..self.fleet.len()).map(|node| look.lost_now(node)).sum();
        lost as f64 / self.mix.all.max(1) as f64
    }

    /// Drops the scores that are kept.
    #[cfg(test)]
    pub(super) fn forget(&mut self) {
        self.rows.clear();
    }

    fn note_change(&mut self, node: usize) {
        let number = self.first_change + self.changes.len();
        self.changes.push_back(node);
        if let Some(last) = self.changed.get_mut(node) {
            *last = number;
        }
        // Who has seen none of the last changes, as many as there are nodes, counts all nodes anew.
        if self.changes.len() > self.fleet.len() {
            self.changes.pop_front();
            self.first_change += 1;
        }
    }

    fn best_node(&mut self, ask: &Ask) -> Option<usize> {
        if !self.rows.contains_key(ask) {
            if self.rows.len() >= MOST_ROWS {
                self.rows.clear();
            }
            self.rows.insert(ask.clone(), Row::default());
        }
        let look = Look {
            fleet: &self.fleet,
            mix: &self.mix,
            policy: self.policy,
        };
        let row = self.rows.get_mut(ask)?;
        let last = self.first_change + self.changes.len() - 1;
        if row.scores.is_empty() || row.seen + 1 < self.first_change {
            row.scores.clear();
            let all = (0..self.fleet.len()).map(|node| look.score(node, ask));
            row.scores.extend(all);
        } else {
            for number in row.seen + 1..=last {
                let node = self.changes.get(number - self.first_change);
                let newest = |node: &&usize| self.changed.get(**node) == Some(&number);
                if let Some(node) = node.filter(newest)
                    && let Some(score) = row.scores.get_mut(*node)
                {
                    *score = look.score(*node, ask);
                }
            }
        }
        row.seen = last;
        match self.policy {
            Policy::Random => row.any(&mut self.dice),
            _ => row.best(),
        }
    }

    /// GPUs of the node by the dice, of those that would do.
    fn any_gpus(&mut self, node: usize, ask: &Ask) -> Option<DeviceSet> {
        let banks: Vec<Bank> = self
            .fleet
            .banks(node)
            .filter(|bank| self.fleet.bank_fits(node, *bank, ask))
            .collect();
        let bank = banks.get(self.dice.below(banks.len()))?;
        let count = ask.gpus.milli().div_ceil(WHOLE) as usize;
        let mut fitting: Vec<usize> = bank
            .positions()
            .zip(self.fleet.bank_gpus(node, *bank))
            .filter(|(_, gpu)| ask.takes(gpu))
            .map(|(position, _)| position)
            .collect();
        self.dice.shuffle(&mut fitting);
        Some(fitting.into_iter().take(count).collect())
    }
}

impl Row {
    /// `taken` comes first: it is the best, unless dice chose it.
    fn ranking(&self, taken: usize) -> Ranking {
        let mut ranking = Ranking::default();
        for (node, score) in self.scores.iter().enumerate() {
            if *score == UNFIT {
                continue;
            }
            ranking.fit += 1;
            let better =
                |other: &(usize, i64)| other.0 != taken && (node == taken || *score > other.1);
            let best = &mut ranking.best;
            let at = best.iter().position(better).unwrap_or(best.len());
            if at < NAMED {
                best.insert(at, (node, *score));
                best.truncate(NAMED);
            }
        }
        ranking
    }

    /// The first of the best nodes.
    fn best(&self) -> Option<usize> {
        let mut best = (UNFIT, None);
        for (node, score) in self.scores.iter().enumerate() {
            if *score > best.0 {
                best = (*score, Some(node));
            }
        }
        best.1
    }

    /// One of the nodes that fit.
    fn any(&self, dice: &mut Seeded) -> Option<usize> {
        let fitting = || self.scores.iter().filter(|score| **score > UNFIT);
        let wanted = dice.below(fitting().count());
        let mut nodes = self.scores.iter().enumerate();
        nodes
            .by_ref()
            .filter(|(_, score)| **score > UNFIT)
            .nth(wanted)
            .map(|(node, _)| node)
    }
}

impl Look<'_> {
    fn score(self, node: usize, ask: &Ask) -> i64 {
        let fits = self.fleet.admits(node, ask);
        let choice = fits.then(|| self.choose(node, ask)).flatten();
        choice.map_or(UNFIT, |choice| choice.score)
    }
}
