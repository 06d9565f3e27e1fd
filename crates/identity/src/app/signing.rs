//! The key that tokens are signed with: made once, sealed at rest, shared by all replicas through the database.

use chassis::auth::Signer;
use chassis::seal::Sealer;
use chassis::{Database, Result, lease};
use kernel::Timestamp;
use kernel::id::KeyId;
use sea_orm::{ActiveValue::Set, EntityTrait, QueryOrder};
use secrecy::{ExposeSecret, SecretString};

use crate::store::entity::signing_key;

/// The newest signing key, made now when there is none.
pub(crate) async fn load_signer(
    database: &Database,
    master_key: &SecretString,
    now: Timestamp,
) -> Result<Signer> {
    let sealer = Sealer::new(master_key)?;
    let transaction = database.begin().await?;
    // Replicas that start together would each make a key of their own.
    lease::take_turn(&transaction, "signing key").await?;
    let newest = signing_key::Entity::find()
        .order_by_desc(signing_key::Column::Id)
        .one(&transaction)
        .await?;
    let (id, sealed) = match newest {
        Some(row) => (row.id, row.sealed),
        None => {
            let id = KeyId::generate().to_string();
            let sealed = sealer.seal(&id, &Signer::generate()?.into())?;
            let row = signing_key::ActiveModel {
                id: Set(id.clone()),
                sealed: Set(sealed.clone()),
                created_at: Set(now.timestamp_micros()),
            };
            signing_key::Entity::insert(row)
                .exec_without_returning(&transaction)
                .await?;
            (id, sealed)
        }
    };
    transaction.commit().await?;
    Signer::from_pkcs8(sealer.open(&id, &sealed)?.expose_secret())
}
