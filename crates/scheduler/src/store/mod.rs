//! Tables of the scheduler, and the statements that sea-orm has no words for.

pub(crate) mod entity;

use chassis::database::SqlMigration;
use sea_orm::{ConnectionTrait, DatabaseTransaction, DbErr, Statement};
use sea_orm_migration::{MigrationTrait, MigratorTrait};

/// The schema of the scheduler's database.
#[derive(Clone, Copy, Debug)]
pub struct Migrator;

impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        vec![
            chassis::database::foundation(),
            bus::foundation(),
            bus::refusals(),
            Box::new(SqlMigration {
                name: "scheduler_0001",
                sql: include_str!("migrations/0001_scheduler.sql"),
            }),
            Box::new(SqlMigration {
                name: "scheduler_0002_departure",
                sql: include_str!("migrations/0002_departure.sql"),
            }),
            Box::new(SqlMigration {
                name: "scheduler_0003_trace",
                sql: include_str!("migrations/0003_trace.sql"),
            }),
        ]
    }
}

/// The number of the next change of an attempt. Locks the counter until the transaction ends.
pub(crate) async fn next_change(transaction: &DatabaseTransaction) -> Result<i64, DbErr> {
    let row = transaction
        .query_one_raw(Statement::from_string(
            transaction.get_database_backend(),
            "UPDATE changes SET last = last + 1 WHERE id = 1 RETURNING last",
        ))
        .await?
        .ok_or_else(|| DbErr::RecordNotFound("the counter of changes".to_owned()))?;
    row.try_get("", "last")
}

/// What a placement takes from a node.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Taken {
    pub(crate) milli_cores: i64,
    pub(crate) memory_mib: i64,
    pub(crate) disk_gib: i64,
}

/// Takes from a node what is free there; `false` when it is not, or the node takes no work.
pub(crate) async fn take(
    transaction: &DatabaseTransaction,
    node_id: &str,
    taken: Taken,
) -> Result<bool, DbErr> {
    let result = transaction
        .execute_raw(Statement::from_sql_and_values(
            transaction.get_database_backend(),
            "UPDATE nodes SET free_milli_cores = free_milli_cores - $2, free_memory_mib = free_memory_mib - $3, \
             free_disk_gib = free_disk_gib - $4 WHERE id = $1 AND liveness = 1 AND schedulable = 1 \
             AND NOT given_up AND NOT deleted AND free_milli_cores >= $2 AND free_memory_mib >= $3 AND free_disk_gib >= $4",
            [
                node_id.into(),
                taken.milli_cores.into(),
                taken.memory_mib.into(),
                taken.disk_gib.into(),
            ],
        ))
        .await?;
    Ok(result.rows_affected() == 1)
}

/// Takes a whole GPU; `false` when somebody has a part of it.
pub(crate) async fn take_device(
    transaction: &DatabaseTransaction,
    node_id: &str,
    uuid: &str,
) -> Result<bool, DbErr> {
    let result = transaction
        .execute_raw(Statement::from_sql_and_values(
            transaction.get_database_backend(),
            "UPDATE devices SET free_milli = free_milli - 1000 WHERE node_id = $1 AND uuid = $2 AND free_milli >= 1000",
            [node_id.into(), uuid.into()],
        ))
        .await?;
    Ok(result.rows_affected() == 1)
}

/// Counts anew what is free on a node: all of it less what open attempts have. After an end, and when its hardware changed;
/// a node that shrank below what it runs has nothing free until enough has ended.
pub(crate) async fn recount(transaction: &DatabaseTransaction, node_id: &str) -> Result<(), DbErr> {
    let backend = transaction.get_database_backend();
    let free = |resource: &str| {
        format!(
            "free_{resource} = (SELECT CASE WHEN left_over > 0 THEN left_over ELSE 0 END FROM (SELECT nodes.total_{resource} - \
             COALESCE(SUM({resource}), 0) AS left_over FROM attempts WHERE node_id = $1 AND state <> 5) AS counted)"
        )
    };
    let nodes = format!(
        "UPDATE nodes SET {}, {}, {} WHERE id = $1",
        free("milli_cores"),
        free("memory_mib"),
        free("disk_gib")
    );
    transaction
        .execute_raw(Statement::from_sql_and_values(
            backend,
            &nodes,
            [node_id.into()],
        ))
        .await?;
    let devices = "UPDATE devices SET free_milli = CASE WHEN EXISTS (SELECT 1 FROM attempts WHERE attempts.node_id = $1 \
                   AND state <> 5 AND ' ' || gpu_uuids || ' ' LIKE '% ' || devices.uuid || ' %') THEN 0 ELSE 1000 END \
                   WHERE node_id = $1";
    transaction
        .execute_raw(Statement::from_sql_and_values(
            backend,
            devices,
            [node_id.into()],
        ))
        .await?;
    Ok(())
}
