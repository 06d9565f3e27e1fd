//! The page for browsers, at the address where programs are told what this is.

use http::{HeaderMap, Request};
use http_body_util::Full;

use crate::client::{Answer, Client};
use crate::house::House;

/// What Chromium says that it accepts.
const BROWSER: &str = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8";

async fn shown(client: &Client, method: &str, path: &str) -> Answer {
    let request = Request::builder()
        .method(method)
        .uri(client.url(path))
        .header("accept", BROWSER);
    client
        .raw(request.body(Full::default()).unwrap(), false)
        .await
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> &'a str {
    headers
        .get(name)
        .map_or("", |value| value.to_str().unwrap())
}

#[tokio::test]
async fn browsers_get_a_page_that_can_do_nothing_but_ask_this_gateway() {
    let house = House::start().await;
    let page = shown(&house.client, "GET", "/").await;
    assert_eq!(
        text(&page.headers, "content-type"),
        "text/html; charset=utf-8"
    );
    assert_eq!(text(&page.headers, "cache-control"), "no-cache");
    assert_eq!(text(&page.headers, "x-content-type-options"), "nosniff");
    assert_eq!(text(&page.headers, "referrer-policy"), "no-referrer");
    let policy = text(&page.headers, "content-security-policy");
    for part in [
        "default-src 'none'",
        "script-src 'self'",
        "connect-src 'self'",
        "frame-ancestors 'none'",
    ] {
        assert!(policy.split("; ").any(|said| said == part), "{policy}");
    }
    assert!(!policy.contains("unsafe"), "{policy}");
    assert!(page.body.as_str().unwrap().starts_with("<!doctype html>"));
    // Caches between know that others are answered in another way.
    let others = house.client.get("/", "").await;
    assert_eq!(text(&others.headers, "vary"), "accept");
    assert_eq!(text(&page.headers, "vary"), "accept");
    assert_eq!(text(&others.headers, "content-type"), "application/json");
}

/// Holds for the built page and for the notice, which has no assets: whichever this program was built with.
#[tokio::test]
async fn assets_are_kept_for_ever_and_everything_else_is_the_interface() {
    let house = House::start().await;
    let page = shown(&house.client, "GET", "/").await;
    let html = page.body.as_str().unwrap().to_owned();
    let assets = html.split('"').filter(|part| part.starts_with("/assets/"));
    for path in assets {
        let asset = shown(&house.client, "GET", path).await;
        assert_eq!(asset.status, 200, "{path}");
        let kind = text(&asset.headers, "content-type");
        let known = ["text/javascript", "text/css", "image/svg+xml"];
        assert!(known.contains(&kind), "{path} is {kind}");
        let kept = text(&asset.headers, "cache-control");
        assert_eq!(kept, "public, max-age=31536000, immutable");
        assert_eq!(text(&asset.headers, "x-content-type-options"), "nosniff");
    }
    for path in [
        "/assets/none.js",
        "/assets/..%2F..%2Fnotice.html",
        "/index.html",
        "/notebooks",
    ] {
        shown(&house.client, "GET", path)
            .await
            .failed(404, "NOT_FOUND");
    }
    shown(&house.client, "POST", "/")
        .await
        .failed(404, "NOT_FOUND");
}
