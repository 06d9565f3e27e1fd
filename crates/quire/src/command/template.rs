//! `quire template`.

use anyhow::{Context, Result};
use contracts::notebook::v1::{
    CreateTemplateRequest, DeleteTemplateRequest, GetTemplateRequest, ListTemplatesRequest,
    Template, TemplateFile,
};
use serde::Serialize;

use super::confirm::confirm;
use crate::api::{Api, request_id};
use crate::cli::{Output, TemplateCommand};
use crate::print::{self, Row, out};

/// A template as programs see it. Fields are only added.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct TemplateRow {
    /// Null for those that come with Quire.
    id: Option<String>,
    name: String,
    description: String,
    environment: String,
    needs_gpu: bool,
    /// What runs before Jupyter; empty = nothing.
    command: String,
    files: Vec<FileRow>,
}

/// A file of it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct FileRow {
    path: String,
    size: u32,
    executable: bool,
    /// Absent in lists, and for what is no text or long.
    #[serde(skip_serializing_if = "String::is_empty")]
    content: String,
}

impl From<TemplateFile> for FileRow {
    fn from(file: TemplateFile) -> Self {
        Self {
            path: file.path,
            size: file.size,
            executable: file.executable,
            content: file.content,
        }
    }
}

impl From<Template> for TemplateRow {
    fn from(template: Template) -> Self {
        Self {
            id: Some(template.id).filter(|id| !id.is_empty()),
            command: template.command,
            name: template.name,
            description: template.description,
            environment: template.environment,
            needs_gpu: template.needs_gpu,
            files: template.files.into_iter().map(FileRow::from).collect(),
        }
    }
}

impl Row for TemplateRow {
    const COLUMNS: &'static [&'static str] = &[
        "NAME",
        "FROM",
        "ENVIRONMENT",
        "NEEDS A GPU",
        "FILES",
        "COMMAND",
        "DESCRIPTION",
    ];

    fn cells(&self) -> Vec<String> {
        let files: Vec<_> = self.files.iter().map(|file| file.path.as_str()).collect();
        let files = match files.as_slice() {
            [some @ .., _, _] if some.len() >= 2 => format!("{} files", files.len()),
            few => few.join(", "),
        };
        vec![
            self.name.clone(),
            if self.id.is_none() { "Quire" } else { "team" }.to_owned(),
            self.environment.clone(),
            if self.needs_gpu { "yes" } else { "" }.to_owned(),
            files,
            self.command.lines().next().unwrap_or_default().to_owned(),
            self.description.clone(),
        ]
    }
}

pub(super) async fn run(command: TemplateCommand, api: &Api, output: Output) -> Result<()> {
    match command {
        TemplateCommand::List => {
            let request = ListTemplatesRequest {};
            let answer = api.ask(api.notebook().list_templates(request)).await?;
            let rows: Vec<_> = answer
                .templates
                .into_iter()
                .map(TemplateRow::from)
                .collect();
            print::list(output, &rows, "there are no templates")
        }
        TemplateCommand::Show { template } => {
            let row = TemplateRow::from(get(api, template).await?);
            print::one(output, &row)?;
            if output != Output::Json {
                for file in &row.files {
                    out!("\n{} ({} bytes)", file.path, file.size);
                    out!("{}", file.content);
                }
            }
            Ok(())
        }
        TemplateCommand::CreateFrom {
            notebook,
            name,
            description,
            paths,
            command,
        } => {
            let request = CreateTemplateRequest {
                notebook,
                name: name.unwrap_or_default(),
                description: description.unwrap_or_default(),
                paths,
                command,
                request_id: request_id(),
            };
            create(api, output, request).await
        }
        TemplateCommand::Delete { template, yes } => delete(api, output, template, yes).await,
    }
}

async fn create(api: &Api, output: Output, request: CreateTemplateRequest) -> Result<()> {
    let made = api
        .make(|| {
            let (mut notebooks, request) = (api.notebook(), request.clone());
            async move { notebooks.create_template(request).await }
        })
        .await?;
    if !made.note.is_empty() {
        print::note(&made.note);
    }
    let template = made.template.context("the answer holds no template")?;
    print::one(output, &TemplateRow::from(template))
}

async fn delete(api: &Api, output: Output, template: String, yes: bool) -> Result<()> {
    if !yes {
        confirm(&format!(
            "Delete template {template}? It cannot be had back."
        ))?;
    }
    let request = DeleteTemplateRequest { template };
    let answer = api.ask(api.notebook().delete_template(request)).await?;
    let gone = answer.template.context("the answer holds no template")?;
    if output == Output::Json {
        return print::json(&serde_json::json!({ "id": gone.id, "deleted": true }));
    }
    out!("template {} is deleted", gone.name);
    Ok(())
}

/// The one that is named.
pub(super) async fn get(api: &Api, template: String) -> Result<Template> {
    let request = GetTemplateRequest { template };
    let answer = api.ask(api.notebook().get_template(request)).await?;
    answer.template.context("the answer holds no template")
}
