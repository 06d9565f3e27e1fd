//! `quire notebook open`.

use anyhow::Result;

use super::find::running;
use crate::api::Api;
use crate::cli::Output;
use crate::print;
use crate::print::out;

#[allow(
    clippy::disallowed_methods,
    reason = "whether there is a display is a matter of the terminal, not of configuration"
)]
fn has_display() -> bool {
    std::env::var("DISPLAY").is_ok() || std::env::var("WAYLAND_DISPLAY").is_ok()
}

pub(super) async fn open(api: &Api, output: Output, id: &str, port: Option<u16>) -> Result<()> {
    let notebook = running(api, id).await?;
    let origin = match port {
        // Each port has an origin of its own beside the notebook's.
        Some(port) => notebook.url.replacen("://", &format!("://{port}-"), 1),
        None => notebook.url.clone(),
    };
    let url = format!("{origin}?token={}", notebook.token);
    if output == Output::Json {
        return print::json(&serde_json::json!({ "url": url }));
    }
    out!("{url}");
    if has_display() {
        std::process::Command::new("xdg-open")
            .arg(&url)
            .spawn()
            .ok();
    }
    Ok(())
}
