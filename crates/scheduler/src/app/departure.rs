//! How nodes go, and what becomes of what was there: the volumes of a node that was given up are lost, and what waits for their
//! files has failed; a node leaves the list once nothing is left on it.

use chassis::lease::{self, Held};
use chassis::{Error, Result};
use contracts::inventory::v1::{self as inventory, NodeSchedulable};
use contracts::scheduler::v1::{GetNodeWorkResponse, NodeWork, WorkloadSpec, WorkloadState};
use contracts::to_wire_time;
use contracts::volume::v1::{
    GetVolumeRequest, ListNodeVolumesRequest, LoseNodeVolumesRequest, Volume, VolumeState,
};
use kernel::time::from_micros;
use sea_orm::sea_query::Expr;
use sea_orm::{ColumnTrait, Condition, EntityTrait, QueryFilter};

use super::follow::is_movable;
use super::{App, unsigned, view};
use crate::store::entity;

/// How many things a refusal names.
const NAMED: usize = 5;

/// What a stranded workload can still hope for.
enum Hope {
    /// Its files are not on the node that is gone.
    Elsewhere,
    /// Its files are gone, for this reason.
    None(String),
    /// The volume service has not heard of it yet.
    Unsettled,
}

impl App {
    /// Tells the volume service of each node that was given up, once nothing is open there.
    pub(crate) async fn settle_gone_nodes(&self) -> Result<()> {
        self.leadership.held()?;
        let unsettled = entity::node::Entity::find()
            .filter(entity::node::Column::GivenUp.eq(true))
            .filter(entity::node::Column::FilesLost.eq(false))
            .all(self.database.reader())
            .await?;
        for node in unsettled {
            if !self.open_attempts(&node.id).await?.is_empty() {
                continue;
            }
            let request = LoseNodeVolumesRequest {
                node_id: node.id.clone(),
                reason: format!(
                    "its files were on node {}, which was given up: they are lost",
                    node.name
                ),
            };
            self.volume.clone().lose_node_volumes(request).await?;
            entity::node::Entity::update_many()
                .col_expr(entity::node::Column::FilesLost, Expr::value(true))
                .filter(entity::node::Column::Id.eq(&node.id))
                .exec(self.database.reader())
                .await?;
            self.placeable.notify_one();
        }
        Ok(())
    }

    /// Decides what becomes of a workload that waits for a node that is gone: its files are lost with it, or never were there.
    /// Whether that could be decided now.
    pub(super) async fn settle_stranded(
        &self,
        held: &Held,
        seen: &entity::workload::Model,
        spec: &WorkloadSpec,
    ) -> Result<bool> {
        // Whoever waits behind it must not wait for the volume service.
        let hope = match self.hope_of(spec, &seen.files_on).await {
            Ok(hope) => hope,
            Err(error) => {
                let error = chassis::error::chain(&error);
                tracing::warn!(
                    workload = seen.id,
                    error,
                    "cannot ask for its files; asking again"
                );
                return Ok(false);
            }
        };
        let transaction = self.database.begin().await?;
        lease::fence(&transaction, held).await?;
        let locked = self.lock(&transaction, &seen.id).await?;
        let mut workload = locked.workload;
        if workload.revision != seen.revision {
            return Ok(false);
        }
        match hope {
            Hope::Unsettled => return Ok(false),
            Hope::Elsewhere => workload.files_on = String::new(),
            Hope::None(reason) => {
                workload.state = WorkloadState::Failed.into();
                workload.reason = reason;
            }
        }
        self.store_workload(&transaction, workload, locked.attempt.as_ref())
            .await?;
        transaction.commit().await?;
        self.outbox.nudge();
        self.placeable.notify_one();
        Ok(true)
    }

    async fn hope_of(&self, spec: &WorkloadSpec, files_on: &str) -> Result<Hope> {
        if spec.volume_id.is_empty() {
            return Ok(Hope::None(
                "the node that it must run on is gone".to_owned(),
            ));
        }
        let request = GetVolumeRequest {
            id: spec.volume_id.clone(),
        };
        let asked = self.volume.clone().get_volume(request).await;
        let volume = match asked.map_err(Error::from) {
            Ok(answer) => answer.into_inner().volume.unwrap_or_default(),
            Err(Error::NotFound { .. }) => {
                return Ok(Hope::None("its volume is gone".to_owned()));
            }
            Err(error) => return Err(error),
        };
        Ok(match volume.state() {
            VolumeState::Lost => Hope::None(volume.reason),
            VolumeState::Deleting | VolumeState::Deleted => {
                Hope::None("its volume was deleted".to_owned())
            }
            VolumeState::Ready | VolumeState::Unspecified
                if spec.node_id.is_empty() && volume.node_id != files_on =>
            {
                Hope::Elsewhere
            }
            VolumeState::Ready | VolumeState::Unspecified => Hope::Unsettled,
        })
    }

