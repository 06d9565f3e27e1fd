//! Templates: those that come with Quire, and those that a team made of its notebooks.

use std::collections::HashMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chassis::auth::User;
use chassis::pick::pick;
use chassis::{Error, Result};
use contracts::inventory::v1::{Environment, MachineType};
use contracts::notebook::v1::{self as contract, TemplateChanged, TemplateFile};
use contracts::to_wire_time;
use kernel::id::TeamId;
use kernel::time::from_micros;
use sea_orm::{
    ActiveModelTrait, ColumnTrait, ConnectionTrait, DatabaseTransaction, EntityTrait,
    IntoActiveModel, QueryFilter, QueryOrder, QuerySelect, QueryTrait as _,
};

use super::environment::kept_digest;
use super::{App, view};
use crate::domain::template;
use crate::store::template::{Column, Entity, Model};
use crate::store::{entity, template_file};

/// Longest content that is shown, in bytes: of one file, and of all.
const SHOWN: [usize; 2] = [64 << 10, 1 << 20];

/// One of the two kinds.
#[derive(Clone, Debug)]
pub(super) enum Template {
    BuiltIn(template::Template),
    OfTeam(Box<Model>),
}

/// A file with what is in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Content {
    pub(super) path: String,
    pub(super) executable: bool,
    pub(super) bytes: Vec<u8>,
}

impl Template {
    pub(super) fn name(&self) -> &str {
        match self {
            Self::BuiltIn(template) => template.name,
            Self::OfTeam(row) => &row.name,
        }
    }

    /// Identifier; empty for those that come with Quire.
    pub(super) fn id(&self) -> &str {
        match self {
            Self::BuiltIn(_) => "",
            Self::OfTeam(row) => &row.id,
        }
    }

    /// What runs before Jupyter; empty = nothing.
    pub(super) fn command(&self) -> &str {
        match self {
            Self::BuiltIn(_) => "",
            Self::OfTeam(row) => &row.command,
        }
    }

    /// Refuses a machine on which it is of no use.
    pub(super) fn check_machine(&self, machine: &MachineType) -> Result<()> {
        let gpus = machine.resources.as_ref().map_or(0, |it| it.gpus);
        match self {
            Self::BuiltIn(template) if template.needs_gpu && gpus == 0 => Err(Error::invalid(
                "template",
                format!(
                    "{} needs a GPU, and machine type {} has none; ask for one, as with --gpu 1",
                    template.name, machine.name
                ),
            )),
            _ => Ok(()),
        }
    }
}

fn of_team(team: &str) -> sea_orm::Select<Entity> {
    Entity::find()
        .filter(Column::TeamId.eq(team))
        .filter(Column::DeletedAt.is_null())
        .order_by_asc(Column::Name)
}

impl App {
    /// The one that `wanted` names to a team.
    pub(super) async fn template_named(&self, team: TeamId, wanted: &str) -> Result<Template> {
        let rows = of_team(&team.to_string())
            .all(self.database.reader())
            .await?;
        let made = rows.into_iter().map(|row| Template::OfTeam(Box::new(row)));
        let all = template::ALL.into_iter().map(Template::BuiltIn).chain(made);
        pick("template", wanted, all.collect(), |one| match one.id() {
            "" => vec![one.name().to_owned()],
            id => vec![id.to_owned(), one.name().to_owned()],
        })
    }

    /// That of a notebook; `None` = it was made from none.
    pub(super) async fn template_of(&self, row: &entity::Model) -> Result<Option<Template>> {
        if row.template.is_empty() {
            return Ok(None);
        }
        if row.template_id.is_empty() {
            return Ok(Some(Template::BuiltIn(template::named(&row.template)?)));
        }
        let found = Entity::find_by_id(&row.template_id)
            .one(self.database.reader())
            .await?;
        let found = found.ok_or_else(|| Error::not_found("template", &row.template))?;
        Ok(Some(Template::OfTeam(Box::new(found))))
    }

