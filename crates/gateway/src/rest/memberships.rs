//! A person's membership in a team, in Paperspace's shape: made an admin, or ended.

use axum::Json;
use axum::extract::Path;
use chassis::Error;
use contracts::common::v1::Role;
use contracts::identity::v1::{
    ListUsersRequest, RemoveUserRequest, SetUserRoleRequest, User as WireUser,
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Answer;
use super::caller::Caller;
use super::failure::Failure;
use super::json_body::JsonBody;
use super::teams::check_own;
use super::values::{Time, present};

/// What a person is in a team.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Membership {
    is_owner: bool,
    is_admin: bool,
    /// Users are confirmed when a team's admin adds them.
    dt_confirmed: Time,
    /// When they left the team.
    #[serde(skip_serializing_if = "Option::is_none")]
    dt_deleted: Option<Time>,
}

impl TryFrom<WireUser> for Membership {
    type Error = Failure;

    fn try_from(user: WireUser) -> Result<Self, Failure> {
        Ok(Self {
            is_owner: user.role() == Role::Owner,
            is_admin: user.role() >= Role::Admin,
            dt_confirmed: Time::required("created_at", user.created_at)?,
            dt_deleted: None,
        })
    }
}

/// What is to be changed.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct ChangedMembership {
    /// Whether they manage the team. Who does not any more is a member.
    is_admin: bool,
}

/// Update a team membership
#[utoipa::path(
    put, path = "/v1/teams/{teamId}/users/{userId}", operation_id = "teamMemberships-update", tag = "Teams",
    params(
        ("teamId" = String, Path, description = "The team that the key speaks for"),
        ("userId" = String, Path, description = "Identifier of the member")
    ),
    request_body = ChangedMembership, responses((status = 200, body = Membership))
)]
pub(super) async fn update_membership(
    caller: Caller,
    Path((team, user)): Path<(String, String)>,
    JsonBody(changed): JsonBody<ChangedMembership>,
) -> Answer<Membership> {
    check_own(&caller, &team).await?;
    let mut identity = caller.identity();
    let listed = identity.list_users(ListUsersRequest::default()).await?;
    let mut users = listed.into_inner().users.into_iter();
    let member = users.find(|listed| listed.id == user);
    let member = member.ok_or_else(|| Error::not_found("user", &user))?;
    // An owner is an admin already, and a viewer is none: neither is changed by being told so.
    if (member.role() >= Role::Admin) == changed.is_admin {
        return Ok(Json(member.try_into()?));
    }
    let role = if changed.is_admin {
        Role::Admin
    } else {
        Role::Member
    };
    let request = SetUserRoleRequest {
        user: member.id,
        role: role.into(),
    };
    let answer = identity.set_user_role(request).await?;
    Ok(Json(present("user", answer.into_inner().user)?.try_into()?))
}

/// Remove a user from a team, with their roles in its projects and their keys for it
#[utoipa::path(
    delete, path = "/v1/teams/{teamId}/users/{userId}", operation_id = "teamMemberships-removeUser", tag = "Teams",
    params(
        ("teamId" = String, Path, description = "The team that the key speaks for"),
        ("userId" = String, Path, description = "Identifier or address of the member")
    ),
    responses((status = 200, body = Membership))
)]
pub(super) async fn remove_from_team(
    caller: Caller,
    Path((team, user)): Path<(String, String)>,
) -> Answer<Membership> {
    check_own(&caller, &team).await?;
    let answer = caller
        .identity()
        .remove_user(RemoveUserRequest { user })
        .await?;
    let answer = answer.into_inner();
    let membership = Membership::try_from(present("user", answer.user)?)?;
    Ok(Json(Membership {
        dt_deleted: Time::optional("removed_at", answer.removed_at)?,
        ..membership
    }))
}