    /// What is still on a node, named by identifier or name.
    pub(crate) async fn node_work(&self, id_or_name: &str) -> Result<GetNodeWorkResponse> {
        let node = self.listed_node(id_or_name).await?;
        let mut work = Vec::new();
        let mut open = self.open_attempts(&node.id).await?;
        open.sort_by_key(|attempt| attempt.placed_at);
        for attempt in open {
            let workload = entity::workload::Entity::find_by_id(&attempt.workload_id)
                .one(self.database.reader())
                .await?
                .ok_or_else(|| Error::not_found("workload", &attempt.workload_id))?;
            work.push(work_of(&node, attempt, &view::decode_spec(&workload.spec)?));
        }
        let volumes = self.volumes_on(&node.id).await?.len();
        Ok(GetNodeWorkResponse {
            node_id: node.id,
            work,
            volumes: u32::try_from(volumes).unwrap_or(u32::MAX),
        })
    }

    /// Takes a node off inventory's list, if nothing is left there.
    pub(crate) async fn delete_node(&self, id_or_name: &str) -> Result<String> {
        self.sync_nodes().await?;
        let node = self.listed_node(id_or_name).await?;
        self.check_empty(&node).await?;
        entity::node::Entity::update_many()
            .col_expr(entity::node::Column::Leaving, Expr::value(true))
            .filter(entity::node::Column::Id.eq(&node.id))
            .exec(self.database.reader())
            .await?;
        // At this revision it takes no work: inventory refuses when it has been opened since.
        let request = inventory::DeleteNodeRequest {
            node_id: node.id.clone(),
            revision: unsigned(node.revision),
        };
        self.inventory.clone().delete_node(request).await?;
        self.note_deleted(&node.id).await?;
        Ok(node.id)
    }

    async fn check_empty(&self, node: &entity::node::Model) -> Result<()> {
        let name = &node.name;
        let refuse = |why: String| Err(Error::Precondition(format!("node {name} {why}")));
        if !node.given_up && node.schedulable == i32::from(NodeSchedulable::Open) {
            return refuse("takes work; drain it first".to_owned());
        }
        let open = self.open_attempts(&node.id).await?;
        if !open.is_empty() {
            let owners = open.iter().map(|attempt| attempt.owner_id.as_str());
            return refuse(format!("still runs {}", named(owners, open.len())));
        }
        if node.given_up {
            return if node.files_lost {
                Ok(())
            } else {
                refuse(
                    "was given up a moment ago; what was there is being settled, try again"
                        .to_owned(),
                )
            };
        }
        let volumes = self.volumes_on(&node.id).await?;
        if volumes.is_empty() {
            return Ok(());
        }
        let ids = volumes.iter().map(|volume| volume.id.as_str());
        refuse(format!(
            "still has the files of {} volumes: {}; delete what they belong to, or switch the node off and give it up",
            volumes.len(),
            named(ids, volumes.len())
        ))
    }

    async fn volumes_on(&self, node_id: &str) -> Result<Vec<Volume>> {
        let request = ListNodeVolumesRequest {
            node_id: node_id.to_owned(),
        };
        let listed = self.volume.clone().list_node_volumes(request).await?;
        Ok(listed.into_inner().volumes)
    }

    async fn listed_node(&self, id_or_name: &str) -> Result<entity::node::Model> {
        let either = Condition::any()
            .add(entity::node::Column::Id.eq(id_or_name))
            .add(entity::node::Column::Name.eq(id_or_name));
        entity::node::Entity::find()
            .filter(either)
            .filter(entity::node::Column::Deleted.eq(false))
            .one(self.database.reader())
            .await?
            .ok_or_else(|| Error::not_found("node", id_or_name))
    }
}

fn named<'a>(names: impl Iterator<Item = &'a str>, count: usize) -> String {
    let mut text = names.take(NAMED).collect::<Vec<_>>().join(", ");
    if count > NAMED {
        text.push_str(&format!(" and {} more", count - NAMED));
    }
    text
}

fn work_of(
    node: &entity::node::Model,
    attempt: entity::attempt::Model,
    spec: &WorkloadSpec,
) -> NodeWork {
    let until = [attempt.run_until, node.drain_deadline_at];
    NodeWork {
        workload_id: attempt.workload_id,
        owner_id: attempt.owner_id,
        kind: spec.kind.clone(),
        team_id: attempt.team_id,
        state: attempt.state,
        reason: attempt.reason,
        until: until
            .into_iter()
            .flatten()
            .min()
            .map(|at| to_wire_time(from_micros(at))),
        movable: is_movable(spec),
    }
}
