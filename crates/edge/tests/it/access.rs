//! Who comes in, and how.

use http::StatusCode;

use crate::house::{House, JUPYTER, TOKEN};

const HTML: &str = "text/html,application/xhtml+xml,*/*;q=0.8";

#[tokio::test]
async fn the_token_opens_in_header_query_and_cookie_and_never_reaches_the_notebook() {
    let house = House::open().await;
    let route = house.notebook().await.route;
    let bearer = format!("Bearer {TOKEN}");
    let query = format!("/seen?a=1&token={TOKEN}&b=2");
    let cookie = format!("x=1; quire-token={TOKEN}; y=2");
    let answers = [
        house.client(&route).get("/seen?a=1&b=2").await,
        house
            .stranger(&route)
            .with("authorization", &bearer)
            .get("/seen?a=1&b=2")
            .await,
        house.stranger(&route).get(&query).await,
        house
            .stranger(&route)
            .with("accept", HTML)
            .ask("POST", &query)
            .await,
        house
            .stranger(&route)
            .with("cookie", &cookie)
            .get("/seen?a=1&b=2")
            .await,
    ];
    for answer in &answers {
        assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
        assert_eq!(answer.json()["uri"], "/seen?a=1&b=2");
        assert_eq!(
            answer.sent("authorization").unwrap(),
            format!("token {JUPYTER}")
        );
        assert!(!answer.text().contains(TOKEN), "{}", answer.text());
        assert!(
            !format!("{:?}", answer.headers).contains(JUPYTER),
            "{answer:?}"
        );
    }
    assert_eq!(answers[4].sent("cookie").as_deref(), Some("x=1; y=2"));
    house.close().await;
}

#[tokio::test]
async fn a_browser_keeps_the_token_as_a_cookie_and_loses_it_from_the_url() {
    let house = House::open().await;
    let route = house.notebook().await.route;
    let browser = || house.stranger(&route).with("accept", HTML);
    let answer = browser()
        .get(&format!("/lab/tree?a=1&token={TOKEN}&b=%20"))
        .await;
    assert_eq!(answer.status, StatusCode::FOUND);
    assert_eq!(answer.header("location"), "/lab/tree?a=1&b=%20");
    assert_eq!(
        answer.header("set-cookie"),
        format!("quire-token={TOKEN}; Path=/; HttpOnly; SameSite=Lax")
    );
    assert_eq!(answer.header("cache-control"), "no-store");

    let cookie = answer.header("set-cookie").split(';').next().unwrap();
    assert_eq!(
        browser().with("cookie", cookie).get("/lab").await.status,
        StatusCode::OK
    );
    let outside = browser()
        .get(&format!("//evil.example/?token={TOKEN}"))
        .await;
    assert_eq!(outside.header("location"), "/.//evil.example/");
    house.close().await;
}

#[tokio::test]
async fn without_the_right_token_there_is_a_form_or_an_error() {
    let house = House::open().await;
    let route = house.notebook().await.route;
    for (wrong, message) in [
        (house.stranger(&route), "this notebook opens with its token"),
        (
            house.stranger(&route).with("authorization", "token wrong"),
            "this token does not open this notebook; its owner can look it up",
        ),
    ] {
        let answer = wrong.get("/api").await;
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
        assert_eq!(
            answer.json(),
            serde_json::json!({ "code": "UNAUTHORIZED", "message": message })
        );
        assert_eq!(answer.header("www-authenticate"), "Bearer");
        assert_eq!(
            wrong.get("/.quire/health").await.status,
            StatusCode::UNAUTHORIZED
        );
        assert_eq!(
            wrong.get("/.quire/logs").await.status,
            StatusCode::UNAUTHORIZED
        );
    }
    let page = house
        .stranger(&route)
        .with("accept", HTML)
        .get("/lab?token=wrong")
        .await;
    assert_eq!(page.status, StatusCode::UNAUTHORIZED);
    assert!(
        page.text().contains("<form method=\"get\">") && page.text().contains("name=\"token\"")
    );
    assert!(
        page.header("content-security-policy")
            .starts_with("default-src 'none'")
    );
    house.close().await;
}

#[tokio::test]
async fn pages_of_other_origins_cannot_use_the_cookie() {
    let house = House::open().await;
    let route = house.notebook().await.route;
    let other = house.notebook().await.route;
    let cookie = format!("quire-token={TOKEN}");
    let browser = || house.stranger(&route).with("cookie", &cookie);
    let (own, foreign) = (
        format!("http://{}", browser().host),
        format!("http://{}", house.stranger(&other).host),
    );

    let refused = browser()
        .with("origin", &foreign)
        .ask("POST", "/seen")
        .await;
    assert_eq!(
        (refused.status, &refused.json()["code"]),
        (StatusCode::FORBIDDEN, &"FORBIDDEN".into())
    );
    let refused = browser()
        .with("sec-fetch-site", "same-site")
        .ask("DELETE", "/seen")
        .await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN);
    let refused = browser()
        .with("sec-fetch-site", "same-site")
        .with("sec-fetch-mode", "no-cors")
        .get("/seen")
        .await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN);
    assert!(
        browser()
            .with("origin", &foreign)
            .websocket("/echo")
            .await
            .is_err()
    );

    assert_eq!(
        browser()
            .with("origin", &own)
            .ask("POST", "/seen")
            .await
            .status,
        StatusCode::OK
    );
    assert!(
        browser()
            .with("origin", &own)
            .websocket("/echo")
            .await
            .is_ok()
    );
    let link = browser()
        .with("sec-fetch-site", "same-site")
        .with("sec-fetch-mode", "navigate");
    assert_eq!(link.get("/seen").await.status, StatusCode::OK);
    let program = house.client(&route).with("origin", &foreign);
    assert_eq!(program.ask("POST", "/seen").await.status, StatusCode::OK);
    house.close().await;
}

#[tokio::test]
async fn the_notebook_is_told_who_asks_by_nobody_but_the_door() {
    let house = House::open().await;
    let route = house.notebook().await.route;
    let client = house
        .client(&route)
        .with("x-forwarded-for", "1.1.1.1")
        .with("x-real-ip", "1.1.1.1");
    let answer = client
        .with("connection", "x-mine")
        .with("x-mine", "1")
        .get("/seen")
        .await;
    let host = house.client(&route).host;
    assert_eq!(answer.sent("host"), Some(host.clone()));
    assert_eq!(answer.sent("x-forwarded-host"), Some(host));
    assert_eq!(answer.sent("x-forwarded-for").as_deref(), Some("127.0.0.1"));
    assert_eq!(answer.sent("x-forwarded-proto").as_deref(), Some("http"));
    assert_eq!(
        (
            answer.sent("x-real-ip"),
            answer.sent("x-mine"),
            answer.sent("connection")
        ),
        (None, None, None)
    );
    assert_eq!((answer.header("x-kept"), answer.header("x-hop")), ("1", ""));
    let traced = house.client(&route).ask("TRACE", "/seen").await;
    assert_eq!(traced.status, StatusCode::BAD_REQUEST);
    house.close().await;
}