    /// The environment of a notebook that names none: that of its template, as it was when that was made.
    pub(super) async fn environment_of_template(
        &self,
        team: TeamId,
        template: &Template,
    ) -> Result<Environment> {
        let row = match template {
            Template::BuiltIn(template) => {
                return self.choose_environment(team, template.environment).await;
            }
            Template::OfTeam(row) => row,
        };
        let is_it = |found: &Environment| {
            found.name == row.environment && kept_digest(found) == row.environment_digest
        };
        match self.choose_environment(team, &row.environment).await {
            Ok(found) if is_it(&found) => Ok(found),
            Ok(_) | Err(Error::Invalid { .. }) => Err(Error::Precondition(format!(
                "template {:?} starts in environment {:?}, which is not there any more, or is another one by now; name an \
                 environment beside the template, or make the template anew",
                row.name, row.environment
            ))),
            refused => refused,
        }
    }

    /// The files of a template with what is in them, by path.
    pub(super) async fn contents(&self, template: &Template) -> Result<Vec<Content>> {
        let row = match template {
            Template::BuiltIn(template) => {
                let files = template.files.iter().map(|file| Content {
                    path: file.path.to_owned(),
                    executable: false,
                    bytes: file.content.into(),
                });
                return Ok(files.collect());
            }
            Template::OfTeam(row) => row,
        };
        let files = template_file::Entity::find()
            .filter(template_file::Column::TemplateId.eq(&row.id))
            .order_by_asc(template_file::Column::Path)
            .all(self.database.reader())
            .await?;
        let content = |file: template_file::Model| {
            let broken = |error| Error::internal("reading a file of a template", error);
            Ok(Content {
                bytes: STANDARD.decode(&file.content).map_err(broken)?,
                path: file.path,
                executable: file.executable,
            })
        };
        files.into_iter().map(content).collect()
    }

    /// All that a team can make notebooks from, by name, without the content of files.
    pub(crate) async fn list_templates(&self, user: &User) -> Result<Vec<contract::Template>> {
        let rows = of_team(&user.team.to_string())
            .all(self.database.reader())
            .await?;
        let ids = rows.iter().map(|row| row.id.clone());
        let mut files = self.listed_files(ids.collect()).await?;
        let made = rows.into_iter().map(|row| {
            let files = files.remove(&row.id).unwrap_or_default();
            wire(&row, files)
        });
        let mut all: Vec<_> = template::ALL
            .iter()
            .map(view::template)
            .chain(made)
            .collect();
        all.sort_by(|one, other| one.name.cmp(&other.name));
        Ok(all)
    }

    /// One template with its files.
    pub(crate) async fn get_template(
        &self,
        user: &User,
        wanted: &str,
    ) -> Result<contract::Template> {
        let template = self.template_named(user.team, wanted).await?;
        let files = shown(self.contents(&template).await?);
        Ok(match &template {
            Template::BuiltIn(template) => contract::Template {
                files,
                ..view::template(template)
            },
            Template::OfTeam(row) => wire(row, files),
        })
    }

    /// Removes a template of the team.
    pub(crate) async fn delete_template(
        &self,
        user: &User,
        wanted: &str,
    ) -> Result<contract::Template> {
        let template = self.template_named(user.team, wanted).await?;
        let row = match template {
            Template::OfTeam(row) => row,
            Template::BuiltIn(template) => {
                return Err(Error::Precondition(format!(
                    "template {:?} comes with Quire and cannot be deleted",
                    template.name
                )));
            }
        };
        let transaction = self.database.begin().await?;
        let row = of_team(&row.team_id)
            .filter(Column::Id.eq(&row.id))
            .lock_exclusive()
            .one(&transaction)
            .await?
            .ok_or_else(|| Error::not_found("template", wanted))?;
        let mut gone = row.clone();
        gone.deleted_at = Some(self.clock.now().timestamp_micros());
        gone.into_active_model()
            .reset_all()
            .update(&transaction)
            .await?;
        let template = self.view_template(&row).await?;
        self.say_template(&transaction, &template, true, user)
            .await?;
        transaction.commit().await?;
        self.outbox.nudge();
        Ok(template)
    }

    /// Forgets deleted templates for whose files no notebook waits any more.
    pub(super) async fn forget_templates(&self) -> Result<()> {
        let waited_for = entity::Entity::find()
            .select_only()
            .column(entity::Column::TemplateId)
            .filter(entity::Column::DeletedAt.is_null())
            .filter(entity::Column::Furnished.eq(false));
        let over = Entity::find()
            .filter(Column::DeletedAt.is_not_null())
            .filter(Column::Id.not_in_subquery(waited_for.into_query()))
            .all(self.database.reader())
            .await?;
        for row in over {
            let transaction = self.database.begin().await?;
            delete(&transaction, &row.id).await?;
            transaction.commit().await?;
        }
        Ok(())
    }

