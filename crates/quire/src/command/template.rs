//! `quire template`.

use anyhow::{Context, Result};
use contracts::notebook::v1::{GetTemplateRequest, ListTemplatesRequest, Template, TemplateFile};
use serde::Serialize;

use crate::api::Api;
use crate::cli::{Output, TemplateCommand};
use crate::print::{self, Row, out};

/// A template as programs see it. Fields are only added.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct TemplateRow {
    name: String,
    description: String,
    environment: String,
    needs_gpu: bool,
    files: Vec<FileRow>,
}

/// A file of it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct FileRow {
    path: String,
    size: u32,
    /// Absent in lists.
    #[serde(skip_serializing_if = "String::is_empty")]
    content: String,
}

impl From<TemplateFile> for FileRow {
    fn from(file: TemplateFile) -> Self {
        Self {
            path: file.path,
            size: file.size,
            content: file.content,
        }
    }
}

impl From<Template> for TemplateRow {
    fn from(template: Template) -> Self {
        Self {
            name: template.name,
            description: template.description,
            environment: template.environment,
            needs_gpu: template.needs_gpu,
            files: template.files.into_iter().map(FileRow::from).collect(),
        }
    }
}

impl Row for TemplateRow {
    const COLUMNS: &'static [&'static str] =
        &["NAME", "ENVIRONMENT", "NEEDS A GPU", "FILES", "DESCRIPTION"];

    fn cells(&self) -> Vec<String> {
        let files: Vec<_> = self.files.iter().map(|file| file.path.as_str()).collect();
        vec![
            self.name.clone(),
            self.environment.clone(),
            if self.needs_gpu { "yes" } else { "" }.to_owned(),
            files.join(", "),
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
                    out!("\n{}", file.content);
                }
            }
            Ok(())
        }
    }
}

/// The one that is named.
pub(super) async fn get(api: &Api, template: String) -> Result<Template> {
    let request = GetTemplateRequest { template };
    let answer = api.ask(api.notebook().get_template(request)).await?;
    answer.template.context("the answer holds no template")
}
