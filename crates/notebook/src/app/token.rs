//! Another token for a notebook.

use chassis::auth::User;
use chassis::seal::{random_secret, sha256_hex};
use chassis::{Error, Result, telemetry};
use contracts::notebook::v1::Notebook;
use secrecy::ExposeSecret as _;

use super::reconfigure::reconfigured;
use super::{App, view};
use crate::domain::state::Wanted;

impl App {
    /// Gives a notebook another token. Edges hear of it before the answer; when the bus is away, as soon as it is back.
    pub(crate) async fn rotate_token(&self, user: &User, wanted: &str) -> Result<Notebook> {
        let seen = self.find_to_change(user, wanted).await?;
        let token = random_secret()?;
        let sealed = self.sealer.seal(&seen.id, &token)?;
        let row = self
            .update_saying(
                &seen.id,
                |row| {
                    if view::wanted(row) == Wanted::Deleted {
                        let name = &row.name;
                        return Err(Error::Precondition(format!(
                            "notebook {name:?} is being deleted"
                        )));
                    }
                    row.token_sealed = sealed;
                    row.token_sha256 = sha256_hex(token.expose_secret());
                    row.traceparent = telemetry::traceparent().unwrap_or_default();
                    Ok(true)
                },
                |_, notebook| Some(reconfigured(user, notebook, "another token".to_owned())),
            )
            .await?;
        if let Err(error) = self.write_route(&row.id).await {
            let error = chassis::error::chain(&error);
            tracing::warn!(
                notebook = row.id,
                error,
                "telling edges of a token; trying again"
            );
        }
        self.metrics.changed("token");
        self.with_token(&row)
    }
}
