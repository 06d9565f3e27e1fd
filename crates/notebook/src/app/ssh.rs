//! Who may come into a notebook by ssh.

use chassis::{Error, Result};
use contracts::identity::v1::ListProjectSshKeysRequest;
use sea_orm::EntityTrait;

use super::App;
use crate::store::entity::Entity;

impl App {
    /// Public keys of all who may use the notebook now, as identity tells.
    pub(crate) async fn ssh_keys(&self, id: &str) -> Result<Vec<String>> {
        let row = Entity::find_by_id(id).one(self.database.reader()).await?;
        let row = row
            .filter(|row| row.deleted_at.is_none())
            .ok_or_else(|| Error::not_found("notebook", id))?;
        let request = ListProjectSshKeysRequest {
            team_id: row.team_id,
            project_id: row.project_id,
        };
        let keys = self.identity.clone().list_project_ssh_keys(request).await?;
        Ok(keys.into_inner().public_keys)
    }
}
