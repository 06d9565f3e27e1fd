//! `quire environment`.

use anyhow::Result;
use contracts::inventory::v1::ListEnvironmentsRequest;
use serde::Serialize;

use crate::api::Api;
use crate::cli::Output;
use crate::print::{self, Row};

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct EnvironmentRow {
    name: String,
    description: String,
    digest: String,
    packages: usize,
}

impl Row for EnvironmentRow {
    const COLUMNS: &'static [&'static str] = &["NAME", "PACKAGES", "DESCRIPTION"];

    fn cells(&self) -> Vec<String> {
        vec![
            self.name.clone(),
            self.packages.to_string(),
            self.description.clone(),
        ]
    }
}

pub(crate) async fn environments(api: &Api, output: Output) -> Result<()> {
    let answer = api
        .ask(
            api.inventory()
                .list_environments(ListEnvironmentsRequest {}),
        )
        .await?;
    let rows: Vec<_> = answer
        .environments
        .into_iter()
        .map(|environment| EnvironmentRow {
            packages: environment
                .lock
                .lines()
                .filter(|line| line.contains("=="))
                .count(),
            name: environment.name,
            description: environment.description,
            digest: environment.digest,
        })
        .collect();
    print::list(output, &rows, "there are no environments")
}
