//! What identity is told.

use std::collections::BTreeMap;

use chassis::Address;
use chassis::config::{Listens, ServiceConfig, redacted};
use secrecy::SecretString;
use serde::{Deserialize, Serialize};

/// Configuration of the identity service.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct IdentityConfig {
    /// What every service needs to be told.
    pub service: ServiceConfig,
    /// Seals the signing key at rest: 32 bytes as URL-safe base 64.
    #[serde(serialize_with = "redacted")]
    pub master_key: SecretString,
    /// Key of the first user, for who keeps it before the first start: `qk_` and 43 random characters. Absent = one is made up and
    /// told once.
    #[serde(skip_serializing)]
    pub first_key: Option<SecretString>,
    /// Keys of the services, by name. What stands here is in force; a service that is missing here has none.
    #[serde(skip_serializing)]
    pub service_keys: BTreeMap<String, SecretString>,
}

impl Listens for IdentityConfig {
    fn listen(&self) -> Address {
        self.service.listen.clone()
    }
}
