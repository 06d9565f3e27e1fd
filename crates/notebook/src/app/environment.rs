//! The environment that a notebook starts in. One that a team made is kept by the hash of its lock: it stays the same at every start,
//! also after it left the team's list.

use chassis::{Error, Result};
use contracts::inventory::v1::{
    Environment, EnvironmentState, GetEnvironmentRequest, ListEnvironmentsRequest,
};
use kernel::id::TeamId;

use super::App;
use crate::store::entity::Model;

/// The environment of who names none.
const DEFAULT: &str = "python";

impl App {
    /// The one that `wanted` names to a team and that can be started in.
    pub(super) async fn choose_environment(
        &self,
        team: TeamId,
        wanted: &str,
    ) -> Result<Environment> {
        let wanted = if wanted.is_empty() { DEFAULT } else { wanted };
        let request = GetEnvironmentRequest {
            environment: wanted.to_owned(),
            team_id: team.to_string(),
            ..GetEnvironmentRequest::default()
        };
        let environment = match self.ask_environment(request).await {
            Err(Error::NotFound { .. }) => {
                return Err(self.unknown_environment(team, wanted).await?);
            }
            found => found?,
        };
        let name = &environment.name;
        match environment.state() {
            EnvironmentState::Ready => Ok(environment),
            EnvironmentState::Failed => Err(Error::Precondition(format!(
                "environment {name} cannot be had: {}",
                environment.reason
            ))),
            EnvironmentState::Resolving | EnvironmentState::Unspecified => {
                Err(Error::Precondition(format!(
                    "environment {name} is still being resolved; try again when \"quire environment show {name}\" says that it is ready"
                )))
            }
        }
    }

    /// That of a notebook.
    pub(super) async fn environment_of(&self, row: &Model) -> Result<Environment> {
        self.ask_environment(GetEnvironmentRequest {
            environment: row.environment.clone(),
            team_id: row.team_id.clone(),
            digest: row.environment_digest.clone(),
        })
        .await
    }

    async fn ask_environment(&self, request: GetEnvironmentRequest) -> Result<Environment> {
        let mut inventory = self.inventory.clone();
        let answer = inventory.get_environment(request).await?.into_inner();
        answer
            .environment
            .ok_or_else(|| Error::internal("reading an environment", "it is missing"))
    }

    async fn unknown_environment(&self, team: TeamId, wanted: &str) -> Result<Error> {
        let request = ListEnvironmentsRequest {
            team_id: team.to_string(),
        };
        let mut inventory = self.inventory.clone();
        let known = inventory.list_environments(request).await?.into_inner();
        let names: Vec<_> = known
            .environments
            .into_iter()
            .map(|environment| environment.name)
            .collect();
        Ok(Error::invalid(
            "environment",
            format!("{wanted:?} is unknown; there are {}", names.join(", ")),
        ))
    }
}

/// What a row keeps of it: nothing of one that comes with Quire, which changes with it.
pub(super) fn kept_digest(environment: &Environment) -> String {
    if environment.team_id.is_empty() {
        String::new()
    } else {
        environment.digest.clone()
    }
}
