//! Leases with fencing: one holder at a time, and an epoch that a transaction can check so that a holder who lost the lease
//! without noticing cannot write.

use std::time::Duration;

use chrono::TimeDelta;
use kernel::Timestamp;
use sea_orm::{ConnectionTrait, DatabaseTransaction, DbErr, Statement};

use crate::{Database, Error, Result};

/// A lease that this program holds, until it says otherwise.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Held {
    name: String,
    holder: String,
    /// Grows with each change of the holder. Who sees a higher one refuses this one.
    pub epoch: u64,
}

/// How long a lease lasts without renewal: with the look of whoever stands by, nobody leads for less than five seconds.
pub const LEASE_TIME: Duration = Duration::from_secs(4);

fn wrong_epoch(epoch: i64) -> DbErr {
    DbErr::Custom(format!("lease epoch {epoch} is negative"))
}

/// Takes or renews the lease `name` for `holder`; `None` while another holds it.
///
/// # Errors
/// Those of the database.
pub async fn acquire(
    database: &Database,
    name: &str,
    holder: &str,
    now: Timestamp,
) -> Result<Option<Held>, DbErr> {
    let lasts =
        TimeDelta::from_std(LEASE_TIME).map_err(|error| DbErr::Custom(error.to_string()))?;
    let (now, until) = (now.timestamp_micros(), (now + lasts).timestamp_micros());
    let transaction = database.begin().await?;
    let backend = transaction.get_database_backend();
    // A first row with epoch 0 that has expired: taking it below is then the same as taking any other.
    transaction
        .execute_raw(Statement::from_sql_and_values(
            backend,
            "INSERT INTO leases (name, holder, epoch, expires_at) VALUES ($1, '', 0, 0) ON CONFLICT (name) DO NOTHING",
            [name.into()],
        ))
        .await?;
    let row = transaction
        .query_one_raw(Statement::from_sql_and_values(
            backend,
            "UPDATE leases SET epoch = CASE WHEN holder = $2 THEN epoch ELSE epoch + 1 END, holder = $2, expires_at = $4 \
             WHERE name = $1 AND (holder = $2 OR expires_at <= $3) RETURNING epoch",
            [name.into(), holder.into(), now.into(), until.into()],
        ))
        .await?;
    transaction.commit().await?;
    let Some(row) = row else { return Ok(None) };
    let epoch: i64 = row.try_get("", "epoch")?;
    Ok(Some(Held {
        name: name.to_owned(),
        holder: holder.to_owned(),
        epoch: u64::try_from(epoch).map_err(|_| wrong_epoch(epoch))?,
    }))
}

/// Gives the lease back, so that the next holder need not wait.
///
/// # Errors
/// Those of the database.
pub async fn release(database: &Database, held: &Held) -> Result<(), DbErr> {
    let connection = database.reader();
    connection
        .execute_raw(Statement::from_sql_and_values(
            connection.get_database_backend(),
            "UPDATE leases SET expires_at = 0 WHERE name = $1 AND holder = $2",
            [held.name.as_str().into(), held.holder.as_str().into()],
        ))
        .await?;
    Ok(())
}

/// Locks the lease's row in `transaction` and checks that `held` is still the truth. Call it first in each transaction that
/// only the holder may make.
///
/// # Errors
/// [`Error::Unavailable`] when another holds the lease now.
pub async fn fence(transaction: &DatabaseTransaction, held: &Held) -> Result<()> {
    let epoch =
        i64::try_from(held.epoch).map_err(|error| Error::internal("reading an epoch", error))?;
    let result = transaction
        .execute_raw(Statement::from_sql_and_values(
            transaction.get_database_backend(),
            "UPDATE leases SET epoch = epoch WHERE name = $1 AND holder = $2 AND epoch = $3",
            [
                held.name.as_str().into(),
                held.holder.as_str().into(),
                epoch.into(),
            ],
        ))
        .await?;
    if result.rows_affected() == 1 {
        return Ok(());
    }
    Err(Error::Unavailable(format!(
        "no longer the holder of the lease {:?}",
        held.name
    )))
}

/// Waits until no other transaction has the turn `name`, and has it until this one ends: for what must not happen twice at once
/// where there is no row yet that could be locked.
///
/// # Errors
/// Those of the database.
pub async fn take_turn(transaction: &DatabaseTransaction, name: &str) -> Result<(), DbErr> {
    transaction
        .execute_raw(Statement::from_sql_and_values(
            transaction.get_database_backend(),
            "INSERT INTO leases (name, holder, epoch, expires_at) VALUES ($1, '', 0, 0) \
             ON CONFLICT (name) DO UPDATE SET name = excluded.name",
            [name.into()],
        ))
        .await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use kernel::time::from_micros;
    use sea_orm_migration::{MigrationTrait, MigratorTrait};

    use super::*;

    struct Migrator;
    impl MigratorTrait for Migrator {
        fn migrations() -> Vec<Box<dyn MigrationTrait>> {
            vec![crate::database::foundation()]
        }
    }

    #[tokio::test]
    async fn one_holder_at_a_time_and_old_ones_are_fenced() {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite://{}/l.db", folder.path().display()).into();
        let database = Database::open::<Migrator>(&url).await.unwrap();
        let at = |seconds: i64| from_micros(seconds * 1_000_000);

        let first = acquire(&database, "leader", "a", at(1))
            .await
            .unwrap()
            .unwrap();
        assert_eq!(
            acquire(&database, "leader", "b", at(2)).await.unwrap(),
            None
        );
        let renewed = acquire(&database, "leader", "a", at(4))
            .await
            .unwrap()
            .unwrap();
        assert_eq!(renewed.epoch, first.epoch);

        let second = acquire(&database, "leader", "b", at(9))
            .await
            .unwrap()
            .unwrap();
        assert!(second.epoch > first.epoch);
        let transaction = database.begin().await.unwrap();
        assert!(fence(&transaction, &first).await.is_err());
        assert!(fence(&transaction, &second).await.is_ok());
        transaction.rollback().await.unwrap();

        release(&database, &second).await.unwrap();
        assert!(
            acquire(&database, "leader", "a", at(9))
                .await
                .unwrap()
                .is_some()
        );
    }
}
