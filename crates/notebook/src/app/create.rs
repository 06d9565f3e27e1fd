//! A new notebook.

use chassis::auth::User;
use chassis::seal::{random_secret, sha256_hex};
use chassis::{Error, Result, telemetry};
use contracts::common::v1::Resources;
use contracts::common::v1::Role;
use contracts::inventory::v1::{Environment, MachineType};
use contracts::notebook::v1::{Notebook, NotebookPlan, NotebookState};
use kernel::id::NotebookId;
use kernel::text;
use secrecy::ExposeSecret;

use super::environment::kept_digest;
use super::fork::{Origin, with_origin};
use super::machine::needs;
use super::template::Template;
use super::{App, view};
use crate::domain::policy::{self, MOST_SECONDS, Subject};
use crate::domain::repository;
use crate::domain::state::Wanted;
use crate::store::entity::Model;

/// Longest text that is looked up or kept beside the name.
pub(super) const MAX_TEXT: usize = 200;
/// Highest priority, as the scheduler has it; the lowest is as far below 0.
const MOST_PRIORITY: i32 = 1_000;

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
    /// What it needs at least, in place of a machine type.
    pub(crate) resources: Option<Resources>,
    pub(crate) volume_id: String,
    pub(crate) repository: String,
    pub(crate) repository_ref: String,
    /// Name of one, or the unique beginning of that; empty = none.
    pub(crate) template: String,
    /// The notebook whose files it begins with: identifier, name, or a unique beginning of either; empty = none.
    pub(crate) fork: String,
    /// Identifier or name of a snapshot of that one's files; empty = the files as they are.
    pub(crate) fork_snapshot: String,
    /// It may be stopped for others; of a fork, `false` = as its origin.
    pub(crate) preemptible: bool,
    /// Its turn in its queue; of a fork, 0 = as its origin.
    pub(crate) priority: i32,
}

/// A notebook that was made, or would be.
#[derive(Clone, Debug)]
pub(crate) struct Created {
    /// `None` after a dry run.
    pub(crate) notebook: Option<Notebook>,
    /// `None` when prices could not be had, which a dry run refuses.
    pub(crate) plan: Option<NotebookPlan>,
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
            ("volume_id", &self.volume_id),
            ("template", &self.template),
            ("fork", &self.fork),
            ("fork_snapshot", &self.fork_snapshot),
        ];
        if let Some((field, _)) = texts.iter().find(|(_, text)| text.len() > MAX_TEXT) {
            let problem = format!("must have at most {MAX_TEXT} characters");
            return Err(Error::invalid(*field, problem));
        }
        if self.resources.is_some() && !self.machine_type.is_empty() {
            return Err(Error::invalid(
                "machine_type",
                "is given together with resources; name a machine type or say what it needs, not both",
            ));
        }
        self.check_fork()?;
        check_priority(self.priority)?;
        repository::check(&self.repository, &self.repository_ref)?;
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

    pub(super) fn hash(&self) -> String {
        sha256_hex(&format!("{self:?}"))
    }
}

