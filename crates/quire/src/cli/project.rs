//! `quire project`.

use clap::{Subcommand, ValueEnum};

#[derive(Debug, Subcommand)]
pub(crate) enum ProjectCommand {
    /// A new project.
    Create { name: String },
    /// Projects of your team.
    List,
    /// Give a project another name.
    Rename {
        /// Identifier, name, or unique beginning of either.
        project: String,
        name: String,
    },
    /// Remove a project without notebooks.
    Delete {
        /// Identifier, name, or unique beginning of either.
        project: String,
    },
    /// Roles of people in one project; they count there instead of those in the team.
    #[command(subcommand)]
    Member(ProjectMemberCommand),
}

#[derive(Debug, Subcommand)]
pub(crate) enum ProjectMemberCommand {
    /// Give a member of your team a role in a project, or another one.
    #[command(
        after_help = "Example:\n  quire project member add secret-model bob@example.org --role none"
    )]
    Add {
        /// Identifier, name, or unique beginning of either.
        project: String,
        /// Identifier, address, or unique beginning of either.
        user: String,
        /// What they may do there. Owners and admins of the team are admins everywhere.
        #[arg(long, value_enum)]
        role: ProjectRoleArg,
    },
    /// Take a role in a project back: the one in the team counts again.
    Remove {
        /// Identifier, name, or unique beginning of either.
        project: String,
        /// Identifier, address, or unique beginning of either.
        user: String,
    },
    /// Who has a role of their own in a project.
    List {
        /// Identifier, name, or unique beginning of either.
        project: String,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ProjectRoleArg {
    /// Does not even see it.
    None,
    /// Reads what is in it.
    Viewer,
    /// Creates and runs workloads in it.
    Member,
    /// Gives others roles in it.
    Admin,
    /// Everything in it.
    Owner,
}
