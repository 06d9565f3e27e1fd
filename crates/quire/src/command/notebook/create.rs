//! `quire notebook create`.

use anyhow::{Context, Result};
use contracts::billing::v1::ListPricesRequest;
use contracts::notebook::v1::CreateNotebookRequest;

use super::run::run_until_running;
use crate::api::Api;
use crate::cli::{CreateArgs, Output};
use crate::{failure, print, wait};

pub(super) async fn create(api: &Api, output: Output, args: CreateArgs) -> Result<()> {
    let request = CreateNotebookRequest {
        name: args.name.unwrap_or_default(),
        project: args.project.unwrap_or_default(),
        machine_type: args.machine_type.unwrap_or_default(),
        environment: args.environment.unwrap_or_default(),
        idle_timeout_seconds: args.idle_timeout.map(|minutes| minutes * 60),
        shutdown_timeout_seconds: args.shutdown_timeout.map_or(0, |hours| hours * 3_600),
        // A lost answer can be asked for again without a second notebook.
        request_id: kernel::id::EventId::generate().to_string(),
    };
    let created = wait::retry(|| async {
        let answer = api.notebook().create_notebook(request.clone()).await;
        Ok(answer.map_err(chassis::Error::from)?.into_inner())
    })
    .await
    .map_err(|error| failure(&error.into(), api.server()))?;
    let notebook = created.notebook.context("the answer holds no notebook")?;
    print::note(&format!(
        "{}: machine type {}, environment {}, {} per hour",
        notebook.name,
        notebook.machine_type,
        notebook.environment,
        price(api, &notebook.machine_type).await?
    ));
    run_until_running(api, output, notebook).await
}

async fn price(api: &Api, machine_type: &str) -> Result<String> {
    let answer = api
        .ask(api.billing().list_prices(ListPricesRequest {}))
        .await?;
    let prices = answer.prices;
    let found = prices
        .into_iter()
        .find(|price| price.machine_type == machine_type);
    Ok(found.map_or_else(
        || "nothing".to_owned(),
        |price| format!("{} {}", print::rate(price.nanos_per_hour), price.currency),
    ))
}
