//! The people of a team, in Paperspace's shape.

use std::collections::HashMap;

use axum::Json;
use chassis::Error;
use contracts::common::v1::Role;
use contracts::identity::v1::{GetSessionRequest, ListUsersRequest, User as WireUser};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::Answer;
use super::caller::Caller;
use super::extract::{Id, Params};
use super::failure::Failure;
use super::page::{List, Order, PageQuery};
use super::values::{Time, non_empty};

/// A person.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct User {
    id: String,
    email: String,
    /// The whole name: Quire does not cut names. Absent when there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    first_name: Option<String>,
}

impl User {
    /// Somebody with this address and name, which may be empty.
    pub(super) fn new(id: String, email: String, name: String) -> Self {
        Self {
            id,
            email,
            first_name: non_empty(name),
        }
    }

    pub(super) fn id(&self) -> &str {
        &self.id
    }
}

impl From<WireUser> for User {
    fn from(user: WireUser) -> Self {
        Self::new(user.id, user.email, user.name)
    }
}

/// The people of the caller's team by identifier, for answers that name one.
#[derive(Debug, Default)]
pub(super) struct People(HashMap<String, User>);

impl People {
    /// The people that the caller may see. A key without `identity:read` sees nobody: its answers name people by identifier.
    ///
    /// # Errors
    /// What identity says, other than that the caller may not.
    pub(super) async fn seen_by(caller: &Caller) -> Result<Self, Failure> {
        match caller
            .identity()
            .list_users(ListUsersRequest::default())
            .await
        {
            Ok(answer) => {
                let users = answer.into_inner().users.into_iter();
                Ok(Self(
                    users.map(|user| (user.id.clone(), user.into())).collect(),
                ))
            }
            Err(status) if status.code() == tonic::Code::PermissionDenied => Ok(Self::default()),
            Err(status) => Err(status.into()),
        }
    }

    /// The person; one who is not there, or may not be seen, has an empty address.
    pub(super) fn get(&self, id: String) -> User {
        self.0.get(&id).cloned().unwrap_or(User {
            id,
            email: String::new(),
            first_name: None,
        })
    }
}

/// A person's place in a team.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct TeamUser {
    user: User,
    is_admin: bool,
    is_owner: bool,
    /// Users are confirmed when a team's admin adds them.
    dt_confirmed: Time,
}

impl TryFrom<WireUser> for TeamUser {
    type Error = Failure;

    fn try_from(user: WireUser) -> Result<Self, Failure> {
        Ok(Self {
            is_admin: user.role() >= Role::Admin,
            is_owner: user.role() == Role::Owner,
            dt_confirmed: Time::required("created_at", user.created_at)?,
            user: user.into(),
        })
    }
}

/// Which people of a team are wanted.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(default)]
#[into_params(parameter_in = Query)]
pub(super) struct RoleQuery {
    /// `member`, `admin` or `owner`.
    role: Option<String>,
}

impl RoleQuery {
    fn admits(self) -> Result<fn(&TeamUser) -> bool, Error> {
        match self.role.as_deref() {
            None => Ok(|_| true),
            Some("member") => Ok(|user| !user.is_admin),
            Some("admin") => Ok(|user| user.is_admin && !user.is_owner),
            Some("owner") => Ok(|user| user.is_owner),
            Some(_) => Err(Error::invalid(
                "role",
                "is not a role; use member, admin or owner",
            )),
        }
    }
}

/// Checks that a team is the one that the caller's key speaks for. Another one does not exist for them.
///
/// # Errors
/// [`Error::NotFound`] otherwise; what identity says.
pub(super) async fn check_own(caller: &Caller, team: &str) -> Result<(), Failure> {
    let session = caller.identity().get_session(GetSessionRequest {}).await?;
    if session.into_inner().team.unwrap_or_default().id == team {
        return Ok(());
    }
    Err(Error::not_found("team", team).into())
}

/// List team members
#[utoipa::path(
    get, path = "/v1/teams/{teamId}/users", operation_id = "teamMemberships-listByTeamId", tag = "Teams",
    params(("teamId" = String, Path, description = "The team that the key speaks for"), PageQuery, RoleQuery),
    responses((status = 200, body = List<TeamUser>))
)]
pub(super) async fn list_team_users(
    caller: Caller,
    Id(team): Id,
    Params(page): Params<PageQuery>,
    Params(role): Params<RoleQuery>,
) -> Answer<List<TeamUser>> {
    let page = page.read(["dtConfirmed"], Order::Descending)?;
    let admits = role.admits()?;
    let mut identity = caller.identity();
    let (own, users) = tokio::join!(
        check_own(&caller, &team),
        identity.list_users(ListUsersRequest::default())
    );
    own?;
    let users = users?.into_inner().users.into_iter();
    let users = users
        .map(TeamUser::try_from)
        .collect::<Result<Vec<_>, _>>()?;
    let wanted = users.into_iter().filter(admits).collect();
    Ok(Json(
        page.cut(wanted, |user| user.dt_confirmed.key(&user.user.id)),
    ))
}
