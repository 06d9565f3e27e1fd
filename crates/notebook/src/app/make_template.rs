//! A template of the team, made from a notebook: its environment, files as they are now, and a command.

use std::io::Read as _;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chassis::auth::User;
use chassis::database::is_unique_violation;
use chassis::seal::sha256_hex;
use chassis::{Error, Result};
use contracts::notebook::v1::{self as contract, CreateTemplateRequest, TemplateFile};
use kernel::id::TemplateId;
use kernel::text;
use reqwest::Method;
use sea_orm::{
    ActiveModelTrait, ColumnTrait, ConnectionTrait, EntityTrait, IntoActiveModel,
    PaginatorTrait as _, QueryFilter,
};

use super::App;
use super::create::MAX_TEXT;
use super::door::{accepted, whole};
use super::template::Content;
use crate::domain::selection::{self, MOST_BYTES, MOST_FILES};
use crate::domain::template;
use crate::store::template::{Column, Entity, Model};
use crate::store::{entity, template_file};

/// Most templates of one team.
const MOST: u64 = 50;
/// Longest command, in characters.
const LONGEST_COMMAND: usize = 2_000;
/// Longest list of a notebook's files that is looked through, in bytes.
const LONGEST_LIST: u64 = 32 << 20;
/// Longest archive of files, in bytes: what they hold, and four blocks of 512 each for name and data.
const LONGEST_ARCHIVE: u64 = MOST_BYTES + (MOST_FILES as u64 + 20) * 2_048;
/// Longest time in which a node tells of its files.
const READ: Duration = Duration::from_secs(10);

impl App {
    /// Makes a template, once per request id; with what was left out, in words.
    pub(crate) async fn create_template(
        &self,
        user: &User,
        asked: CreateTemplateRequest,
    ) -> Result<(contract::Template, String)> {
        let hash = sha256_hex(&format!("{asked:?}"));
        if let Some(before) = self.template_before(user, &asked.request_id, &hash).await? {
            return Ok((self.view_template(&before).await?, String::new()));
        }
        let notebook = self.find_to_change(user, &asked.notebook).await?;
        let row = self.template_row(user, &notebook, &asked, hash).await?;
        check_free(self.database.reader(), &row).await?;
        let (files, note) = self.take_files(&notebook, &asked.paths).await?;
        let template = self.insert_template(user, row, files).await?;
        Ok((template, note))
    }

    /// What the same request made before; another body under its name is a conflict.
    async fn template_before(
        &self,
        user: &User,
        request_id: &str,
        hash: &str,
    ) -> Result<Option<Model>> {
        if request_id.is_empty() {
            return Ok(None);
        }
        text::name("request_id", request_id, MAX_TEXT)?;
        let found = Entity::find()
            .filter(Column::TeamId.eq(user.team.to_string()))
            .filter(Column::RequestId.eq(request_id))
            .one(self.database.reader())
            .await?;
        match found {
            Some(row) if row.request_hash != hash || row.deleted_at.is_some() => {
                Err(Error::Conflict(format!(
                    "request_id {request_id:?} was used before for another template, or for one that is deleted"
                )))
            }
            found => Ok(found),
        }
    }

    async fn template_row(
        &self,
        user: &User,
        notebook: &entity::Model,
        asked: &CreateTemplateRequest,
        request_hash: String,
    ) -> Result<Model> {
        let name = match asked.name.as_str() {
            "" => text::slug("name", &notebook.name)?,
            name => text::slug("name", name)?,
        };
        if template::ALL.iter().any(|known| known.name == name) {
            let problem = format!("{name:?} comes with Quire; choose another name");
            return Err(Error::invalid("name", problem));
        }
        let description = match asked.description.as_str() {
            "" => format!("Made from notebook {}", notebook.name),
            given => text::name("description", given, MAX_TEXT)?,
        };
        let command = match &asked.command {
            Some(command) => check_command(command)?,
            None => self.command_of(notebook).await?,
        };
        Ok(Model {
            id: TemplateId::generate().into(),
            team_id: user.team.into(),
            name,
            description,
            environment: notebook.environment.clone(),
            environment_digest: notebook.environment_digest.clone(),
            command,
            notebook_id: notebook.id.clone(),
            user_id: user.id.into(),
            created_at: self.clock.now().timestamp_micros(),
            deleted_at: None,
            request_id: asked.request_id.clone(),
            request_hash,
        })
    }

