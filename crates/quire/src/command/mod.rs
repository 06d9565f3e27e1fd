//! What each command does.

mod authority;
mod confirm;
mod environment;
mod event;
mod idle;
mod login;
mod machine_type;
mod money;
mod node;
mod node_end;
mod node_warm;
mod notebook;
mod progress;
mod project;
mod queue;
mod scheduler;
mod scheduler_record;
mod ssh_key;
mod team;
mod template;
mod volume;

use anyhow::Result;

use crate::api::Api;
use crate::cli::{Command, MachineTypeCommand, Output};

pub(crate) use authority::run as authority;
pub(crate) use login::login;
pub(crate) use notebook::{Ended, ssh, ssh_config};
pub(crate) use scheduler::run as scheduler;

/// Runs a command that talks to the API.
pub(crate) async fn run(command: Command, api: &Api, output: Output) -> Result<()> {
    match command {
        Command::Whoami => team::whoami(api, output).await,
        Command::Notebook(command) => notebook::run(command, api, output).await,
        Command::Why { id } => notebook::why(api, output, &id).await,
        Command::Usage { from, to } => {
            money::usage(api, output, from.as_deref(), to.as_deref()).await
        }
        Command::Invoice(command) => money::invoice(api, output, command).await,
        Command::Audit => money::audit(api, output).await,
        Command::Price(command) => money::price(api, output, command).await,
        Command::MachineType(MachineTypeCommand::List { all }) => {
            machine_type::list(api, output, all).await
        }
        Command::Environment(command) => environment::run(command, api, output).await,
        Command::Template(command) => template::run(command, api, output).await,
        Command::Volume(command) => volume::run(command, api, output).await,
        Command::IdlePolicy(command) => idle::run(command, api, output).await,
        Command::Node(command) => node::run(command, api, output).await,
        Command::Queue(command) => queue::run(command, api, output).await,
        Command::Event(command) => event::run(command, api, output).await,
        Command::Team(command) => team::team(command, api, output).await,
        Command::User(command) => team::user(command, api, output).await,
        Command::Project(command) => project::run(command, api, output).await,
        Command::ApiKey(command) => team::api_key(command, api, output).await,
        Command::SshKey(command) => ssh_key::run(command, api, output).await,
        Command::Up(_)
        | Command::Down(_)
        | Command::Doctor(_)
        | Command::Agent(_)
        | Command::Login(_)
        | Command::Scheduler(_)
        | Command::Authority(_)
        | Command::Ssh(_)
        | Command::SshConfig
        | Command::Completion { .. }
        | Command::Shim { .. }
        | Command::Stage { .. } => unreachable_command(),
    }
}

/// `main` runs these itself.
fn unreachable_command() -> Result<()> {
    anyhow::bail!("this command does not talk to the API")
}
