//! What somebody may ask for who may only look at a notebook: its files as they are, and notebooks as pages. Nothing of it runs
//! anything, changes anything, or speaks to a kernel. What is not listed is refused, because extensions of Jupyter answer at paths of
//! their own, and some do more when they are asked than to answer.

use http::Method;

/// Paths of Jupyter below which all can be read.
const BELOW: [&str; 4] = ["/api/contents/", "/files/", "/nbconvert/html/", "/static/"];
/// Paths that can be read themselves.
const EXACTLY: [&str; 2] = ["/api/contents", "/favicon.ico"];

/// Whether it is one of these.
pub(crate) fn allows(method: &Method, path: &str, websocket: bool) -> bool {
    if websocket || !matches!(*method, Method::GET | Method::HEAD) || is_winding(path) {
        return false;
    }
    EXACTLY.contains(&path) || BELOW.iter().any(|prefix| path.starts_with(prefix))
}

/// It could mean another path to somebody else.
fn is_winding(path: &str) -> bool {
    let lower = path.to_ascii_lowercase();
    ["..", "//", "\\", "%2e", "%2f", "%5c"]
        .iter()
        .any(|winding| lower.contains(winding))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn files_are_read_and_nothing_is_run_or_changed() {
        let get = |path: &str| allows(&Method::GET, path, false);
        for path in [
            "/api/contents",
            "/api/contents/",
            "/api/contents/a/b%20c.ipynb",
            "/files/deep/er/big.bin",
            "/nbconvert/html/work/first.ipynb",
            "/static/style/bootstrap.min.css",
            "/favicon.ico",
        ] {
            assert!(get(path), "{path}");
            assert!(allows(&Method::HEAD, path, false), "{path}");
            assert!(!allows(&Method::GET, path, true), "{path} as a WebSocket");
            for method in [
                Method::POST,
                Method::PUT,
                Method::PATCH,
                Method::DELETE,
                Method::OPTIONS,
            ] {
                assert!(!allows(&method, path, false), "{method} {path}");
            }
        }
        for path in [
            "/",
            "/lab",
            "/lab/tree/a.ipynb",
            "/api",
            "/api/contentsx",
            "/api/kernels",
            "/api/kernels/1/channels",
            "/api/sessions",
            "/api/terminals",
            "/terminals/websocket/1",
            "/api/kernelspecs",
            "/api/shutdown",
            "/nbconvert/script/a.ipynb",
            "/nbconvert/pdf/a.ipynb",
            "/proxy/8000/",
            "/filesx",
            "/FILES/a",
            "/files/../api/kernels",
            "/files/%2e%2e/api/kernels",
            "/files/%2E./api/terminals",
            "/files/a%2f..%2fapi",
            "/files//api/kernels",
            "/files/a\\..\\b",
        ] {
            assert!(!get(path), "{path}");
        }
    }

    proptest! {
        /// However a path is made, nothing leads out of what is allowed.
        #[test]
        fn nothing_winds_out(prefix in prop::sample::select(&BELOW[..]), parts in prop::collection::vec("[a-z.%2eEfF/\\\\]{0,6}", 0..6)) {
            let path = format!("{prefix}{}", parts.join("/"));
            if allows(&Method::GET, &path, false) {
                let decoded = path.to_ascii_lowercase().replace("%2e", ".").replace("%2f", "/").replace("%5c", "\\");
                prop_assert!(decoded.split(['/', '\\']).all(|part| part != ".."), "{path}");
            }
        }
    }
}