    /// What runs before the notebook's Jupyter: that of its template, as long as that is known.
    async fn command_of(&self, notebook: &entity::Model) -> Result<String> {
        match self.template_of(notebook).await {
            Ok(template) => Ok(template.map_or_else(String::new, |it| it.command().to_owned())),
            Err(Error::NotFound { .. }) => Ok(String::new()),
            Err(error) => Err(error),
        }
    }

    /// Reads files of a notebook from its node, whether it runs or not.
    async fn take_files(
        &self,
        notebook: &entity::Model,
        wanted: &[String],
    ) -> Result<(Vec<Content>, String)> {
        let what = format!("the files of notebook {:?} cannot be read", notebook.name);
        let page = ".quire/files";
        let listed = self.at_door(notebook, Method::GET, page, "", READ).await?;
        let too_long = || {
            Error::Precondition(format!(
                "{what}: their list has more than {LONGEST_LIST} bytes; delete some, or make the template from another notebook"
            ))
        };
        let listed = whole(accepted(&what, listed).await?, LONGEST_LIST, too_long).await?;
        let selection = selection::select(&selection::read_list(&listed)?, wanted)?;
        if selection.paths.is_empty() {
            return Ok((Vec::new(), selection.note()));
        }
        let names: Vec<u8> = selection
            .paths
            .iter()
            .flat_map(|path| path.bytes().chain([0]))
            .collect();
        let packed = self
            .at_door(notebook, Method::POST, page, names, READ)
            .await?;
        let packed = whole(accepted(&what, packed).await?, LONGEST_ARCHIVE, changed).await?;
        Ok((unpack(&packed, &selection.paths)?, selection.note()))
    }

    async fn insert_template(
        &self,
        user: &User,
        row: Model,
        files: Vec<Content>,
    ) -> Result<contract::Template> {
        let transaction = self.database.begin().await?;
        check_free(&transaction, &row).await?;
        let inserted = row.clone().into_active_model().insert(&transaction).await;
        inserted.map_err(|error| match is_unique_violation(&error) {
            true => Error::Conflict(format!("{:?} is being made already; try again", row.name)),
            false => error.into(),
        })?;
        let mut listed = Vec::new();
        for file in files {
            let size = i64::try_from(file.bytes.len()).unwrap_or(i64::MAX);
            listed.push(TemplateFile {
                path: file.path.clone(),
                size: super::unsigned_32(size),
                content: String::new(),
                executable: file.executable,
            });
            let file = template_file::Model {
                template_id: row.id.clone(),
                path: file.path,
                size,
                executable: file.executable,
                content: STANDARD.encode(&file.bytes),
            };
            file.into_active_model().insert(&transaction).await?;
        }
        let template = super::template::wire(&row, listed);
        self.say_template(&transaction, &template, false, user)
            .await?;
        transaction.commit().await?;
        self.outbox.nudge();
        Ok(template)
    }
}

/// Refuses a name that the team has already, and one template too many.
async fn check_free(connection: &impl ConnectionTrait, row: &Model) -> Result<()> {
    let there = || {
        Entity::find()
            .filter(Column::TeamId.eq(&row.team_id))
            .filter(Column::DeletedAt.is_null())
    };
    let same_name = there().filter(Column::Name.eq(&row.name));
    if same_name.one(connection).await?.is_some() {
        return Err(Error::Conflict(format!(
            "a template named {:?} exists already; choose another name, or delete it",
            row.name
        )));
    }
    if there().count(connection).await? >= MOST {
        return Err(Error::Exhausted(format!(
            "the team has {MOST} templates, and no more may be; delete one that nobody needs"
        )));
    }
    Ok(())
}

