//! Teams by the names that people know.

use anyhow::{Result, bail};
use contracts::identity::v1::{ListTeamsRequest, Team};
use kernel::id::TeamId;

use crate::api::Api;
use crate::cli::Output;
use crate::print;

/// All teams; none where they could not be had.
#[derive(Debug, Default)]
pub(super) struct Teams(Vec<Team>);

impl Teams {
    async fn ask(api: &Api) -> Result<Self> {
        let answer = api
            .ask(api.identity().list_teams(ListTeamsRequest {}))
            .await?;
        Ok(Self(answer.teams))
    }

    /// What is needed to print: programs get identifiers alone.
    pub(super) async fn for_output(api: &Api, output: Output) -> Self {
        match output {
            Output::Json => Self::default(),
            Output::Table => {
                print::or_note("the names of teams", Self::ask(api).await).unwrap_or_default()
            }
        }
    }

    /// The short name of a team; its identifier where that is not known.
    pub(super) fn name_of<'a>(&'a self, id: &'a str) -> &'a str {
        let found = self.0.iter().find(|team| team.id == id);
        found.map_or(id, |team| &team.namespace)
    }

    /// The name of a queue as people read it: that which a team has by itself is called by its identifier.
    pub(super) fn queue(&self, name: &str) -> String {
        match name.strip_prefix("team ") {
            Some(id) => format!("team {}", self.name_of(id)),
            None => name.to_owned(),
        }
    }
}

/// The identifier of a team that is named by it or by a name.
pub(super) async fn team_id(api: &Api, wanted: String) -> Result<String> {
    if wanted.parse::<TeamId>().is_ok() {
        return Ok(wanted);
    }
    let Teams(teams) = Teams::ask(api).await?;
    let named: Vec<_> = teams
        .iter()
        .filter(|team| team.namespace == wanted || team.name == wanted)
        .collect();
    match named.as_slice() {
        [team] => Ok(team.id.clone()),
        [] => bail!("--team: there is no team {wanted:?}; see quire team list"),
        _ => bail!(
            "--team: several teams are called {wanted:?}; give an identifier, see quire team list"
        ),
    }
}