    /// A template of a team without the content of its files.
    pub(super) async fn view_template(&self, row: &Model) -> Result<contract::Template> {
        let mut files = self.listed_files(vec![row.id.clone()]).await?;
        Ok(wire(row, files.remove(&row.id).unwrap_or_default()))
    }

    /// Files of templates without content, by template.
    async fn listed_files(&self, ids: Vec<String>) -> Result<HashMap<String, Vec<TemplateFile>>> {
        use template_file::Column;
        let rows: Vec<(String, String, i64, bool)> = template_file::Entity::find()
            .select_only()
            .columns([
                Column::TemplateId,
                Column::Path,
                Column::Size,
                Column::Executable,
            ])
            .filter(Column::TemplateId.is_in(ids))
            .order_by_asc(Column::Path)
            .into_tuple()
            .all(self.database.reader())
            .await?;
        let mut files = HashMap::<_, Vec<_>>::new();
        for (template, path, size, executable) in rows {
            files.entry(template).or_default().push(TemplateFile {
                path,
                size: super::unsigned_32(size),
                content: String::new(),
                executable,
            });
        }
        Ok(files)
    }

    /// Tells the others of a template that this transaction made or removed.
    pub(super) async fn say_template(
        &self,
        transaction: &DatabaseTransaction,
        template: &contract::Template,
        deleted: bool,
        user: &User,
    ) -> Result<()> {
        let event = TemplateChanged {
            template: Some(template.clone()),
            deleted,
            user_id: user.id.into(),
        };
        self.outbox
            .append(transaction, &event, &template.id, Some(&template.team_id))
            .await?;
        let what = if deleted {
            "template deleted"
        } else {
            "template made"
        };
        self.metrics.changed(what);
        Ok(())
    }
}

async fn delete(connection: &impl ConnectionTrait, id: &str) -> Result<()> {
    template_file::Entity::delete_many()
        .filter(template_file::Column::TemplateId.eq(id))
        .exec(connection)
        .await?;
    Entity::delete_by_id(id).exec(connection).await?;
    Ok(())
}

pub(super) fn wire(row: &Model, files: Vec<TemplateFile>) -> contract::Template {
    contract::Template {
        name: row.name.clone(),
        description: row.description.clone(),
        environment: row.environment.clone(),
        needs_gpu: false,
        files,
        id: row.id.clone(),
        team_id: row.team_id.clone(),
        command: row.command.clone(),
        notebook_id: row.notebook_id.clone(),
        user_id: row.user_id.clone(),
        created_at: Some(to_wire_time(from_micros(row.created_at))),
    }
}

/// Files with their content, as far as that is text and not too long.
fn shown(files: Vec<Content>) -> Vec<TemplateFile> {
    let [of_one, mut left] = SHOWN;
    let show = |file: Content| {
        let size = u32::try_from(file.bytes.len()).unwrap_or(u32::MAX);
        let text = String::from_utf8(file.bytes).ok();
        let content = text
            .filter(|text| text.len() <= of_one.min(left))
            .unwrap_or_default();
        left -= content.len();
        TemplateFile {
            path: file.path,
            size,
            content,
            executable: file.executable,
        }
    };
    files.into_iter().map(show).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_is_shown_as_far_as_it_is_short_text() {
        let file = |path: &str, bytes: Vec<u8>| Content {
            path: path.to_owned(),
            executable: false,
            bytes,
        };
        let mut files = vec![
            file("long", vec![b'x'; (64 << 10) + 1]),
            file("picture", vec![0xff, 0xd8]),
        ];
        let sixteen = (0..17).map(|number| file(&format!("{number:02}"), vec![b'x'; 64 << 10]));
        files.extend(sixteen);
        let lengths: Vec<_> = shown(files)
            .into_iter()
            .map(|file| (file.size, file.content.len()))
            .collect();
        assert_eq!(lengths[..2], [((64 << 10) + 1, 0), (2, 0)]);
        assert!(lengths[2..18].iter().all(|(_, shown)| *shown == 64 << 10));
        assert_eq!(lengths[18], (64 << 10, 0), "after the first MiB");
    }
}
