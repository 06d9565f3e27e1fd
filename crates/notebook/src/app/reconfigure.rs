//! Changes of a notebook that is there.

use chassis::auth::User;
use chassis::{Error, Result};
use contracts::inventory::v1::MachineType;
use contracts::notebook::v1::{Notebook, NotebookReconfigured};
use kernel::text;

use super::create::{MAX_TEXT, check_priority};
use super::idle::follow;
use super::policy::subject;
use super::wish::violates_unique;
use super::{App, view};
use crate::domain::policy::{self, MOST_SECONDS, Set};
use crate::domain::state::Wanted;
use crate::store::entity::Model;

/// What is to be another; `None` = as it is.
#[derive(Clone, Debug, Default)]
pub(crate) struct Changes {
    pub(crate) name: Option<String>,
    pub(crate) machine_type: Option<String>,
    pub(crate) idle_timeout_seconds: Option<u32>,
    pub(crate) preemptible: Option<bool>,
    pub(crate) priority: Option<i32>,
}

impl Changes {
    fn checked(mut self) -> Result<Self> {
        if let Some(name) = &self.name {
            self.name = Some(text::name("name", name, 100)?);
        }
        if let Some(wanted) = &self.machine_type
            && (wanted.is_empty() || wanted.len() > MAX_TEXT)
        {
            return Err(Error::invalid(
                "machine_type",
                format!("must be a name of 1 to {MAX_TEXT} characters"),
            ));
        }
        if let Some(seconds) = self
            .idle_timeout_seconds
            .filter(|asked| *asked > MOST_SECONDS)
        {
            return Err(Error::invalid(
                "idle_timeout_seconds",
                format!("is {seconds}; at most {MOST_SECONDS} is allowed"),
            ));
        }
        if let Some(priority) = self.priority {
            check_priority(priority)?;
        }
        let nothing = self.name.is_none() && self.machine_type.is_none();
        if nothing && self.idle_timeout_seconds.is_none() && !self.is_about_turn() {
            return Err(Error::invalid(
                "notebook",
                "nothing is to be changed; give name, machine_type, idle_timeout_seconds, preemptible or priority",
            ));
        }
        Ok(self)
    }

    /// Some of it the scheduler is told with the next start only.
    const fn is_about_turn(&self) -> bool {
        self.preemptible.is_some() || self.priority.is_some()
    }

    /// Writes them into the row; `false` when all is so already.
    fn write(
        &self,
        row: &mut Model,
        machine: Option<&MachineType>,
        policies: &[Set],
    ) -> Result<bool> {
        if view::wanted(row) == Wanted::Deleted {
            let name = &row.name;
            return Err(Error::Precondition(format!(
                "notebook {name:?} is being deleted"
            )));
        }
        let before = row.clone();
        if let Some(machine) = machine {
            check_stopped(row)?;
            row.machine_type.clone_from(&machine.name);
            row.free = machine.free;
        }
        if let Some(name) = &self.name {
            row.name.clone_from(name);
        }
        if let Some(seconds) = self.idle_timeout_seconds {
            row.idle_timeout_seconds = seconds.into();
            row.idle_own = true;
        }
        row.preemptible = self.preemptible.unwrap_or(row.preemptible);
        row.priority = self.priority.map_or(row.priority, i64::from);
        if *row == before {
            return Ok(false);
        }
        follow(row, policy::effective(policies, subject(row)));
        Ok(true)
    }

    /// What became of them, in words for the timeline.
    fn words(&self, before: &Model, after: &Notebook) -> String {
        let mut words = Vec::new();
        if before.name != after.name {
            words.push(format!("name {} -> {}", before.name, after.name));
        }
        if before.machine_type != after.machine_type {
            words.push(format!(
                "machine type {} -> {}",
                before.machine_type, after.machine_type
            ));
        }
        if let Some(seconds) = self.idle_timeout_seconds {
            words.push(format!("idle timeout {seconds} s"));
        }
        if before.preemptible != after.preemptible {
            let may = if after.preemptible { "may" } else { "may not" };
            words.push(format!("{may} be stopped for others"));
        }
        if view::priority(before) != after.priority {
            words.push(format!(
                "priority {} -> {}",
                before.priority, after.priority
            ));
        }
        words.join(", ")
    }
}

impl App {
    /// Changes a notebook; gives it, and what stands in the way of its next start.
    pub(crate) async fn reconfigure(
        &self,
        user: &User,
        wanted: &str,
        changes: Changes,
    ) -> Result<(Notebook, String)> {
        let changes = changes.checked()?;
        let seen = self.find_to_change(user, wanted).await?;
        let machine = match &changes.machine_type {
            Some(wanted) => {
                check_stopped(&seen)?;
                Some(self.machine(wanted).await?)
            }
            None => None,
        };
        let policies = self.policies().await?;
        let updated = self
            .update_saying(
                &seen.id,
                |row| changes.write(row, machine.as_ref(), &policies),
                |before, notebook| {
                    let what = changes.words(before, &notebook);
                    Some(reconfigured(user, notebook, what))
                },
            )
            .await;
        let row = match updated {
            Err(error) if violates_unique(&error) => {
                let name = changes.name.as_deref().unwrap_or_default();
                return Err(Error::Conflict(format!(
                    "a notebook named {name:?} exists already; choose another name"
                )));
            }
            updated => updated?,
        };
        self.idle_changed.notify_one();
        if let Some(machine) = &machine
            && machine.name != seen.machine_type
        {
            self.metrics.changed("machine_type");
        }
        let note = match machine {
            Some(machine) => {
                self.obstacle_at_files(&row, &machine.name, machine.resources)
                    .await
            }
            None if changes.is_about_turn() => Ok(of_next_start(&seen, &row)),
            None => Ok(String::new()),
        };
        // The change is made, whatever is known of its consequences.
        let note = note.unwrap_or_else(|error| {
            format!(
                "whether the node with the notebook's files could host it is not known: {}",
                error.public_text()
            )
        });
        Ok((self.with_token(&row)?, note))
    }
}

/// The event that tells of such a change.
pub(super) fn reconfigured(user: &User, notebook: Notebook, what: String) -> NotebookReconfigured {
    NotebookReconfigured {
        notebook: Some(notebook),
        what,
        user_id: user.id.to_string(),
    }
}

/// What is said where the start that goes on stays as it is.
fn of_next_start(before: &Model, after: &Model) -> String {
    let turn = |row: &Model| (row.preemptible, row.priority);
    if view::state(after).is_rest() || turn(before) == turn(after) {
        return String::new();
    }
    let name = &after.name;
    format!("counts from its next start on; \"quire notebook restart {name}\" is one")
}

fn check_stopped(row: &Model) -> Result<()> {
    if view::wanted(row) == Wanted::Stopped && view::state(row).is_rest() {
        return Ok(());
    }
    let (name, machine_type) = (&row.name, &row.machine_type);
    Err(Error::Precondition(format!(
        "notebook {name:?} has its machine, {machine_type}, until it is stopped; \
         stop it with \"quire notebook stop {name}\" first"
    )))
}
