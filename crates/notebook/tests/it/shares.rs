//! Notebooks that are shared: by a link, which is shown once and kept nowhere, and with a person of any team.

use bus::RouteShare;
use chassis::auth::Principal;
use chassis::seal::sha256_hex;
use chrono::TimeDelta;
use contracts::common::v1::Role;
use contracts::notebook::v1::{
    ListNotebookSharesRequest, ListSharedNotebooksRequest, NotebookShare, NotebookShared,
    RevokeNotebookShareRequest, ShareAccess, ShareNotebookRequest, ShareNotebookResponse,
    SharedNotebook,
};
use contracts::to_wire_time;
use kernel::Clock as _;
use kernel::id::TeamId;
use testkit::{Engine, eventually, person};
use tonic::{Code, Status};

use crate::house::{Client, House};

fn link(notebook: &str, access: ShareAccess) -> ShareNotebookRequest {
    ShareNotebookRequest {
        notebook: notebook.to_owned(),
        access: access.into(),
        ..ShareNotebookRequest::default()
    }
}

async fn share(
    client: &mut Client,
    asked: ShareNotebookRequest,
) -> Result<ShareNotebookResponse, Status> {
    Ok(client.share_notebook(asked).await?.into_inner())
}

async fn listed(client: &mut Client, notebook: &str) -> Vec<NotebookShare> {
    let asked = ListNotebookSharesRequest {
        notebook: notebook.to_owned(),
    };
    let answer = client.list_notebook_shares(asked).await.unwrap();
    answer.into_inner().shares
}

async fn revoke(client: &mut Client, notebook: &str, share: &str) -> Result<String, Status> {
    let asked = RevokeNotebookShareRequest {
        notebook: notebook.to_owned(),
        share: share.to_owned(),
    };
    let answer = client.revoke_notebook_share(asked).await?.into_inner();
    Ok(answer.share.unwrap().id)
}

async fn shared_with(house: &House, who: &Principal) -> Vec<SharedNotebook> {
    let asked = ListSharedNotebooksRequest {};
    let answer = house.client(who).list_shared_notebooks(asked).await;
    answer.unwrap().into_inner().notebooks
}

/// What the route says of shares.
async fn at_edges(house: &House, id: &str) -> Vec<RouteShare> {
    house.route(id).await.unwrap().shares
}

async fn a_link_is_shown_once_and_at_the_edges_before_the_answer(engine: Engine) {
    let house = House::open(engine).await;
    let notebook = house.create("first").await;
    let mut member = house.member();
    let soon = house.clock.now() + TimeDelta::seconds(60);
    let asked = ShareNotebookRequest {
        expires_at: Some(to_wire_time(soon)),
        request_id: "one".to_owned(),
        ..link("first", ShareAccess::View)
    };
    let made = share(&mut member, asked.clone()).await.unwrap();
    let token = made.link.strip_prefix(&format!("{}?token=", notebook.url));
    let token = token.unwrap();
    let expected = RouteShare {
        token_sha256: sha256_hex(token),
        view_only: true,
        expires_at: Some(soon),
    };
    assert_eq!(at_edges(&house, &notebook.id).await, [expected]);
    let again = share(&mut member, asked.clone()).await.unwrap();
    assert_eq!((again.share, again.link.as_str()), (made.share.clone(), ""));
    let other = ShareNotebookRequest {
        access: ShareAccess::Use.into(),
        ..asked
    };
    let refused = share(&mut member, other).await.unwrap_err();
    assert_eq!(refused.code(), Code::AlreadyExists);
    assert_eq!(
        listed(&mut member, "first").await,
        [made.share.clone().unwrap()]
    );

    // Kept nowhere, told nowhere.
    let rows = house
        .texts("SELECT token_sealed || token_sha256 || id FROM shares")
        .await;
    let payloads = house.texts("SELECT payload FROM outbox").await;
    for place in rows.iter().chain(&payloads) {
        assert!(!place.contains(token), "{place}");
    }
    let told = eventually("the timeline's event", || async {
        let events: Vec<NotebookShared> = house.nats.events().await;
        events.into_iter().next()
    })
    .await;
    assert_eq!((told.share, told.revoked), (made.share.clone(), false));

    // Its time is over: it is forgotten.
    house.advance(60);
    assert_eq!(listed(&mut member, "first").await, []);
    eventually("its end", || async {
        let rows = house.texts("SELECT id FROM shares").await;
        rows.is_empty().then_some(())
    })
    .await;

    let forever = share(&mut member, link("first", ShareAccess::Use))
        .await
        .unwrap();
    let id = forever.share.unwrap().id;
    assert!(!at_edges(&house, &notebook.id).await[0].view_only);
    assert_eq!(revoke(&mut member, "first", &id).await.unwrap(), id);
    assert_eq!(at_edges(&house, &notebook.id).await, []);
    let gone = revoke(&mut member, "first", &id).await.unwrap_err();
    assert_eq!(gone.code(), Code::NotFound);

    // Wiped routes come back with what is shared.
    share(&mut member, link("first", ShareAccess::Use))
        .await
        .unwrap();
    let before = at_edges(&house, &notebook.id).await;
    bus::Routes::open(&house.bus().await)
        .await
        .unwrap()
        .remove(&notebook.id)
        .await
        .unwrap();
    let after = house.route_when(&notebook.id, "the route", |_| true).await;
    assert_eq!(after.shares, before);
    house.delete("first").await;
    eventually("the end of its shares", || async {
        let rows = house.texts("SELECT id FROM shares").await;
        rows.is_empty().then_some(())
    })
    .await;
}

