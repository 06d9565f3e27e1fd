//! What belongs to idle notebooks: when one will stop, what shows that it is used, and the wish to keep it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use chassis::auth::Principal;
use contracts::notebook::v1 as notebook;
use contracts::notebook::v1::notebook_service_server::{NotebookService, NotebookServiceServer};
use edge::EdgeActivity;
use futures::StreamExt as _;
use http::StatusCode;
use kernel::Timestamp;
use kernel::time::{SystemClock, from_micros};
use serde_json::json;
use testkit::Identity;
use tonic::service::Routes;
use tonic::{Request, Response, Status};

use crate::client::{read, whole};
use crate::house::{House, SIGNS};

#[tokio::test]
async fn what_is_known_is_told_and_needs_the_token() {
    let house = House::open().await;
    let mut route = house.notebook().await.route;
    let stops_at = from_micros(1_767_225_600_000_000);
    house
        .publish(&mut route, |route| {
            route.idle.stops_at = Some(stops_at);
            route.idle.because = "its kernels have been idle since 13:05 UTC".to_owned();
            route.idle.costs = "0.018 USD".to_owned();
            route.idle.run_until = Some(stops_at);
            route.note = "the files take 9.1 GiB of 10.0 GiB".to_owned();
        })
        .await;
    let client = house.client(&route);
    let status = client.get("/.quire/status").await.json();
    assert_eq!(status["stopsAt"], "2026-01-01T00:00:00Z");
    assert_eq!(
        status["because"],
        "its kernels have been idle since 13:05 UTC"
    );
    assert_eq!(
        (&status["costs"], &status["runUntil"], &status["keptUntil"]),
        (
            &json!("0.018 USD"),
            &json!("2026-01-01T00:00:00Z"),
            &json!(null)
        )
    );
    assert_eq!(status["note"], "the files take 9.1 GiB of 10.0 GiB");
    let signs = client.get("/.quire/signs").await;
    assert_eq!((signs.status, signs.text()), (StatusCode::OK, SIGNS));
    let notice = client.get("/.quire/notice.js").await;
    assert_eq!(
        notice.header("content-type"),
        "text/javascript; charset=utf-8"
    );
    for path in ["status", "signs", "notice.js"] {
        let answer = house.stranger(&route).get(&format!("/.quire/{path}")).await;
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{path}");
    }
    house.agent.die();
    let signs = client.get("/.quire/signs").await;
    assert_eq!(signs.status, StatusCode::BAD_GATEWAY, "not known is said");
    house
        .publish(&mut route, |route| route.running = false)
        .await;
    let signs = client.get("/.quire/signs").await;
    assert_eq!(signs.status, StatusCode::NOT_FOUND);
    house.close().await;
}

/// Whom it lets in by ssh.
pub(crate) const SSH_KEYS: [&str; 2] = ["ssh-ed25519 AAAA", "ssh-ed25519 BBBB"];

/// Plays the notebook service: remembers what edges ask.
#[derive(Clone, Default)]
pub(crate) struct Notebooks(Arc<Mutex<Vec<notebook::ExtendVisitedNotebookRequest>>>);

testkit::play! {
    NotebookService as Notebooks, notebook: {
        async fn extend_visited_notebook(
            &self,
            request: Request<notebook::ExtendVisitedNotebookRequest>,
        ) -> Result<Response<notebook::ExtendVisitedNotebookResponse>, Status> {
            let request = request.into_inner();
            if request.seconds < 60 {
                return Err(chassis::Error::invalid("seconds", "is too short").into());
            }
            self.0.lock().unwrap().push(request);
            Ok(Response::new(notebook::ExtendVisitedNotebookResponse {
                kept_until: Some(contracts::to_wire_time(from_micros(1_767_225_600_000_000))),
                note: "sooner".to_owned(),
            }))
        }

        async fn list_notebook_ssh_keys(
            &self,
            _: Request<notebook::ListNotebookSshKeysRequest>,
        ) -> Result<Response<notebook::ListNotebookSshKeysResponse>, Status> {
            Ok(Response::new(notebook::ListNotebookSshKeysResponse {
                public_keys: SSH_KEYS.map(str::to_owned).into(),
            }))
        }
    }
    without
    share_notebook(ShareNotebookRequest) -> ShareNotebookResponse,
    list_notebook_shares(ListNotebookSharesRequest) -> ListNotebookSharesResponse,
    revoke_notebook_share(RevokeNotebookShareRequest) -> RevokeNotebookShareResponse,
    list_shared_notebooks(ListSharedNotebooksRequest) -> ListSharedNotebooksResponse,
    create_notebook(CreateNotebookRequest) -> CreateNotebookResponse,
    get_notebook(GetNotebookRequest) -> GetNotebookResponse,
    list_notebooks(ListNotebooksRequest) -> ListNotebooksResponse,
    start_notebook(StartNotebookRequest) -> StartNotebookResponse,
    stop_notebook(StopNotebookRequest) -> StopNotebookResponse,
    restart_notebook(RestartNotebookRequest) -> RestartNotebookResponse,
    update_notebook(UpdateNotebookRequest) -> UpdateNotebookResponse,
    rotate_notebook_token(RotateNotebookTokenRequest) -> RotateNotebookTokenResponse,
    delete_notebook(DeleteNotebookRequest) -> DeleteNotebookResponse,
    delete_project(DeleteProjectRequest) -> DeleteProjectResponse,
    stop_all_notebooks(StopAllNotebooksRequest) -> StopAllNotebooksResponse,
    explain_notebook(ExplainNotebookRequest) -> ExplainNotebookResponse,
    extend_notebook(ExtendNotebookRequest) -> ExtendNotebookResponse,
    set_idle_policy(SetIdlePolicyRequest) -> SetIdlePolicyResponse,
    remove_idle_policy(RemoveIdlePolicyRequest) -> RemoveIdlePolicyResponse,
    list_idle_policies(ListIdlePoliciesRequest) -> ListIdlePoliciesResponse,
    list_templates(ListTemplatesRequest) -> ListTemplatesResponse,
    get_template(GetTemplateRequest) -> GetTemplateResponse,
    create_template(CreateTemplateRequest) -> CreateTemplateResponse,
    delete_template(DeleteTemplateRequest) -> DeleteTemplateResponse,
}

