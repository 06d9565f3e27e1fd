//! `quire notebook` and `quire why`.

mod bill;
mod change;
mod copy;
mod create;
mod delete;
mod door;
mod exec;
mod extend;
mod files;
mod find;
mod logs;
mod metrics;
mod open;
mod progress;
mod remove;
mod run;
mod share;
mod ssh;
mod stop;
mod view;
mod why;

use anyhow::Result;

use self::bill::Bills;
use self::view::{Details, View};
use crate::api::Api;
use crate::cli::{NotebookCommand, Output};
use crate::print;

pub(crate) use exec::Ended;
pub(super) use find::names;
pub(crate) use ssh::{config as ssh_config, ssh};
pub(crate) use why::why;

pub(crate) async fn run(command: NotebookCommand, api: &Api, output: Output) -> Result<()> {
    match command {
        NotebookCommand::Create(args) => create::create(api, output, *args).await,
        NotebookCommand::Fork(args) => create::fork(api, output, *args).await,
        NotebookCommand::List => list(api, output).await,
        NotebookCommand::Show { id } => show(api, output, &id).await,
        NotebookCommand::Open { id, port } => open::open(api, output, &id, port).await,
        NotebookCommand::Cp { paths } => copy::cp(api, output, &paths).await,
        NotebookCommand::Rm { paths } => remove::rm(api, output, &paths).await,
        NotebookCommand::Logs { id, follow, tail } => {
            logs::logs(api, output, &id, follow, tail).await
        }
        NotebookCommand::Exec { id, tty, command } => exec::exec(api, &id, tty, command).await,
        NotebookCommand::Metrics { id, once } => metrics::metrics(api, output, &id, once).await,
        NotebookCommand::Shell { id } => exec::shell(api, &id).await,
        NotebookCommand::Stop { id, snapshot, wait } => {
            run::stop(api, output, &id, snapshot, &wait).await
        }
        NotebookCommand::Start { id, wait } => run::start(api, output, &id, &wait).await,
        NotebookCommand::Restart { id, wait } => run::restart(api, output, &id, &wait).await,
        NotebookCommand::Extend { id, length } => extend::extend(api, output, id, length).await,
        NotebookCommand::Update(args) => change::update(api, output, args).await,
        NotebookCommand::Token { id, rotate } => change::token(api, output, &id, rotate).await,
        NotebookCommand::Share(args) => share::share(api, output, args).await,
        NotebookCommand::Shared => share::shared(api, output).await,
        NotebookCommand::Delete {
            id,
            yes,
            keep_volume,
        } => delete::delete(api, output, &id, yes, keep_volume).await,
    }
}

async fn list(api: &Api, output: Output) -> Result<()> {
    let notebooks = find::all(api).await?;
    let bills = Bills::of(api, &notebooks).await;
    let rows: Vec<_> = notebooks
        .into_iter()
        .map(|notebook| View::new(notebook, &bills))
        .collect();
    print::list(
        output,
        &rows,
        "no notebooks yet; make one with \"quire notebook create\"",
    )
}

async fn show(api: &Api, output: Output, id: &str) -> Result<()> {
    let notebook = find::get(api, id).await?;
    shown(api, output, notebook).await
}

/// Prints all that is known of one notebook.
async fn shown(
    api: &Api,
    output: Output,
    notebook: contracts::notebook::v1::Notebook,
) -> Result<()> {
    let bills = Bills::of(api, std::slice::from_ref(&notebook)).await;
    print::one(output, &Details(View::new(notebook, &bills)))
}
