//! What follows from the state of a node for the work on it: what can move is given up on a silent node and leaves a draining one,
//! what cannot is marked until the node answers, and what was on a node that is gone is lost. Drawn from the rows, so that it
//! happens also when whoever took over the news was interrupted.

use std::collections::HashMap;

use chassis::lease::{self, Held};
use chassis::{Error, Result};
use contracts::inventory::v1::{NodeLiveness, NodeSchedulable};
use contracts::scheduler::v1::{AttemptEnd, AttemptState, OnSilence, WorkloadSpec};
use kernel::time::from_micros;
use sea_orm::{ColumnTrait, DatabaseTransaction, EntityTrait, QueryFilter, QueryOrder};

use super::record::Locked;
use super::{App, view};
use crate::domain::follow::{self, Follow, NodeState, Work};
use crate::domain::lifecycle::{End, State};
use crate::store::entity;

/// Why what is on a draining node is stopped.
const DRAINED: &str = "its node is drained";

impl App {
    /// Brings every open attempt in line with the state of its node.
    pub(crate) async fn follow_nodes(&self) -> Result<()> {
        let held = self.leadership.held()?;
        let reader = self.database.reader();
        let nodes = entity::node::Entity::find().all(reader).await?;
        self.hang_up_on_gone(&nodes);
        let quiet = NodeState {
            gone: false,
            silent: false,
            draining: false,
            deadline: None,
        };
        let eventful: HashMap<_, _> = nodes
            .iter()
            .map(|node| (node.id.as_str(), state_of(node)))
            .filter(|(_, state)| *state != quiet)
            .collect();
        let open = entity::attempt::Entity::find()
            .filter(entity::attempt::Column::State.ne(i32::from(AttemptState::Ended)))
            .order_by_asc(entity::attempt::Column::Id)
            .all(reader)
            .await?;
        for attempt in open {
            let marked = attempt.unreachable_since.is_some();
            let news = match eventful.get(attempt.node_id.as_str()) {
                None => marked,
                // Silence that is marked already asks for nothing more.
                Some(state) => state.gone || !(state.silent && marked),
            };
            if news {
                self.follow_node_of(&held, &attempt).await?;
            }
        }
        Ok(())
    }

    async fn follow_node_of(&self, held: &Held, seen: &entity::attempt::Model) -> Result<()> {
        let transaction = self.database.begin().await?;
        lease::fence(&transaction, held).await?;
        let mut locked = self.lock(&transaction, &seen.workload_id).await?;
        let node = entity::node::Entity::find_by_id(&seen.node_id)
            .one(&transaction)
            .await?;
        let open = locked
            .attempt
            .take_if(|attempt| attempt.id == seen.id && view::state(attempt.state) != State::Ended);
        let (Some(attempt), Some(node)) = (open, node) else {
            return Ok(());
        };
        let work = Work {
            movable: is_movable(&view::decode_spec(&locked.workload.spec)?),
            stopping: view::state(attempt.state) == State::Stopping,
        };
        let marked = attempt.unreachable_since.is_some();
        match follow::follow(state_of(&node), work, self.clock.now()) {
            Follow::Stay if !marked => return Ok(()),
            Follow::Unreachable if marked => return Ok(()),
            Follow::Stay => self.mark(&transaction, locked, attempt, false).await?,
            Follow::Unreachable => self.mark(&transaction, locked, attempt, true).await?,
            Follow::Leave => self.ask_to_leave(&transaction, locked, attempt).await?,
            Follow::Lost => {
                let what = if node.given_up || node.deleted {
                    "was given up"
                } else {
                    "fell silent"
                };
                let reason = format!("node {} {what}", node.name);
                let (workload, now) = (locked.workload, self.clock.now());
                self.end_attempt(&transaction, workload, attempt, End::Lost, &reason, now)
                    .await?;
            }
        }
        transaction.commit().await?;
        self.nudge_all();
        Ok(())
    }

    /// Notes whether the node of an attempt answers.
    async fn mark(
        &self,
        transaction: &DatabaseTransaction,
        locked: Locked,
        mut attempt: entity::attempt::Model,
        silent: bool,
    ) -> Result<()> {
        attempt.unreachable_since = silent.then(|| self.clock.now().timestamp_micros());
        let attempt = self.store_attempt(transaction, attempt).await?;
        self.store_workload(transaction, locked.workload, Some(&attempt))
            .await?;
        Ok(())
    }

    /// Stops an attempt so that its workload waits for another place, or for this node to take work again.
    async fn ask_to_leave(
        &self,
        transaction: &DatabaseTransaction,
        locked: Locked,
        mut attempt: entity::attempt::Model,
    ) -> Result<()> {
        attempt.state = AttemptState::Stopping.into();
        attempt.state_since = self.clock.now().timestamp_micros();
        attempt.stop_as = AttemptEnd::Preempted.into();
        DRAINED.clone_into(&mut attempt.reason);
        attempt.unreachable_since = None;
        let attempt = self.store_attempt(transaction, attempt).await?;
        let mut workload = locked.workload;
        DRAINED.clone_into(&mut workload.reason);
        self.store_workload(transaction, workload, Some(&attempt))
            .await?;
        Ok(())
    }

    /// Ends the lines of nodes that are gone, and tells them why: they stop what they run.
    fn hang_up_on_gone(&self, nodes: &[entity::node::Model]) {
        for node in nodes.iter().filter(|node| node.given_up || node.deleted) {
            if let Some(link) = self.links.get(&node.id) {
                let node = node.id.clone();
                link.hang_up(Error::GivenUp { node });
            }
        }
    }
}

pub(super) fn is_movable(spec: &WorkloadSpec) -> bool {
    spec.on_silence() == OnSilence::Move
}

fn state_of(node: &entity::node::Model) -> NodeState {
    let draining = node.schedulable == i32::from(NodeSchedulable::Draining);
    NodeState {
        gone: node.given_up || node.deleted,
        silent: node.liveness == i32::from(NodeLiveness::Silent),
        draining,
        deadline: node.drain_deadline_at.filter(|_| draining).map(from_micros),
    }
}
