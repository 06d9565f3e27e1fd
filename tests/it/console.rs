//! The console in a real browser: the page that is embedded in the program, on an installation of its own.

use std::process::Command;

use crate::installation::Installation;

const WALK: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../crates/gateway/console/e2e/walk.mjs"
);

/// Everything that a person does on the page, as `walk.mjs` tells it, beginning with a wrong key and no notebook.
#[test]
fn a_person_at_the_console() {
    let quire = Installation::start();
    let made = quire.quire(&["api-key", "create", "browser"]);
    let key = made["key"].as_str().unwrap();
    let walk = Command::new("node")
        .arg(WALK)
        .env("QUIRE_URL", quire.server())
        .env("QUIRE_KEY", key)
        .output()
        .expect("node is needed; scripts/test installs it");
    assert!(
        walk.status.success(),
        "{}{}\n{}",
        String::from_utf8_lossy(&walk.stdout),
        String::from_utf8_lossy(&walk.stderr),
        quire.log()
    );
    let notebooks = quire.quire(&["notebook", "list"]);
    assert_eq!(notebooks, serde_json::json!([]), "the walk deletes its own");
}