/// Checks that a turn is one: the scheduler would refuse it only when the notebook starts.
pub(super) fn check_priority(priority: i32) -> Result<()> {
    if (-MOST_PRIORITY..=MOST_PRIORITY).contains(&priority) {
        return Ok(());
    }
    Err(Error::invalid(
        "priority",
        format!("is {priority}; -{MOST_PRIORITY} to {MOST_PRIORITY} is allowed"),
    ))
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
    pub(crate) async fn create(&self, caller: &User, new: NewNotebook) -> Result<Created> {
        new.check()?;
        if let Some(row) = self.created_before(caller.team, &new).await? {
            check_project(caller, &row.project_id, &new.project)?;
            let machine = self.machine(&row.machine_type).await.ok();
            return self.created(&row, machine.as_ref()).await;
        }
        let (row, machine) = self.draft(caller, &new).await?;
        let row = self.insert(row, &new).await?;
        self.created(&row, Some(&machine)).await
    }

    /// Checks all that is checked when a notebook is made, and says what it would be.
    pub(crate) async fn try_create(&self, caller: &User, new: NewNotebook) -> Result<Created> {
        new.check()?;
        let (mut row, machine) = self.draft(caller, &new).await?;
        if let Some(refusal) = self.taken(&row).await? {
            return Err(refusal);
        }
        row.name.clone_from(&new.name);
        Ok(Created {
            notebook: None,
            plan: Some(self.plan(&row, &machine).await?),
        })
    }

    async fn created(&self, row: &Model, machine: Option<&MachineType>) -> Result<Created> {
        let plan = match machine {
            Some(machine) => self.plan(row, machine).await,
            None => Err(Error::not_found("machine type", &row.machine_type)),
        };
        if let Err(error) = &plan {
            tracing::warn!(notebook = row.id, %error, "saying what it costs");
        }
        Ok(Created {
            notebook: Some(self.with_token(row)?),
            plan: plan.ok(),
        })
    }

    /// The row of a notebook that could be made, and its machine.
    async fn draft(&self, caller: &User, asked: &NewNotebook) -> Result<(Model, MachineType)> {
        let origin = self.origin(caller, asked).await?;
        let new = &asked.as_fork_of(origin.as_ref());
        let project_id = self.project_for(caller, new).await?;
        let machine = match &new.resources {
            Some(resources) => self.cheapest_machine(&needs(resources)?).await?,
            None => self.machine(&new.machine_type).await?,
        };
        let (template, environment) = self
            .beginning(caller, new, origin.as_ref(), &machine)
            .await?;
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
            machine_type: machine.name.clone(),
            environment_digest: kept_digest(&environment),
            environment: environment.name,
            free: machine.free,
            wanted: view::wanted_number(Wanted::Running),
            state: NotebookState::Pending.into(),
            reason: "is being submitted".to_owned(),
            start_number: 1,
            volume_id: new.volume_id.clone(),
            token_sealed: self.sealer.seal(&id, &token)?,
            token_sha256: sha256_hex(token.expose_secret()),
            idle_timeout_seconds: idle.timeout_seconds.into(),
            idle_own: new.idle_timeout_seconds.is_some(),
            idle_warn_seconds: idle.warn_seconds.into(),
            shutdown_timeout_seconds: new.shutdown_timeout_seconds.into(),
            preemptible: new.preemptible,
            priority: new.priority.into(),
            request_id: new.request_id.clone(),
            request_hash: asked.hash(),
            created_at: now,
            modified_at: now,
            revision: 1,
            traceparent: telemetry::traceparent().unwrap_or_default(),
            repository: new.repository.clone(),
            repository_ref: new.repository_ref.clone(),
            template: template.as_ref().map_or("", |it| it.name()).to_owned(),
            template_id: template.as_ref().map_or("", |it| it.id()).to_owned(),
            id,
            ..Model::default()
        };
        Ok((with_origin(row, origin), machine))
    }

    /// The template of a new notebook, where it is of use on this machine, and the environment that it starts in.
    async fn beginning(
        &self,
        caller: &User,
        new: &NewNotebook,
        origin: Option<&Origin>,
        machine: &MachineType,
    ) -> Result<(Option<Template>, Environment)> {
        let template = match new.template.as_str() {
            "" => None,
            wanted => Some(self.template_named(caller.team, wanted).await?),
        };
        if let Some(template) = &template {
            template.check_machine(machine)?;
        }
        let environment = match (&template, origin) {
            (Some(template), _) if new.environment.is_empty() => {
                self.environment_of_template(caller.team, template).await?
            }
            // By its lock: it may have left the team's list since.
            (None, Some(origin)) if new.environment.is_empty() => {
                self.environment_of(&origin.notebook).await?
            }
            _ => {
                let wanted = &new.environment;
                self.choose_environment(caller.team, wanted).await?
            }
        };
        Ok((template, environment))
    }

    /// The project of a new notebook: the one that is named; else that of the files that it is made with; else the first.
    async fn project_for(&self, caller: &User, new: &NewNotebook) -> Result<String> {
        let mut files = None;
        if !new.volume_id.is_empty() {
            let volume = self.unused_volume(caller, &new.volume_id).await?;
            files = Some(volume.project_id).filter(|project| !project.is_empty());
        }
        let project_id = match &files {
            Some(project) if new.project.is_empty() => project.clone(),
            _ => self.project_named(caller, &new.project).await?.id,
        };
        check_project(caller, &project_id, &new.project)?;
        match files {
            Some(other) if other != project_id => Err(Error::invalid(
                "volume_id",
                format!(
                    "{} belongs to project {other}; make the notebook there",
                    new.volume_id
                ),
            )),
            _ => Ok(project_id),
        }
    }
}
