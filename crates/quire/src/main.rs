//! The command line, and `quire up`: all of Quire in one process.

mod api;
mod authority;
mod cli;
mod command;
mod doctor;
mod join;
mod paths;
mod print;
mod profile;
mod up;
mod wait;
mod when;

use std::process::ExitCode;

use anyhow::{Result, anyhow};
use chassis::Error;
use clap::{CommandFactory as _, Parser as _};

use crate::api::Api;
use crate::cli::{Cli, Command};
use crate::profile::Profile;

fn main() -> ExitCode {
    let cli = Cli::parse();
    // The parents of workloads stay small: no runtime, no thread.
    match cli.command {
        Command::Shim { args } => return agent::shim::main(args),
        Command::Stage { args } => return agent::shim::stage(args),
        _ => {}
    }
    chassis::tls::install_provider();
    let runtime = match tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => return fail(&anyhow!(error).context("starting the runtime")),
    };
    match runtime.block_on(run(cli)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(&error),
    }
}

/// What shells report of a program that Ctrl-C ended: 128 and the number of SIGINT.
const INTERRUPTED: u8 = 130;

fn fail(error: &anyhow::Error) -> ExitCode {
    if let Some(stopped) = error.downcast_ref::<wait::Interrupted>() {
        eprintln!("\nquire: {stopped}");
        return ExitCode::from(INTERRUPTED);
    }
    if let Some(command::Ended(code)) = error.downcast_ref() {
        return ExitCode::from(*code);
    }
    eprintln!("quire: {error:#}");
    ExitCode::FAILURE
}

async fn run(cli: Cli) -> Result<()> {
    let profile = paths::profile(cli.profile)?;
    match cli.command {
        Command::Up(args) => {
            up::up(args, &paths::data_dir(cli.data_dir)?, &profile, cli.output).await
        }
        Command::Down(args) => up::down(args, &paths::data_dir(cli.data_dir)?, cli.output).await,
        Command::Doctor(args) => doctor::run(&args, &paths::data_dir(cli.data_dir)?, cli.output),
        Command::Agent(args) => join::run(args, &paths::data_dir(cli.data_dir)?, cli.output).await,
        Command::Login(args) => command::login(args, &profile, cli.output).await,
        Command::Scheduler(command) => {
            let api = || Api::new(&Profile::load(&profile)?);
            command::scheduler(command, api, cli.output).await
        }
        Command::Authority(command) => command::authority(command, cli.output).await,
        Command::Ssh(args) => {
            let api = Api::new(&Profile::load(&profile)?)?;
            command::ssh(&api, &profile, args).await
        }
        Command::SshConfig => command::ssh_config(&profile),
        Command::Completion { shell } => {
            // Into memory first: the generator would panic at a reader that went away.
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), "quire", &mut script);
            print::line(&String::from_utf8_lossy(&script));
            Ok(())
        }
        other => {
            let api = Api::new(&Profile::load(&profile)?)?;
            command::run(other, &api, cli.output).await
        }
    }
}

/// The command that lists the things of this kind.
fn lister(kind: &str) -> Option<&'static str> {
    Some(match kind {
        "notebook" => "notebook list",
        "volume" => "volume list",
        "machine type" => "machine-type list --all",
        "environment" => "environment list",
        "template" => "template list",
        "node" => "node list",
        "team" => "team list",
        "user" => "user list",
        "project" => "project list",
        "API key" => "api-key list",
        "ssh key" => "ssh-key list",
        "dead letter" => "event dead",
        _ => return None,
    })
}

/// A refusal in words, with the next step where one is known.
pub(crate) fn failure(status: &tonic::Status, server: &str) -> anyhow::Error {
    let error = Error::from(status.clone());
    match &error {
        Error::Unauthenticated(_) => anyhow!(
            "api-key: {server} does not take it: it is unknown, has expired or was revoked\n  \
             \"quire api-key create NAME\" makes another where you are still logged in; else ask an admin of your team. \
             Then log in with \"quire login --server {server} --api-key KEY\""
        ),
        Error::Unavailable(_) | Error::Deadline => {
            anyhow!(
                "{server} does not answer: {}\n  is it up? \"quire up --detach\" starts it on this machine",
                status.message()
            )
        }
        Error::Internal { .. } => anyhow!("{}", status.message()),
        Error::NotFound { what, .. } => match lister(what) {
            Some(command) => anyhow!("{error}\n  see \"quire {command}\""),
            None => anyhow!("{error}"),
        },
        Error::Denied(_) => anyhow!(
            "{error}\n  \"quire whoami\" tells your role and what your key is for; an admin of your team gives roles"
        ),
        other => anyhow!("{other}"),
    }
}
