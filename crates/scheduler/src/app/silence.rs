//! What follows from the silence of a node for the work on it: what can move is given up there, what cannot is marked until the
//! node answers. Drawn from the rows, so that it happens also when whoever took over the news was interrupted.

use std::collections::HashSet;

use chassis::Result;
use chassis::lease::{self, Held};
use contracts::inventory::v1::NodeLiveness;
use contracts::scheduler::v1::{AttemptState, OnSilence};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryOrder};

use super::{App, view};
use crate::domain::lifecycle::{End, State};
use crate::store::entity;

impl App {
    /// Brings every open attempt in line with whether its node answers.
    pub(crate) async fn follow_silence(&self) -> Result<()> {
        let held = self.leadership.held()?;
        let reader = self.database.reader();
        let nodes = entity::node::Entity::find().all(reader).await?;
        let silent: HashSet<_> = nodes
            .iter()
            .filter(|node| is_silent(node))
            .map(|node| node.id.as_str())
            .collect();
        let open = entity::attempt::Entity::find()
            .filter(entity::attempt::Column::State.ne(i32::from(AttemptState::Ended)))
            .order_by_asc(entity::attempt::Column::Id)
            .all(reader)
            .await?;
        for attempt in open {
            if silent.contains(attempt.node_id.as_str()) != attempt.unreachable_since.is_some() {
                self.follow_silence_of(&held, &attempt).await?;
            }
        }
        Ok(())
    }

    async fn follow_silence_of(&self, held: &Held, seen: &entity::attempt::Model) -> Result<()> {
        let transaction = self.database.begin().await?;
        lease::fence(&transaction, held).await?;
        let locked = self.lock(&transaction, &seen.workload_id).await?;
        let node = entity::node::Entity::find_by_id(&seen.node_id)
            .one(&transaction)
            .await?;
        let open = locked
            .attempt
            .filter(|attempt| attempt.id == seen.id && view::state(attempt.state) != State::Ended);
        let (Some(mut attempt), Some(node)) = (open, node) else {
            return Ok(());
        };
        let silent = is_silent(&node);
        if silent == attempt.unreachable_since.is_some() {
            return Ok(());
        }
        let now = self.clock.now();
        let spec = view::decode_spec(&locked.workload.spec)?;
        if silent && spec.on_silence() == OnSilence::Move {
            let reason = format!("node {} fell silent", node.name);
            self.end_attempt(
                &transaction,
                locked.workload,
                attempt,
                End::Lost,
                &reason,
                now,
            )
            .await?;
        } else {
            attempt.unreachable_since = silent.then(|| now.timestamp_micros());
            let attempt = self.store_attempt(&transaction, attempt).await?;
            self.store_workload(&transaction, locked.workload, Some(&attempt))
                .await?;
        }
        transaction.commit().await?;
        self.nudge_all();
        Ok(())
    }
}

fn is_silent(node: &entity::node::Model) -> bool {
    node.liveness == i32::from(NodeLiveness::Silent)
}
