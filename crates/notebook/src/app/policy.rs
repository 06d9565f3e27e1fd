//! Idle policies: set, removed, listed, and looked up for a notebook.

use chassis::auth::User;
use chassis::{Error, Result};
use contracts::common::v1::Role;
use contracts::inventory::v1::ListMachineTypesRequest;
use contracts::notebook::v1::{IdlePolicy, IdleScope, idle_scope};
use contracts::to_wire_time;
use kernel::time::from_micros;
use sea_orm::sea_query::OnConflict;
use sea_orm::{
    ActiveModelTrait, ColumnTrait, Condition, DatabaseTransaction, EntityTrait, IntoActiveModel,
    PaginatorTrait, QueryFilter, QueryOrder,
};

use super::{App, unsigned_32};
use crate::domain::policy::{self, Kind, Scope, Set, Subject};
use crate::store::entity;
use crate::store::idle_policy::{Column, Entity, Model};

/// Most policies of one team, and of machine types.
const MOST: u64 = 1_000;

const KINDS: [(Kind, i32); 3] = [(Kind::Project, 1), (Kind::Team, 2), (Kind::MachineType, 3)];

fn number(kind: Kind) -> i32 {
    KINDS
        .into_iter()
        .find(|(known, _)| *known == kind)
        .map_or(0, |(_, number)| number)
}

fn set(row: Model) -> Option<Set> {
    let (kind, _) = KINDS.into_iter().find(|(_, number)| *number == row.kind)?;
    Some(Set {
        scope: Scope {
            kind,
            team_id: row.team_id,
            name: row.name,
        },
        timeout_seconds: unsigned_32(row.timeout_seconds),
        warn_seconds: unsigned_32(row.warn_seconds),
    })
}

fn wire(row: &Model) -> IdlePolicy {
    let name = row.name.clone();
    let about = match KINDS.into_iter().find(|(_, number)| *number == row.kind) {
        Some((Kind::Project, _)) => Some(idle_scope::About::Project(name)),
        Some((Kind::Team, _)) => Some(idle_scope::About::Team(true)),
        Some((Kind::MachineType, _)) => Some(idle_scope::About::MachineType(name)),
        None => None,
    };
    IdlePolicy {
        scope: Some(IdleScope { about }),
        timeout_seconds: unsigned_32(row.timeout_seconds),
        warn_seconds: unsigned_32(row.warn_seconds),
        modified_at: Some(to_wire_time(from_micros(row.modified_at))),
    }
}

/// A notebook, as far as policies are about it.
pub(super) fn subject(row: &entity::Model) -> Subject<'_> {
    Subject {
        team_id: &row.team_id,
        project_id: &row.project_id,
        machine_type: &row.machine_type,
        own_seconds: row.idle_own.then(|| unsigned_32(row.idle_timeout_seconds)),
    }
}

async fn check_room(transaction: &DatabaseTransaction, new: &Model) -> Result<()> {
    let others = Entity::find()
        .filter(Column::TeamId.eq(&new.team_id))
        .filter(Column::Name.ne(&new.name))
        .count(transaction)
        .await?;
    if others < MOST {
        return Ok(());
    }
    Err(Error::Exhausted(format!(
        "there are {others} idle policies already; remove one first"
    )))
}

/// Takes the policy of a project away, which takes no notebook any more.
pub(super) async fn forget_project(
    transaction: &DatabaseTransaction,
    team_id: &str,
    project_id: &str,
) -> Result<()> {
    let key = (
        number(Kind::Project),
        team_id.to_owned(),
        project_id.to_owned(),
    );
    Entity::delete_by_id(key).exec(transaction).await?;
    Ok(())
}

impl App {
    /// Every policy that there is.
    pub(super) async fn policies(&self) -> Result<Vec<Set>> {
        let rows = Entity::find().all(self.database.reader()).await?;
        Ok(rows.into_iter().filter_map(set).collect())
    }