fn check_command(command: &str) -> Result<String> {
    let command = command.trim();
    let length = command.chars().count();
    if length > LONGEST_COMMAND {
        let problem = format!(
            "has {length} characters; at most {LONGEST_COMMAND} are allowed: put more into a file of the template"
        );
        return Err(Error::invalid("command", problem));
    }
    let allowed = |letter: char| !letter.is_control() || matches!(letter, '\n' | '\t');
    if !command.chars().all(allowed) {
        return Err(Error::invalid(
            "command",
            "has control characters; only ends of lines and tabs are allowed",
        ));
    }
    Ok(command.to_owned())
}

fn changed() -> Error {
    Error::Precondition("the notebook's files changed while they were read; try again".to_owned())
}

/// What an archive holds of these sorted paths: all of them, and files only.
fn unpack(archive: &[u8], paths: &[String]) -> Result<Vec<Content>> {
    let broken = |error| Error::internal("reading an archive of files", error);
    let mut files = Vec::new();
    for entry in tar::Archive::new(archive).entries().map_err(broken)? {
        let mut entry = entry.map_err(broken)?;
        let path = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
        if !entry.header().entry_type().is_file() {
            return Err(changed());
        }
        let executable = entry.header().mode().map_err(broken)? & 0o100 != 0;
        let mut bytes = Vec::new();
        entry.read_to_end(&mut bytes).map_err(broken)?;
        files.push(Content {
            path,
            executable,
            bytes,
        });
    }
    files.sort_by(|one, other| one.path.cmp(&other.path));
    if !files.iter().map(|file| &file.path).eq(paths) {
        return Err(changed());
    }
    selection::check_bytes(files.iter().map(|file| file.bytes.len() as u64).sum())?;
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn archive(entries: &[(tar::EntryType, &str, &[u8])]) -> Vec<u8> {
        let mut archive = tar::Builder::new(Vec::new());
        for (kind, path, bytes) in entries {
            let mut header = tar::Header::new_gnu();
            header.set_entry_type(*kind);
            header.set_mode(if path.ends_with(".sh") { 0o755 } else { 0o644 });
            header.set_size(bytes.len() as u64);
            archive.append_data(&mut header, path, *bytes).unwrap();
        }
        archive.into_inner().unwrap()
    }

    fn of(paths: &[&str]) -> Vec<String> {
        paths.iter().map(|&path| path.to_owned()).collect()
    }

    #[test]
    fn only_what_was_chosen_is_taken() {
        use tar::EntryType::{Regular, Symlink};
        let packed = archive(&[(Regular, "b.sh", b"x"), (Regular, "a", b"\xff")]);
        let files = unpack(&packed, &of(&["a", "b.sh"])).unwrap();
        let seen: Vec<_> = files
            .iter()
            .map(|file| (file.path.as_str(), file.executable, file.bytes.as_slice()))
            .collect();
        assert_eq!(seen, [("a", false, &b"\xff"[..]), ("b.sh", true, b"x")]);
        // Files that a hostile notebook exchanged after they were listed.
        for wrong in [
            archive(&[(Symlink, "a", b"")]),
            archive(&[(Regular, "a", b""), (Regular, "b", b"")]),
            archive(&[]),
        ] {
            let refused = unpack(&wrong, &of(&["a"])).unwrap_err().to_string();
            assert!(
                refused.contains("changed while they were read"),
                "{refused}"
            );
        }
    }

    #[test]
    fn commands_are_short_text() {
        assert_eq!(check_command(" make\n\tall \n").unwrap(), "make\n\tall");
        let long = check_command(&"x".repeat(2_001)).unwrap_err().to_string();
        assert!(long.contains("2001 characters; at most 2000"), "{long}");
        assert!(check_command("a\0b").is_err());
    }
}
