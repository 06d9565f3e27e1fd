//! Templates: what notebooks can be made from.

use axum::Json;
use contracts::notebook::v1::{
    CreateTemplateRequest, DeleteTemplateRequest, GetTemplateRequest, ListTemplatesRequest,
    Template as WireTemplate,
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Answer;
use super::caller::Caller;
use super::extract::{Id, IdempotencyKey, Params};
use super::failure::Failure;
use super::json_body::JsonBody;
use super::page::{List, Order, PageQuery};
use super::values::{Time, non_empty, present};

/// What a notebook can be made from: an environment, and files to begin with.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Template {
    /// Null for those that come with Quire.
    #[schema(required)]
    id: Option<String>,
    /// Team that it belongs to; null for those that come with Quire.
    #[schema(required)]
    team_id: Option<String>,
    name: String,
    /// What it is for.
    description: String,
    /// The environment that it starts in.
    environment: String,
    /// It is of no use without a GPU: a notebook on a machine type without one is refused.
    needs_gpu: bool,
    /// What runs in a shell before Jupyter, once the files are there; empty = nothing.
    command: String,
    files: Vec<TemplateFile>,
    /// Notebook that it was made from; null for those that come with Quire.
    #[schema(required)]
    notebook_id: Option<String>,
    /// Who made it; null for those that come with Quire.
    #[schema(required)]
    user_id: Option<String>,
    /// Null for those that come with Quire.
    #[schema(required)]
    dt_created: Option<Time>,
}

/// A file of a template.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct TemplateFile {
    /// Where it lies in the notebook's files.
    path: String,
    /// Bytes.
    size: u32,
    /// It may be run as a program.
    executable: bool,
    /// What is in it; absent in lists, and for what is no text or long.
    #[serde(skip_serializing_if = "Option::is_none")]
    content: Option<String>,
}

impl TryFrom<WireTemplate> for Template {
    type Error = Failure;

    fn try_from(wire: WireTemplate) -> Result<Self, Failure> {
        let files = wire.files.into_iter().map(|file| TemplateFile {
            path: file.path,
            size: file.size,
            executable: file.executable,
            content: non_empty(file.content),
        });
        Ok(Self {
            id: non_empty(wire.id),
            team_id: non_empty(wire.team_id),
            command: wire.command,
            notebook_id: non_empty(wire.notebook_id),
            user_id: non_empty(wire.user_id),
            dt_created: Time::optional("created_at", wire.created_at)?,
            name: wire.name,
            description: wire.description,
            environment: wire.environment,
            needs_gpu: wire.needs_gpu,
            files: files.collect(),
        })
    }
}

/// What a template is made from.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct NewTemplate {
    /// Identifier or name of the notebook.
    notebook_id: String,
    /// 1 to 39 lower-case letters, digits and single hyphens; the notebook's own when absent.
    name: Option<String>,
    /// What it is for, at most 200 characters; a word about the notebook when absent.
    description: Option<String>,
    /// Files and folders of the notebook that are taken; all that is not hidden when absent. At most 200 files of 8,388,608 bytes in
    /// all.
    #[serde(default)]
    paths: Vec<String>,
    /// What runs in a shell before Jupyter, once the files are there, at most 2,000 characters. That of the template that the notebook
    /// was made from when absent.
    command: Option<String>,
    /// The same one gives the same template.
    request_id: Option<String>,
}

/// A template that was made.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct MadeTemplate {
    template: Template,
    /// What was left out, in words; absent = nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    note: Option<String>,
}

/// List templates
#[utoipa::path(
    get, path = "/v1/templates", tag = "Templates",
    params(PageQuery), responses((status = 200, body = List<Template>))
)]
pub(super) async fn list_templates(
    caller: Caller,
    Params(page): Params<PageQuery>,
) -> Answer<List<Template>> {
    let page = page.read(["name"], Order::Ascending)?;
    let answer = caller
        .notebook()
        .list_templates(ListTemplatesRequest {})
        .await?
        .into_inner();
    let templates = answer.templates.into_iter().map(Template::try_from);
    let templates = templates.collect::<Result<Vec<_>, _>>()?;
    Ok(Json(page.cut(templates, |template: &Template| {
        template.name.clone()
    })))
}

/// Get a template with its files
#[utoipa::path(
    get, path = "/v1/templates/{id}", tag = "Templates",
    params(("id" = String, Path, description = "Name, or the unique beginning of one")),
    responses((status = 200, body = Template))
)]
pub(super) async fn get_template(caller: Caller, Id(template): Id) -> Answer<Template> {
    let request = GetTemplateRequest { template };
    let found = caller.notebook().get_template(request).await?.into_inner();
    Ok(Json(present("template", found.template)?.try_into()?))
}

/// Make a template of the team from a notebook: its environment, and files of its as they are now
#[utoipa::path(
    post, path = "/v1/templates", tag = "Templates",
    request_body = NewTemplate, responses((status = 200, body = MadeTemplate))
)]
pub(super) async fn create_template(
    caller: Caller,
    key: IdempotencyKey,
    JsonBody(new): JsonBody<NewTemplate>,
) -> Answer<MadeTemplate> {
    let request = CreateTemplateRequest {
        notebook: new.notebook_id,
        name: new.name.unwrap_or_default(),
        description: new.description.unwrap_or_default(),
        paths: new.paths,
        command: new.command,
        request_id: key.or(new.request_id)?,
    };
    let made = caller.notebook().create_template(request).await?;
    let made = made.into_inner();
    Ok(Json(MadeTemplate {
        template: present("template", made.template)?.try_into()?,
        note: non_empty(made.note),
    }))
}

/// Remove a template of the team; notebooks that were made from it stay as they are
#[utoipa::path(
    delete, path = "/v1/templates/{id}", tag = "Templates",
    params(("id" = String, Path, description = "Identifier or name, or the unique beginning of one")),
    responses((status = 200, body = Template))
)]
pub(super) async fn delete_template(caller: Caller, Id(template): Id) -> Answer<Template> {
    let request = DeleteTemplateRequest { template };
    let gone = caller.notebook().delete_template(request).await?;
    Ok(Json(
        present("template", gone.into_inner().template)?.try_into()?,
    ))
}
