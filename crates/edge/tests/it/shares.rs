//! Notebooks that are shared: what each token opens, and for how long.

use bus::{Route, RouteShare};
use futures::{SinkExt as _, StreamExt as _};
use http::StatusCode;
use kernel::time::SystemClock;
use kernel::{Clock as _, Timestamp};
use sha2::{Digest as _, Sha256};
use tokio_tungstenite::tungstenite::{Error, Message};

use crate::client::Client;
use crate::house::{House, PORT, SOON, TOKEN};

const HTML: &str = "text/html,application/xhtml+xml,*/*;q=0.8";
const LOOK: &str = "to-look-at";
const WORK: &str = "to-work-in";

fn share(token: &str, view_only: bool, expires_at: Option<Timestamp>) -> RouteShare {
    let digest = Sha256::digest(token);
    RouteShare {
        token_sha256: digest.iter().map(|byte| format!("{byte:02x}")).collect(),
        view_only,
        expires_at,
    }
}

/// A notebook that is shared in both ways.
async fn shared(house: &House) -> Route {
    let mut route = house.notebook().await.route;
    let shares = vec![share(LOOK, true, None), share(WORK, false, None)];
    house
        .publish(&mut route, |route| route.shares = shares)
        .await;
    route
}

fn with(house: &House, route: &Route, token: &str) -> Client {
    house
        .stranger(route)
        .with("authorization", &format!("token {token}"))
}

fn is_refused(error: &Error, status: u16) -> bool {
    matches!(error, Error::Http(answer) if answer.status() == status)
}

#[tokio::test]
async fn who_may_look_reads_and_runs_nothing() {
    let house = House::open().await;
    let route = shared(&house).await;
    let looks = with(&house, &route, LOOK);
    for (method, path, status) in [
        ("GET", "/", 200),
        ("GET", "/.quire/view.js", 200),
        ("GET", "/.quire/status", 200),
        ("GET", "/.quire/health", 200),
        ("GET", "/api/contents/a.ipynb", 200),
        ("HEAD", "/files/a.csv", 200),
        ("GET", "/nbconvert/html/a.ipynb", 200),
        ("GET", "/seen", 403),
        ("GET", "/lab", 403),
        ("GET", "/api/kernels", 403),
        ("GET", "/files/../seen", 403),
        ("POST", "/", 403),
        ("POST", "/api/contents/a.ipynb", 403),
        ("PUT", "/api/contents/a.ipynb", 403),
        ("DELETE", "/api/contents/a.ipynb", 403),
        ("POST", "/api/kernels", 403),
        ("POST", "/api/terminals", 403),
        ("GET", "/.quire/logs", 403),
        ("GET", "/.quire/files", 403),
        ("GET", "/.quire/signs", 403),
        ("POST", "/.quire/exec", 403),
        ("POST", "/.quire/ssh", 403),
        ("POST", "/.quire/extend", 403),
        ("GET", "/.quire/notice.js", 403),
    ] {
        let answer = looks.ask(method, path).await;
        assert_eq!(answer.status, status, "{method} {path}: {answer:?}");
    }
    let refused = looks.websocket("/echo").await.unwrap_err();
    assert!(is_refused(&refused, 403), "{refused}");
    let mut port = with(&house, &route, LOOK);
    port.host = format!("{PORT}-{}", port.host);
    for path in ["/", "/seen", "/files/a"] {
        assert_eq!(port.get(path).await.status, StatusCode::FORBIDDEN, "{path}");
    }

    // A browser comes by the link and keeps what it was given.
    let browser = house.stranger(&route).with("accept", HTML);
    let link = browser.get(&format!("/?token={LOOK}")).await;
    assert_eq!(
        (link.status, link.header("location")),
        (StatusCode::FOUND, "/")
    );
    let cookie = format!("quire-token={LOOK}");
    let page = house
        .stranger(&route)
        .with("cookie", &cookie)
        .get("/")
        .await;
    assert!(
        page.text().contains("Nothing can be run or changed here"),
        "{page:?}"
    );
    assert!(
        page.header("content-security-policy")
            .contains("script-src 'self'")
    );
    house.close().await;
}

#[tokio::test]
async fn who_may_use_it_does_everything() {
    let house = House::open().await;
    let route = shared(&house).await;
    let works = with(&house, &route, WORK);
    let seen = works.get("/seen?a=1").await;
    assert_eq!(seen.json()["uri"], "/seen?a=1");
    assert!(!seen.text().contains(WORK), "{seen:?}");
    assert_eq!(works.get("/.quire/signs").await.status, StatusCode::OK);
    let mut socket = works.websocket("/echo").await.unwrap();
    socket.send(Message::text("hello")).await.unwrap();
    let echo = socket.next().await.unwrap().unwrap();
    assert_eq!(echo, Message::text("hello"));
    house.close().await;
}

#[tokio::test]
async fn what_was_open_ends_with_its_share_and_nothing_else_does() {
    let house = House::open().await;
    let mut route = shared(&house).await;
    let mut ended = with(&house, &route, WORK).websocket("/echo").await.unwrap();
    let mut stays = house.client(&route).websocket("/echo").await.unwrap();
    // Taking the other share back changes nothing for this one.
    house
        .publish(&mut route, |route| drop(route.shares.remove(0)))
        .await;
    ended.send(Message::text("still here")).await.unwrap();
    let echo = ended.next().await.unwrap().unwrap();
    assert_eq!(echo, Message::text("still here"));
    let refused = with(&house, &route, LOOK).get("/").await;
    assert_eq!(refused.status, StatusCode::UNAUTHORIZED);

    // To look only, from now on.
    house
        .publish(&mut route, |route| {
            route.shares = vec![share(WORK, true, None)]
        })
        .await;
    let end = tokio::time::timeout(SOON, ended.next()).await.unwrap();
    assert!(end.is_none_or(|end| end.is_err()));
    let refused = with(&house, &route, WORK).websocket("/echo").await;
    assert!(is_refused(&refused.unwrap_err(), 403));
    stays.send(Message::text("the owner")).await.unwrap();
    let echo = stays.next().await.unwrap().unwrap();
    assert_eq!(echo, Message::text("the owner"));
    assert_eq!(
        house.client(&route).get("/seen").await.status,
        StatusCode::OK,
        "{TOKEN}"
    );
    house.close().await;
}

#[tokio::test]
async fn a_share_ends_when_its_time_is_over() {
    let house = House::open().await;
    let mut route = house.notebook().await.route;
    let soon = SystemClock.now() + chrono::TimeDelta::seconds(2);
    let shares = vec![share(WORK, false, Some(soon))];
    house
        .publish(&mut route, |route| route.shares = shares)
        .await;
    let mut socket = with(&house, &route, WORK).websocket("/echo").await.unwrap();
    let end = tokio::time::timeout(SOON, socket.next()).await.unwrap();
    assert!(end.is_none_or(|end| end.is_err()));
    assert!(SystemClock.now() >= soon, "not before");
    let refused = with(&house, &route, WORK).get("/seen").await;
    assert_eq!(refused.status, StatusCode::UNAUTHORIZED);
    house.close().await;
}
