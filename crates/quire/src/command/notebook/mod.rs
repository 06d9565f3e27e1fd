//! `quire notebook` and `quire why`.

mod create;
mod delete;
mod find;
mod logs;
mod open;
mod progress;
mod run;
mod view;
mod why;

use anyhow::Result;

use self::view::View;
use crate::api::Api;
use crate::cli::{NotebookCommand, Output};
use crate::print;

pub(crate) use why::why;

pub(crate) async fn run(command: NotebookCommand, api: &Api, output: Output) -> Result<()> {
    match command {
        NotebookCommand::Create(args) => create::create(api, output, args).await,
        NotebookCommand::List => list(api, output).await,
        NotebookCommand::Show { id } => print::one(output, &View::from(find::get(api, &id).await?)),
        NotebookCommand::Open { id } => open::open(api, output, &id).await,
        NotebookCommand::Logs { id, follow, tail } => {
            logs::logs(api, output, &id, follow, tail).await
        }
        NotebookCommand::Stop { id } => run::stop(api, output, &id).await,
        NotebookCommand::Start { id } => run::start(api, output, &id).await,
        NotebookCommand::Delete { id } => delete::delete(api, output, &id).await,
    }
}

async fn list(api: &Api, output: Output) -> Result<()> {
    let rows: Vec<_> = find::all(api).await?.into_iter().map(View::from).collect();
    print::list(
        output,
        &rows,
        "no notebooks yet; make one with \"quire notebook create\"",
    )
}
