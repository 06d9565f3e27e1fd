//! A new notebook.

use chassis::auth::User;
use chassis::database::is_unique_violation;
use chassis::seal::{random_secret, sha256_hex};
use chassis::{Error, Result, telemetry};
use contracts::common::v1::Role;
use contracts::identity::v1::GetProjectRequest;
use contracts::inventory::v1::{ListEnvironmentsRequest, ListMachineTypesRequest, MachineType};
use contracts::notebook::v1::{Notebook, NotebookState};
use kernel::id::{NotebookId, TeamId};
use kernel::text;
use sea_orm::{ActiveModelTrait, ColumnTrait, EntityTrait, IntoActiveModel, QueryFilter};
use secrecy::ExposeSecret;

use super::{App, view};
use crate::domain::choice::{self, Machine, Refusal};
use crate::domain::policy::{self, MOST_SECONDS, Subject};
use crate::domain::state::Wanted;
use crate::store::entity::{Column, Entity, Model};

const DEFAULT_ENVIRONMENT: &str = "python";
/// Longest text that is looked up or kept beside the name.
const MAX_TEXT: usize = 200;

/// What is asked for.
#[derive(Clone, Debug)]
pub(crate) struct NewNotebook {
    pub(crate) name: String,
    pub(crate) project: String,
    pub(crate) machine_type: String,
    pub(crate) environment: String,
    pub(crate) idle_timeout_seconds: Option<u32>,
    pub(crate) shutdown_timeout_seconds: u32,
    pub(crate) request_id: String,
}

impl NewNotebook {
    fn check(&self) -> Result<()> {
        if !self.name.is_empty() {
            text::name("name", &self.name, 100)?;
        }
        let texts = [
            ("project", &self.project),
            ("machine_type", &self.machine_type),
            ("environment", &self.environment),
            ("request_id", &self.request_id),
        ];
        if let Some((field, _)) = texts.iter().find(|(_, text)| text.len() > MAX_TEXT) {
            let problem = format!("must have at most {MAX_TEXT} characters");
            return Err(Error::invalid(*field, problem));
        }
        let times = [
            (
                "idle_timeout_seconds",
                self.idle_timeout_seconds.unwrap_or(0),
            ),
            ("shutdown_timeout_seconds", self.shutdown_timeout_seconds),
        ];
        for (field, seconds) in times {
            if seconds > MOST_SECONDS {
                return Err(Error::invalid(
                    field,
                    format!("is {seconds}; at most {MOST_SECONDS} is allowed"),
                ));
            }
        }
        Ok(())
    }

    fn hash(&self) -> String {
        sha256_hex(&format!("{self:?}"))
    }
}

/// How a notebook without a name is called: by the end of its identifier, which differs most.
fn default_name(id: &str) -> String {
    let tail: String = id.chars().rev().take(6).collect();
    format!("notebook-{}", tail.chars().rev().collect::<String>())
}

/// Who makes a notebook must be a member of its project; one that they do not see is none.
fn check_project(caller: &User, project_id: &str, asked: &str) -> Result<()> {
    if !caller.sees(project_id) {
        return Err(Error::not_found("project", asked));
    }
    caller.require_in(project_id, Role::Member)
}

impl App {
    /// Makes a notebook, once per request id, and wants it running.
    pub(crate) async fn create(&self, caller: &User, new: NewNotebook) -> Result<Notebook> {
        new.check()?;
        if let Some(row) = self.created_before(caller.team, &new).await? {
            check_project(caller, &row.project_id, &new.project)?;
            return self.with_token(&row);
        }
        let project_id = self.project_of(caller.team, &new.project).await?;
        check_project(caller, &project_id, &new.project)?;
        let machine = self.machine(&new.machine_type).await?;
        let environment = self.environment(&new.environment).await?;
        let team_id = caller.team.to_string();
        let idle = policy::effective(
            &self.policies().await?,
            Subject {
                team_id: &team_id,
                project_id: &project_id,
                machine_type: &machine.name,
                own_seconds: new.idle_timeout_seconds,
            },
        );
        let id = NotebookId::generate().to_string();
        let token = random_secret()?;
        let now = self.clock.now().timestamp_micros();
        let row = Model {
            team_id,
            project_id,
            user_id: caller.id.to_string(),
            name: if new.name.is_empty() {
                default_name(&id)
            } else {
                new.name.clone()
            },
            machine_type: machine.name,
            environment,
            free: machine.free,
            wanted: view::wanted_number(Wanted::Running),
            stop_reason: String::new(),
            stop_asked: false,
            state: NotebookState::Pending.into(),
            reason: "is being submitted".to_owned(),
            start_number: 1,
            volume_id: String::new(),
            launch: String::new(),
            workload_id: String::new(),
            workload_revision: 0,
            node_id: String::new(),
            generation: 0,
            token_sealed: self.sealer.seal(&id, &token)?,
            token_sha256: sha256_hex(token.expose_secret()),
            idle_timeout_seconds: idle.timeout_seconds.into(),
            idle_own: new.idle_timeout_seconds.is_some(),
            idle_warn_seconds: idle.warn_seconds.into(),
            stops_at: None,
            stops_because: String::new(),
            kept_until: None,
            shutdown_timeout_seconds: new.shutdown_timeout_seconds.into(),
            request_id: new.request_id.clone(),
            request_hash: new.hash(),
            created_at: now,
            modified_at: now,
            started_at: None,
            deleted_at: None,
            lost_reason: String::new(),
            revision: 1,
            route_revision: 0,
            traceparent: telemetry::traceparent().unwrap_or_default(),
            id,
        };
        let row = self.insert(row, &new).await?;
        self.with_token(&row)
    }

