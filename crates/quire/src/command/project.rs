//! `quire project`.

use anyhow::Result;
use contracts::common::v1::Role;
use contracts::identity::v1::{
    CreateProjectRequest, ListProjectMembersRequest, ListProjectsRequest, Project, ProjectMember,
    RemoveProjectMemberRequest, RenameProjectRequest, SetProjectMemberRequest,
};
use contracts::notebook::v1::DeleteProjectRequest;
use serde::Serialize;

use super::team::role_name;
use crate::api::{Api, request_id};
use crate::cli::{Output, ProjectCommand, ProjectMemberCommand, ProjectRoleArg};
use crate::print::{self, Row};

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct ProjectRow {
    id: String,
    name: String,
    created_at: String,
}

impl From<Project> for ProjectRow {
    fn from(project: Project) -> Self {
        Self {
            created_at: print::time(project.created_at),
            id: project.id,
            name: project.name,
        }
    }
}

impl Row for ProjectRow {
    const COLUMNS: &'static [&'static str] = &["NAME", "CREATED", "ID"];

    fn cells(&self) -> Vec<String> {
        [&self.name, &self.created_at, &self.id]
            .map(String::clone)
            .to_vec()
    }
}

pub(crate) async fn run(command: ProjectCommand, api: &Api, output: Output) -> Result<()> {
    match command {
        ProjectCommand::Create { name } => {
            let request = CreateProjectRequest {
                name,
                request_id: request_id(),
            };
            let made = api.make(|| {
                let (mut identity, request) = (api.identity(), request.clone());
                async move { identity.create_project(request).await }
            });
            let answer = made.await?;
            print::one(
                output,
                &ProjectRow::from(answer.project.unwrap_or_default()),
            )
        }
        ProjectCommand::List => {
            let answer = api
                .ask(api.identity().list_projects(ListProjectsRequest {}))
                .await?;
            let rows: Vec<_> = answer.projects.into_iter().map(ProjectRow::from).collect();
            print::list(output, &rows, "there are no projects")
        }
        ProjectCommand::Rename { project, name } => {
            let request = RenameProjectRequest { project, name };
            let answer = api.ask(api.identity().rename_project(request)).await?;
            print::one(
                output,
                &ProjectRow::from(answer.project.unwrap_or_default()),
            )
        }
        ProjectCommand::Delete { project } => {
            let request = DeleteProjectRequest { project };
            let answer = api.ask(api.notebook().delete_project(request)).await?;
            let row = ProjectRow {
                id: answer.project_id,
                name: answer.name,
                created_at: print::time(answer.created_at),
            };
            print::one(output, &row)
        }
        ProjectCommand::Member(command) => member(command, api, output).await,
    }
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct MemberRow {
    email: String,
    role: String,
    user_id: String,
    project_id: String,
}

impl From<ProjectMember> for MemberRow {
    fn from(member: ProjectMember) -> Self {
        let role = match member.role() {
            Role::Unspecified => "none".to_owned(),
            role => role_name(role),
        };
        Self {
            role,
            email: member.email,
            user_id: member.user_id,
            project_id: member.project_id,
        }
    }
}

impl Row for MemberRow {
    const COLUMNS: &'static [&'static str] = &["EMAIL", "ROLE", "USER", "PROJECT"];

    fn cells(&self) -> Vec<String> {
        [&self.email, &self.role, &self.user_id, &self.project_id]
            .map(String::clone)
            .to_vec()
    }
}

fn wire_role(role: ProjectRoleArg) -> Role {
    match role {
        ProjectRoleArg::None => Role::Unspecified,
        ProjectRoleArg::Viewer => Role::Viewer,
        ProjectRoleArg::Member => Role::Member,
        ProjectRoleArg::Admin => Role::Admin,
        ProjectRoleArg::Owner => Role::Owner,
    }
}

async fn member(command: ProjectMemberCommand, api: &Api, output: Output) -> Result<()> {
    match command {
        ProjectMemberCommand::Add {
            project,
            user,
            role,
        } => {
            let request = SetProjectMemberRequest {
                project,
                user,
                role: wire_role(role).into(),
                no_access: role == ProjectRoleArg::None,
            };
            let answer = api.ask(api.identity().set_project_member(request)).await?;
            print::one(output, &MemberRow::from(answer.member.unwrap_or_default()))?;
            print::note(
                "it counts within ten minutes: tokens that are out keep the role of before",
            );
            Ok(())
        }
        ProjectMemberCommand::Remove { project, user } => {
            let request = RemoveProjectMemberRequest {
                project,
                user: user.clone(),
            };
            api.ask(api.identity().remove_project_member(request))
                .await?;
            if output == Output::Json {
                return print::json(&serde_json::json!({ "user": user }));
            }
            print::note("the role in the team counts again, within ten minutes");
            Ok(())
        }
        ProjectMemberCommand::List { project } => {
            let request = ListProjectMembersRequest { project };
            let answer = api
                .ask(api.identity().list_project_members(request))
                .await?;
            let rows: Vec<_> = answer.members.into_iter().map(MemberRow::from).collect();
            print::list(output, &rows, "roles in the team count here")
        }
    }
}
