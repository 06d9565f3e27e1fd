//! Who is logged in, in Paperspace's shape. What Quire does not have gets a neutral value: no phone is verified, no password
//! exists, nothing is preferred.

use axum::Json;
use contracts::common::v1::Role;
use contracts::identity::v1::{GetSessionRequest, GetSessionResponse, Team, User};
use serde::Serialize;
use utoipa::ToSchema;

use super::Answer;
use super::caller::Caller;
use super::failure::Failure;
use super::values::{Time, non_empty, present};

/// The user and the team that the key speaks for.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Session {
    user: SessionUser,
    team: SessionTeam,
}

/// The user who is logged in.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct SessionUser {
    id: String,
    email: String,
    /// The whole name: Quire does not cut names.
    #[schema(required)]
    first_name: Option<String>,
    /// Always null.
    #[schema(required)]
    last_name: Option<String>,
    dt_created: Time,
    /// Users are confirmed when a team's admin adds them.
    dt_confirmed: Time,
    team_memberships: Vec<TeamMembership>,
    /// Always false.
    is_phone_verified: bool,
    /// Always false: keys are the only way in.
    is_password_auth_enabled: bool,
    /// Always false.
    is_qr_code_based_mfa_enabled: bool,
    /// Always false.
    is_qr_code_based_mfa_confirmed: bool,
    preferences: Nothing,
    /// Always 0.
    analytics_id: u32,
    metadata: Nothing,
}

/// An object without fields.
#[derive(Debug, Serialize, ToSchema)]
struct Nothing {}

/// A team that the user belongs to: the one that the key speaks for.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct TeamMembership {
    team: MembershipTeam,
    is_owner: bool,
    is_admin: bool,
}

/// The team of a membership.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct MembershipTeam {
    id: String,
    name: String,
    namespace: String,
    /// Always false: no team belongs to one user.
    is_user_team: bool,
    dt_created: Time,
}

/// The team that the key speaks for.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct SessionTeam {
    id: String,
    namespace: String,
    /// Always true: teams do not see each other.
    is_private: bool,
    /// Always 0: there are no virtual machines yet.
    max_machines: u32,
    /// Always 0.
    analytics_id: u32,
}

impl TryFrom<GetSessionResponse> for Session {
    type Error = Failure;

    fn try_from(answer: GetSessionResponse) -> Result<Self, Failure> {
        let user = present("user", answer.user)?;
        let team = present("team", answer.team)?;
        Ok(Self {
            team: SessionTeam {
                id: team.id.clone(),
                namespace: team.namespace.clone(),
                is_private: true,
                max_machines: 0,
                analytics_id: 0,
            },
            user: SessionUser::new(user, team)?,
        })
    }
}

impl SessionUser {
    fn new(user: User, team: Team) -> Result<Self, Failure> {
        let created = Time::required("user.created_at", user.created_at)?;
        Ok(Self {
            team_memberships: vec![TeamMembership {
                is_owner: user.role() == Role::Owner,
                is_admin: user.role() >= Role::Admin,
                team: MembershipTeam {
                    dt_created: Time::required("team.created_at", team.created_at)?,
                    id: team.id,
                    name: team.name,
                    namespace: team.namespace,
                    is_user_team: false,
                },
            }],
            id: user.id,
            email: user.email,
            first_name: non_empty(user.name),
            last_name: None,
            dt_created: created,
            dt_confirmed: created,
            is_phone_verified: false,
            is_password_auth_enabled: false,
            is_qr_code_based_mfa_enabled: false,
            is_qr_code_based_mfa_confirmed: false,
            preferences: Nothing {},
            analytics_id: 0,
            metadata: Nothing {},
        })
    }
}

/// Get the current session
///
/// Who the key belongs to, and the team that it speaks for.
#[utoipa::path(
    get, path = "/v1/auth/session", operation_id = "auth-session", tag = "Authentication",
    responses((status = 200, body = Session))
)]
pub(super) async fn get_session(caller: Caller) -> Answer<Session> {
    let answer = caller
        .identity()
        .get_session(GetSessionRequest {})
        .await?
        .into_inner();
    Ok(Json(answer.try_into()?))
}
