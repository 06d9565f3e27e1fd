//! Templates: what notebooks can be made from.

use axum::Json;
use contracts::notebook::v1::{GetTemplateRequest, ListTemplatesRequest, Template as WireTemplate};
use serde::Serialize;
use utoipa::ToSchema;

use super::Answer;
use super::caller::Caller;
use super::extract::{Id, Params};
use super::page::{List, Order, PageQuery};
use super::values::{non_empty, present};

/// What a notebook can be made from: an environment, and files to begin with.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Template {
    name: String,
    /// What it is for.
    description: String,
    /// The environment that it starts in.
    environment: String,
    /// It is of no use without a GPU: a notebook on a machine type without one is refused.
    needs_gpu: bool,
    files: Vec<TemplateFile>,
}

/// A file of a template.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct TemplateFile {
    /// Where it lies in the notebook's files.
    path: String,
    /// Bytes.
    size: u32,
    /// What is in it; absent in lists.
    #[serde(skip_serializing_if = "Option::is_none")]
    content: Option<String>,
}

impl From<WireTemplate> for Template {
    fn from(wire: WireTemplate) -> Self {
        let files = wire.files.into_iter().map(|file| TemplateFile {
            path: file.path,
            size: file.size,
            content: non_empty(file.content),
        });
        Self {
            name: wire.name,
            description: wire.description,
            environment: wire.environment,
            needs_gpu: wire.needs_gpu,
            files: files.collect(),
        }
    }
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
    let templates = answer.templates.into_iter().map(Template::from).collect();
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
    Ok(Json(present("template", found.template)?.into()))
}