#[tokio::test]
async fn a_visitor_keeps_it_and_nobody_else() {
    let identity = Identity::start(Arc::new(SystemClock)).await;
    let played = Notebooks::default();
    let routes = Routes::new(NotebookServiceServer::new(played.clone()));
    let service = identity.serve("notebook", routes).await;
    let house = House::open_as(|config| {
        config.identity = identity.address().clone();
        config.notebook = service.address().clone();
        config.key = identity.key(Principal::Service("edge".to_owned()));
    })
    .await;
    let route = house.notebook().await.route;
    let client = house.client(&route);
    let wish = async |body: &str| {
        let body = whole(body.to_owned());
        read(client.send("POST", "/.quire/extend", body).await.unwrap()).await
    };
    let kept = wish(r#"{"seconds": 7200}"#).await;
    assert_eq!(
        (kept.status, kept.json()),
        (
            StatusCode::OK,
            json!({ "keptUntil": "2026-01-01T00:00:00Z", "note": "sooner" })
        )
    );
    for (body, message) in [
        (r#"{"seconds": 59}"#, "seconds: is too short"),
        ("{}", "expected {\"seconds\": N}"),
        ("", "expected {\"seconds\": N}"),
    ] {
        let refused = wish(body).await;
        assert_eq!(refused.status, StatusCode::BAD_REQUEST, "{body}");
        assert_eq!(refused.json()["message"], message);
    }
    let stranger = house.stranger(&route).ask("POST", "/.quire/extend").await;
    assert_eq!(stranger.status, StatusCode::UNAUTHORIZED);
    let asked = played.0.lock().unwrap().clone();
    assert_eq!(asked.len(), 1);
    assert_eq!(
        (asked[0].notebook_id.as_str(), asked[0].seconds),
        (route.id.as_str(), 7_200)
    );
    // Nobody there: the notebook is no worse for it.
    service.stop().await.unwrap();
    let away = wish(r#"{"seconds": 7200}"#).await;
    assert_eq!(away.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(client.get("/seen").await.status, StatusCode::OK);
    house.close().await;
}

/// News that an open page asks for are traffic, and no use.
#[tokio::test]
async fn an_open_page_is_no_visitor() {
    let house = House::open().await;
    let (looked_at, used) = (house.notebook().await.route, house.notebook().await.route);
    let mut told = house
        .bus
        .client()
        .subscribe(bus::edge_activity_subject())
        .await
        .unwrap();
    house.bus.client().flush().await.unwrap();
    house.client(&looked_at).get("/api/kernels").await;
    let socket = house.client(&looked_at).websocket("/echo").await.unwrap();
    house.client(&used).ask("POST", "/api/kernels").await;
    let mut last: BTreeMap<String, Option<Timestamp>> = BTreeMap::new();
    while last.len() < 2 {
        let activity: EdgeActivity =
            serde_json::from_slice(&told.next().await.unwrap().payload).unwrap();
        for notebook in activity.notebooks {
            last.insert(notebook.id, notebook.last_use_at);
        }
    }
    assert_eq!(last[&looked_at.id], None);
    assert!(last[&used.id].is_some());
    drop(socket);
    house.close().await;
}
