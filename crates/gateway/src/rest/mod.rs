//! REST under `/v1`: Paperspace's nouns in exactly Paperspace's shapes, and Quire's own beside them. Routes and their OpenAPI
//! document come from one place.
#![expect(
    unused_qualifications,
    reason = "utoipa's macro writes the full path of query types that are imported"
)]

mod about;
mod api_keys;
mod authority;
mod billing;
mod caller;
mod catalog;
mod collaborators;
mod console;
mod document;
mod environments;
mod events;
mod extract;
mod failure;
mod idle;
mod json_body;
mod memberships;
mod new_notebook;
mod node_work;
mod nodes;
mod notebook_changes;
mod notebook_status;
mod notebooks;
mod observe;
mod page;
mod project_members;
mod projects;
mod queues;
mod resource_costs;
mod session;
mod shares;
mod snapshots;
mod ssh_keys;
mod teams;
mod templates;
mod values;
mod volumes;

use std::sync::Arc;
use std::time::Duration;

use axum::routing::get;
use axum::{Json, Router, middleware};
use chassis::Result;
use tokio::sync::Semaphore;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use self::caller::Services;
use self::failure::Failure;
use self::observe::RequestMetrics;
use crate::config::Limits;
use crate::keys::KeyRing;
use crate::upstream::Channels;

pub use document::openapi;

/// What a route answers: success is always 200.
type Answer<T> = Result<Json<T>, Failure>;

/// What every route may use.
#[derive(Clone)]
struct App {
    keys: KeyRing,
    services: Services,
    permits: Arc<Semaphore>,
    metrics: RequestMetrics,
    body_bytes: usize,
    request_time: Duration,
}

/// Every route with its description.
fn routes() -> OpenApiRouter<App> {
    document::empty()
        .merge(of_teams())
        .merge(of_notebooks())
        .merge(of_nodes())
        .merge(of_money_and_events())
}

/// Quire itself, people, projects and keys.
fn of_teams() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(about::get_about))
        .routes(routes!(about::get_health))
        .routes(routes!(about::get_openapi))
        .routes(routes!(authority::get_authority))
        .routes(routes!(session::get_session))
        .routes(routes!(teams::list_team_users))
        .routes(routes!(
            memberships::update_membership,
            memberships::remove_from_team
        ))
        .routes(routes!(projects::list_projects, projects::create_project))
        .routes(routes!(
            projects::get_project,
            projects::update_project,
            projects::delete_project
        ))
        .routes(routes!(
            collaborators::list_collaborators,
            collaborators::create_collaborator
        ))
        .routes(routes!(collaborators::delete_collaborator))
        .routes(routes!(
            project_members::list_project_members,
            project_members::set_project_member
        ))
        .routes(routes!(project_members::remove_project_member))
        .routes(routes!(api_keys::list_api_keys, api_keys::create_api_key))
        .routes(routes!(api_keys::revoke_api_key))
        .routes(routes!(ssh_keys::list_ssh_keys, ssh_keys::create_ssh_key))
        .routes(routes!(ssh_keys::delete_ssh_key))
}

/// Notebooks, their files, and when they are stopped.
fn of_notebooks() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(
            notebooks::list_notebooks,
            notebooks::create_notebook
        ))
        .routes(routes!(notebook_changes::plan_notebook))
        .routes(routes!(
            notebooks::get_notebook,
            notebooks::delete_notebook,
            notebook_changes::update_notebook
        ))
        .routes(routes!(notebooks::start_notebook))
        .routes(routes!(notebooks::stop_notebook))
        .routes(routes!(notebook_changes::restart_notebook))
        .routes(routes!(notebook_changes::rotate_notebook_token))
        .routes(routes!(notebook_status::get_notebook_status))
        .routes(routes!(
            shares::list_notebook_shares,
            shares::share_notebook
        ))
        .routes(routes!(shares::revoke_notebook_share))
        .routes(routes!(shares::list_shared_notebooks))
        .routes(routes!(volumes::list_volumes))
        .routes(routes!(
            volumes::get_volume,
            volumes::resize_volume,
            volumes::delete_volume
        ))
        .routes(routes!(
            snapshots::list_snapshots,
            snapshots::create_snapshot
        ))
        .routes(routes!(snapshots::delete_snapshot))
        .routes(routes!(snapshots::restore_snapshot))
        .routes(routes!(idle::extend_notebook))
        .routes(routes!(
            idle::list_idle_policies,
            idle::set_idle_policy,
            idle::remove_idle_policy
        ))
}

/// What can be launched, and where, and who may have how much of it.
fn of_nodes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(catalog::list_machine_types))
        .routes(routes!(
            environments::list_environments,
            environments::create_environment
        ))
        .routes(routes!(
            environments::get_environment,
            environments::delete_environment
        ))
        .routes(routes!(environments::share_environment))
        .routes(routes!(
            templates::list_templates,
            templates::create_template
        ))
        .routes(routes!(templates::get_template, templates::delete_template))
        .routes(routes!(nodes::list_nodes))
        .routes(routes!(nodes::create_join_token))
        .routes(routes!(nodes::cordon_node))
        .routes(routes!(nodes::drain_node))
        .routes(routes!(nodes::uncordon_node))
        .routes(routes!(nodes::give_up_node))
        .routes(routes!(nodes::get_node, node_work::delete_node))
        .routes(routes!(node_work::get_node_work))
        .routes(routes!(queues::list_queues))
        .routes(routes!(queues::set_queue, queues::delete_queue))
}

/// What it costs, and what happened.
fn of_money_and_events() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(billing::get_usage))
        .routes(routes!(resource_costs::get_resource_costs))
        .routes(routes!(billing::get_invoice))
        .routes(routes!(billing::list_prices))
        .routes(routes!(billing::set_price))
        .routes(routes!(billing::run_audit))
        .routes(routes!(events::list_events))
        .routes(routes!(events::list_dead_letters))
        .routes(routes!(events::resend_dead_letter))
}

async fn no_such_route() -> Failure {
    Failure::no_such_route()
}

/// Answers REST requests with the services behind `channels`.
///
/// # Errors
/// When a configured address cannot be one of a server.
pub(crate) fn router(keys: KeyRing, channels: &Channels, limits: &Limits) -> Result<Router> {
    let app = App {
        keys,
        services: Services::new(channels)?,
        permits: Arc::new(Semaphore::new(limits.requests.min(Semaphore::MAX_PERMITS))),
        metrics: RequestMetrics::new(),
        body_bytes: limits.body_bytes,
        request_time: limits.request_time(),
    };
    let (router, _) = routes().split_for_parts();
    Ok(router
        .route("/assets/{name}", get(console::asset))
        .fallback(no_such_route)
        .method_not_allowed_fallback(no_such_route)
        .layer(middleware::from_fn_with_state(
            app.clone(),
            observe::observe,
        ))
        .with_state(app))
}
