//! Lines about teams, their members, projects and keys.

use bus::Delivery;
use contracts::common::v1::Role;
use contracts::identity::v1::{
    ApiKeyChanged, MemberChanged, ProjectChanged, ProjectMemberChanged, SshKeyChanged, TeamChanged,
};

use super::word;

/// The line of an event about one of these.
pub(super) fn line(delivery: &Delivery) -> Option<String> {
    super::line(delivery, team)
        .or_else(|| super::line(delivery, member))
        .or_else(|| super::line(delivery, project))
        .or_else(|| super::line(delivery, project_member))
        .or_else(|| super::line(delivery, key))
        .or_else(|| super::line(delivery, ssh_key))
}

fn role(role: Role) -> String {
    match role {
        Role::Unspecified => "none".to_owned(),
        role => word(role.as_str_name(), "ROLE_"),
    }
}

fn team(event: TeamChanged) -> String {
    let team = event.team.unwrap_or_default();
    format!("team {:?} is there", team.namespace)
}

fn member(event: MemberChanged) -> String {
    let user = event.user.unwrap_or_default();
    let role = role(user.role());
    if event.removed {
        return format!("{} left the team, and was {role}", user.email);
    }
    format!("{} is {role} of the team", user.email)
}

fn project(event: ProjectChanged) -> String {
    let project = event.project.unwrap_or_default();
    let end = if event.deleted {
        "was deleted"
    } else {
        "is there"
    };
    format!("project {:?} {end}", project.name)
}

fn project_member(event: ProjectMemberChanged) -> String {
    let member = event.member.unwrap_or_default();
    let (email, role) = (&member.email, role(member.role()));
    if event.removed {
        return format!("{email} has the role of the team in the project again, and had {role}");
    }
    format!("{email} has the role {role} in the project")
}

fn key(event: ApiKeyChanged) -> String {
    let key = event.api_key.unwrap_or_default();
    let (id, user) = (&key.id, &key.user_id);
    if key.revoked_at.is_some() {
        return format!("API key {id} of {user} has ended");
    }
    format!("API key {id} of {user} was made")
}

fn ssh_key(event: SshKeyChanged) -> String {
    let key = event.ssh_key.unwrap_or_default();
    let (name, print, user) = (&key.name, &key.fingerprint, &key.user_id);
    let end = if event.deleted {
        "was forgotten"
    } else {
        "was registered"
    };
    format!("ssh key {name:?} ({print}) of {user} {end}")
}

#[cfg(test)]
mod tests {
    use contracts::identity::v1::{ApiKey, Project, ProjectMember, SshKey, Team, User};
    use prost_types::Timestamp;

    use super::super::tests::line_of;
    use super::*;

    #[test]
    fn lines_say_who_and_what() {
        let user = User {
            email: "ada@lab.example".to_owned(),
            role: Role::Admin.into(),
            ..User::default()
        };
        let member = MemberChanged {
            user: Some(user),
            ..MemberChanged::default()
        };
        let project = ProjectChanged {
            project: Some(Project {
                name: "vision".to_owned(),
                ..Project::default()
            }),
            ..ProjectChanged::default()
        };
        let granted = ProjectMemberChanged {
            member: Some(ProjectMember {
                email: "ada@lab.example".to_owned(),
                ..ProjectMember::default()
            }),
            ..ProjectMemberChanged::default()
        };
        let key = ApiKey {
            id: "ak-1".to_owned(),
            user_id: "us-1".to_owned(),
            ..ApiKey::default()
        };
        let ended = ApiKey {
            revoked_at: Some(Timestamp::default()),
            ..key
        };
        let key = |key| ApiKeyChanged {
            api_key: Some(key),
            revision: 3,
        };
        let ssh_key = SshKeyChanged {
            ssh_key: Some(SshKey {
                name: "laptop".to_owned(),
                fingerprint: "SHA256:a".to_owned(),
                user_id: "us-1".to_owned(),
                ..SshKey::default()
            }),
            ..SshKeyChanged::default()
        };
        let team = TeamChanged {
            team: Some(Team {
                namespace: "lab".to_owned(),
                ..Team::default()
            }),
            revision: 1,
        };
        let cases = [
            (line_of(&team), "team \"lab\" is there"),
            (line_of(&member), "ada@lab.example is admin of the team"),
            (
                line_of(&MemberChanged {
                    removed: true,
                    ..member.clone()
                }),
                "ada@lab.example left the team, and was admin",
            ),
            (line_of(&project), "project \"vision\" is there"),
            (
                line_of(&ProjectChanged {
                    deleted: true,
                    ..project.clone()
                }),
                "project \"vision\" was deleted",
            ),
            (
                line_of(&granted),
                "ada@lab.example has the role none in the project",
            ),
            (
                line_of(&ProjectMemberChanged {
                    removed: true,
                    ..granted.clone()
                }),
                "ada@lab.example has the role of the team in the project again, and had none",
            ),
            (line_of(&key(ended)), "API key ak-1 of us-1 has ended"),
            (
                line_of(&ssh_key),
                "ssh key \"laptop\" (SHA256:a) of us-1 was registered",
            ),
            (
                line_of(&SshKeyChanged {
                    deleted: true,
                    ..ssh_key.clone()
                }),
                "ssh key \"laptop\" (SHA256:a) of us-1 was forgotten",
            ),
        ];
        for (line, expected) in cases {
            assert_eq!(line, expected);
        }
    }
}