async fn a_person_of_another_team_finds_what_is_shared(engine: Engine) {
    let house = House::open(engine).await;
    let notebook = house.create("first").await;
    let (ada, eve) = (
        person(TeamId::generate(), Role::Viewer),
        person(TeamId::generate(), Role::Owner),
    );
    let address = format!("{}@lab.example", ada.user().unwrap().id);
    let mut member = house.member();
    let with_ada = |access| ShareNotebookRequest {
        email: address.clone(),
        ..link("first", access)
    };
    let made = share(&mut member, with_ada(ShareAccess::View))
        .await
        .unwrap();
    assert_eq!(made.link, "", "it is theirs");
    let found = shared_with(&house, &ada).await;
    let [found] = found.as_slice() else {
        panic!("{found:?}");
    };
    assert_eq!((found.name.as_str(), &found.url), ("first", &notebook.url));
    assert_ne!(found.token, notebook.token);
    let edges = at_edges(&house, &notebook.id).await;
    assert_eq!(edges[0].token_sha256, sha256_hex(&found.token));
    assert!(edges[0].view_only);
    assert_eq!(shared_with(&house, &eve).await, []);

    // Once a person: sharing again changes what they may do, and their token stays.
    let changed = share(&mut member, with_ada(ShareAccess::Use))
        .await
        .unwrap();
    assert_eq!(changed.share.unwrap().id, made.share.unwrap().id);
    let edges = at_edges(&house, &notebook.id).await;
    assert_eq!((edges.len(), edges[0].view_only), (1, false));
    assert_eq!(shared_with(&house, &ada).await[0].token, found.token);

    revoke(&mut member, "first", &address).await.unwrap();
    assert_eq!(shared_with(&house, &ada).await, []);
    assert_eq!(at_edges(&house, &notebook.id).await, []);
}

async fn only_who_may_use_it_shares_it(engine: Engine) {
    let house = House::open(engine).await;
    house.create("first").await;
    for (who, code) in [
        (person(house.team, Role::Viewer), Code::PermissionDenied),
        (person(TeamId::generate(), Role::Owner), Code::NotFound),
    ] {
        let mut client = house.client(&who);
        let refused = share(&mut client, link("first", ShareAccess::View)).await;
        assert_eq!(refused.unwrap_err().code(), code);
        let asked = ListNotebookSharesRequest {
            notebook: "first".to_owned(),
        };
        let refused = client.list_notebook_shares(asked).await.unwrap_err();
        assert_eq!(refused.code(), code);
        let refused = revoke(&mut client, "first", "sh-").await.unwrap_err();
        assert_eq!(refused.code(), code);
    }
    let mut member = house.member();
    let unknown = ShareNotebookRequest {
        email: "nobody@lab.example".to_owned(),
        ..link("first", ShareAccess::View)
    };
    let past = ShareNotebookRequest {
        expires_at: Some(to_wire_time(house.clock.now())),
        ..link("first", ShareAccess::View)
    };
    for (asked, code) in [
        (unknown, Code::NotFound),
        (past, Code::InvalidArgument),
        (
            link("first", ShareAccess::Unspecified),
            Code::InvalidArgument,
        ),
    ] {
        let refused = share(&mut member, asked.clone()).await.unwrap_err();
        assert_eq!(refused.code(), code, "{asked:?}: {refused}");
    }
    for _ in 0..50 {
        share(&mut member, link("first", ShareAccess::View))
            .await
            .unwrap();
    }
    let full = share(&mut member, link("first", ShareAccess::View))
        .await
        .unwrap_err();
    assert_eq!(full.code(), Code::ResourceExhausted);
}

testkit::on_each_engine!(
    a_link_is_shown_once_and_at_the_edges_before_the_answer,
    a_person_of_another_team_finds_what_is_shared,
    only_who_may_use_it_shares_it
);