    async fn insert(&self, row: Model, new: &NewNotebook) -> Result<Model> {
        let (team, name) = (row.team_id.clone(), row.name.clone());
        let transaction = self.database.begin().await?;
        let inserted = row
            .into_active_model()
            .reset_all()
            .insert(&transaction)
            .await;
        let row = match inserted {
            Ok(row) => row,
            Err(error) if is_unique_violation(&error) => {
                transaction.rollback().await?;
                return self.taken(&team, &name, new).await;
            }
            Err(error) => return Err(error.into()),
        };
        self.say_changed(&transaction, &row).await?;
        transaction.commit().await?;
        self.outbox.nudge();
        self.changed.notify_one();
        Ok(row)
    }

    /// Says which of the unique things is taken; the same request gets the notebook that it made before.
    async fn taken(&self, team: &str, name: &str, new: &NewNotebook) -> Result<Model> {
        if let Ok(team) = team.parse()
            && let Some(row) = self.created_before(team, new).await?
        {
            return Ok(row);
        }
        let reader = self.database.reader();
        let same_name = Entity::find()
            .filter(Column::TeamId.eq(team))
            .filter(Column::Name.eq(name))
            .filter(Column::DeletedAt.is_null())
            .one(reader)
            .await?;
        if same_name.is_some() {
            return Err(Error::Conflict(format!(
                "a notebook named {name:?} exists already; choose another name"
            )));
        }
        Err(self.free_is_taken(team).await?)
    }

    /// The refusal of a second free notebook, naming the first.
    pub(super) async fn free_is_taken(&self, team: &str) -> Result<Error> {
        let running = Entity::find()
            .filter(Column::TeamId.eq(team))
            .filter(Column::Free.eq(true))
            .filter(Column::Wanted.eq(view::wanted_number(Wanted::Running)))
            .one(self.database.reader())
            .await?;
        let name =
            running.map_or_else(|| "another one".to_owned(), |row| format!("{:?}", row.name));
        Ok(Error::Exhausted(format!(
            "only one notebook on a free machine may run at a time, and {name} does; stop it or choose a paid machine type"
        )))
    }

    async fn created_before(&self, team: TeamId, new: &NewNotebook) -> Result<Option<Model>> {
        if new.request_id.is_empty() {
            return Ok(None);
        }
        let found = Entity::find()
            .filter(Column::TeamId.eq(team.to_string()))
            .filter(Column::RequestId.eq(&new.request_id))
            .one(self.database.reader())
            .await?;
        match found {
            Some(row) if row.request_hash != new.hash() => {
                let id = &new.request_id;
                Err(Error::Conflict(format!(
                    "request_id {id:?} was used before for another notebook"
                )))
            }
            found => Ok(found),
        }
    }

    pub(super) async fn project_of(&self, team: TeamId, project: &str) -> Result<String> {
        let request = GetProjectRequest {
            project: project.to_owned(),
            team_id: team.into(),
        };
        let found = self
            .identity
            .clone()
            .get_project(request)
            .await?
            .into_inner()
            .project;
        Ok(found
            .ok_or_else(|| Error::not_found("project", project))?
            .id)
    }

    /// The machine type to use, as inventory describes it.
    pub(super) async fn machine(&self, wanted: &str) -> Result<MachineType> {
        let mut inventory = self.inventory.clone();
        let types = inventory
            .list_machine_types(ListMachineTypesRequest {})
            .await?
            .into_inner()
            .machine_types;
        let machines: Vec<_> = types.iter().map(machine).collect();
        let chosen = choice::choose(&machines, wanted).map_err(|refusal| match refusal {
            Refusal::Unknown { known } => Error::invalid(
                "machine_type",
                format!("{wanted:?} is unknown; types that fit here: {known}"),
            ),
            Refusal::Unhostable { fitting } => Error::Precondition(format!(
                "machine_type: no node could ever host {wanted:?}; types that fit here: {fitting}"
            )),
        })?;
        let found = types.iter().find(|candidate| candidate.name == chosen.name);
        found
            .cloned()
            .ok_or_else(|| Error::not_found("machine type", wanted))
    }

    async fn environment(&self, wanted: &str) -> Result<String> {
        let wanted = if wanted.is_empty() {
            DEFAULT_ENVIRONMENT
        } else {
            wanted
        };
        let mut inventory = self.inventory.clone();
        let known = inventory
            .list_environments(ListEnvironmentsRequest {})
            .await?
            .into_inner()
            .environments;
        if known.iter().any(|environment| environment.name == wanted) {
            return Ok(wanted.to_owned());
        }
        let names: Vec<_> = known
            .into_iter()
            .map(|environment| environment.name)
            .collect();
        Err(Error::invalid(
            "environment",
            format!("{wanted:?} is unknown; there are {}", names.join(", ")),
        ))
    }
}

fn machine(wire: &MachineType) -> Machine {
    let resources = wire.resources.clone().unwrap_or_default();
    Machine {
        name: wire.name.clone(),
        memory_mib: resources.memory_mib,
        gpus: resources.gpus,
        free: wire.free,
        available: wire.available,
    }
}
