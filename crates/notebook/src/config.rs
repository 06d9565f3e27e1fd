//! What the notebook service is told.

use chassis::Address;
use chassis::config::{ServiceConfig, redacted};
use secrecy::SecretString;
use serde::{Deserialize, Serialize};

/// Configuration of the notebook service.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct NotebookConfig {
    /// What every service needs to be told.
    pub service: ServiceConfig,
    /// Where inventory is found.
    pub inventory: Address,
    /// Where the volume service is found.
    pub volume: Address,
    /// Where the scheduler is found.
    pub scheduler: Address,
    /// Where people reach the edge: notebooks answer at `scheme://ID.host:port/`.
    pub edge: Address,
    /// Seals the notebooks' tokens at rest: 32 bytes as URL-safe base 64.
    #[serde(serialize_with = "redacted")]
    pub master_key: SecretString,
    /// Where this service reaches the edge to look at idle notebooks; `host:port`.
    pub edge_probe: String,
}

impl Default for NotebookConfig {
    fn default() -> Self {
        Self {
            service: ServiceConfig::default(),
            inventory: Address::Http("127.0.0.1:7711".to_owned()),
            volume: Address::Http("127.0.0.1:7712".to_owned()),
            scheduler: Address::Http("127.0.0.1:7713".to_owned()),
            edge: Address::Http("localhost:7701".to_owned()),
            master_key: SecretString::default(),
            edge_probe: "127.0.0.1:7701".to_owned(),
        }
    }
}