    /// The policies that count for the caller's team and the projects that they see, the most specific first.
    pub(crate) async fn list_policies(&self, user: &User) -> Result<Vec<IdlePolicy>> {
        let mine = Condition::any()
            .add(Column::TeamId.eq(user.team.to_string()))
            .add(Column::Kind.eq(number(Kind::MachineType)));
        let rows = Entity::find()
            .filter(mine)
            .order_by_asc(Column::Kind)
            .order_by_asc(Column::Name)
            .all(self.database.reader())
            .await?;
        let seen = |row: &&Model| row.kind != number(Kind::Project) || user.sees(&row.name);
        Ok(rows.iter().filter(seen).map(wire).collect())
    }

    /// Sets a policy in place of the one about the same.
    pub(crate) async fn set_policy(&self, user: &User, new: IdlePolicy) -> Result<IdlePolicy> {
        policy::check(new.timeout_seconds, new.warn_seconds)
            .map_err(|(field, problem)| Error::invalid(field, problem))?;
        let scope = self.scope(user, new.scope).await?;
        let row = Model {
            kind: number(scope.kind),
            team_id: scope.team_id,
            name: scope.name,
            timeout_seconds: new.timeout_seconds.into(),
            warn_seconds: new.warn_seconds.into(),
            modified_at: self.clock.now().timestamp_micros(),
        };
        let transaction = self.database.begin().await?;
        check_room(&transaction, &row).await?;
        let key = [Column::Kind, Column::TeamId, Column::Name];
        let values = [
            Column::TimeoutSeconds,
            Column::WarnSeconds,
            Column::ModifiedAt,
        ];
        let or_change = OnConflict::columns(key).update_columns(values).to_owned();
        Entity::insert(row.clone().into_active_model().reset_all())
            .on_conflict(or_change)
            .exec_without_returning(&transaction)
            .await?;
        transaction.commit().await?;
        self.idle_changed.notify_one();
        Ok(wire(&row))
    }

    /// Takes a policy away.
    pub(crate) async fn remove_policy(&self, user: &User, about: Option<IdleScope>) -> Result<()> {
        let scope = self.scope(user, about).await?;
        let key = (number(scope.kind), scope.team_id, scope.name);
        let gone = Entity::delete_by_id(key.clone())
            .exec(self.database.reader())
            .await?;
        if gone.rows_affected == 0 {
            return Err(Error::not_found("idle policy", &key.2));
        }
        self.idle_changed.notify_one();
        Ok(())
    }

    /// What a policy is about, for somebody who may decide about it.
    async fn scope(&self, user: &User, about: Option<IdleScope>) -> Result<Scope> {
        use idle_scope::About;
        let (kind, team_id, name) = match about.and_then(|scope| scope.about) {
            None | Some(About::Team(false)) => {
                let problem = "says nothing; name the team, a project or a machine type";
                return Err(Error::invalid("scope", problem));
            }
            Some(About::Team(true)) => (Kind::Team, user.team.to_string(), String::new()),
            Some(About::Project(project)) => {
                if project.is_empty() {
                    return Err(Error::invalid("project", "is empty; name it"));
                }
                let id = self.project_named(user, &project).await?.id;
                if !user.sees(&id) {
                    return Err(Error::not_found("project", &project));
                }
                user.require_in(&id, Role::Admin)?;
                (Kind::Project, user.team.to_string(), id)
            }
            Some(About::MachineType(name)) => {
                if !user.has_role(Role::Operator) {
                    return Err(Error::Denied(
                        "only operators decide about machine types, which are for all teams"
                            .to_owned(),
                    ));
                }
                let name = self.machine_type(&name).await?;
                (Kind::MachineType, String::new(), name)
            }
        };
        Ok(Scope {
            kind,
            team_id,
            name,
        })
    }

    /// The machine type's name as it is written, whether a node could host it now or not.
    async fn machine_type(&self, wanted: &str) -> Result<String> {
        let mut inventory = self.inventory.clone();
        let types = inventory
            .list_machine_types(ListMachineTypesRequest {})
            .await?
            .into_inner()
            .machine_types;
        let found = types
            .into_iter()
            .find(|machine| machine.name.eq_ignore_ascii_case(wanted));
        found.map(|machine| machine.name).ok_or_else(|| {
            let problem = format!("{wanted:?} is unknown; see \"quire machine-type list\"");
            Error::invalid("machine_type", problem)
        })
    }
}
