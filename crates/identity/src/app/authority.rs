//! The cluster's certificate authority, and the certificates of nodes.

use chassis::authority::Authority;
use chassis::seal::Sealer;
use chassis::{Database, Error, Result, lease};
use kernel::Timestamp;
use kernel::id::{KeyId, NodeId};
use sea_orm::{ActiveValue::Set, EntityTrait, QueryOrder};
use secrecy::SecretString;

use super::App;
use crate::config::AuthorityConfig;
use crate::store::entity::authority;

/// What an authority is called that identity made.
const NAME: &str = "Quire";

/// The authority in the configured files; without such, the newest one in the database, made now when there is none.
pub(crate) async fn load_authority(
    database: &Database,
    config: &AuthorityConfig,
    master_key: &SecretString,
    now: Timestamp,
) -> Result<Authority> {
    if let Some(authority) = config.load()? {
        return Ok(authority);
    }
    let sealer = Sealer::new(master_key)?;
    let transaction = database.begin().await?;
    // Replicas that start together would each make an authority of their own.
    lease::take_turn(&transaction, "certificate authority").await?;
    let newest = authority::Entity::find()
        .order_by_desc(authority::Column::Id)
        .one(&transaction)
        .await?;
    let loaded = match newest {
        Some(row) => {
            let key = sealer.open(&row.id, &row.sealed_key)?;
            Authority::from_pem(&row.certificate, &key)?
        }
        None => {
            let made = Authority::create(NAME, now)?;
            let id = KeyId::generate().to_string();
            let row = authority::ActiveModel {
                sealed_key: Set(sealer.seal(&id, &made.key_pem())?),
                id: Set(id),
                certificate: Set(made.certificate_pem().to_owned()),
                created_at: Set(now.timestamp_micros()),
            };
            authority::Entity::insert(row)
                .exec_without_returning(&transaction)
                .await?;
            tracing::info!(fingerprint = %made.fingerprint(), "made the certificate authority");
            made
        }
    };
    transaction.commit().await?;
    Ok(loaded)
}

impl App {
    /// A certificate of a node, for the key of a signed request.
    pub(crate) fn issue_node_certificate(&self, node_id: &str, request: &str) -> Result<String> {
        let node: NodeId = node_id
            .parse()
            .map_err(|problem: kernel::id::ParseIdError| {
                Error::invalid("node_id", problem.to_string())
            })?;
        let now = self.clock.now();
        let chain = self.authority.sign_node(request, &node.to_string(), now)?;
        tracing::info!(node_id, "issued a node's certificate");
        Ok(chain)
    }
}
