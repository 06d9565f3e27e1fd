//! Tables of the scheduler, and the statements that sea-orm has no words for.

pub(crate) mod entity;
pub(crate) mod queues;

use std::collections::BTreeMap;

use chassis::database::SqlMigration;
use sea_orm::{ConnectionTrait, DatabaseTransaction, DbErr, Statement, Value};
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
            Box::new(SqlMigration {
                name: "scheduler_0004_changes_of_nodes",
                sql: include_str!("migrations/0004_changes_of_nodes.sql"),
            }),
            Box::new(SqlMigration {
                name: "scheduler_0005_queue_rules",
                sql: include_str!("migrations/0005_queue_rules.sql"),
            }),
            Box::new(SqlMigration {
                name: "scheduler_0006_queues",
                sql: include_str!("migrations/0006_queues.sql"),
            }),
        ]
    }
}

/// The number of the next change of an attempt or a node. Locks the counter until the transaction ends.
pub(crate) async fn next_change(transaction: &DatabaseTransaction) -> Result<i64, DbErr> {
    next_changes(transaction, 1).await
}

/// The last of the numbers of so many changes.
pub(crate) async fn next_changes(
    transaction: &DatabaseTransaction,
    count: usize,
) -> Result<i64, DbErr> {
    let count = i64::try_from(count).unwrap_or(i64::MAX);
    let row = transaction
        .query_one_raw(Statement::from_sql_and_values(
            transaction.get_database_backend(),
            "UPDATE changes SET last = last + $1 WHERE id = 1 RETURNING last",
            [count.into()],
        ))
        .await?
        .ok_or_else(|| DbErr::RecordNotFound("the counter of changes".to_owned()))?;
    row.try_get("", "last")
}

/// The number of the last change that is committed: all with lower numbers are, too.
pub(crate) async fn last_change(connection: &impl ConnectionTrait) -> Result<i64, DbErr> {
    let row = connection
        .query_one_raw(Statement::from_string(
            connection.get_database_backend(),
            "SELECT last FROM changes WHERE id = 1",
        ))
        .await?
        .ok_or_else(|| DbErr::RecordNotFound("the counter of changes".to_owned()))?;
    row.try_get("", "last")
}

/// What is read of an attempt to know what was used.
#[derive(Clone, Debug)]
pub(crate) struct RecentAttempt {
    pub(crate) team_id: String,
    pub(crate) project_id: String,
    pub(crate) free: bool,
    pub(crate) gpu_uuids: String,
    pub(crate) milli_cores: i64,
    pub(crate) memory_mib: i64,
    pub(crate) placed_at: i64,
    /// In microseconds; `None` = it has not ended.
    pub(crate) ended_at: Option<i64>,
}

/// The newest attempts, at most so many.
pub(crate) async fn recent_attempts(
    connection: &impl ConnectionTrait,
    most: u64,
) -> Result<Vec<RecentAttempt>, DbErr> {
    let most = i64::try_from(most).unwrap_or(i64::MAX);
    // 5 is the state "ended".
    let rows = connection
        .query_all_raw(Statement::from_sql_and_values(
            connection.get_database_backend(),
            "SELECT newest.team_id, newest.project_id, workloads.free, gpu_uuids, milli_cores, memory_mib, placed_at, \
             CASE WHEN newest.state = 5 THEN state_since END AS ended_at \
             FROM (SELECT * FROM attempts ORDER BY id DESC LIMIT $1) AS newest \
             JOIN workloads ON workloads.id = newest.workload_id",
            [most.into()],
        ))
        .await?;
    let read = |row: &sea_orm::QueryResult| {
        Ok(RecentAttempt {
            team_id: row.try_get("", "team_id")?,
            project_id: row.try_get("", "project_id")?,
            free: row.try_get("", "free")?,
            gpu_uuids: row.try_get("", "gpu_uuids")?,
            milli_cores: row.try_get("", "milli_cores")?,
            memory_mib: row.try_get("", "memory_mib")?,
            placed_at: row.try_get("", "placed_at")?,
            ended_at: row.try_get("", "ended_at")?,
        })
    };
    rows.iter().map(read).collect()
}

/// The number of the last change that inventory made to any node.
pub(crate) async fn last_told(connection: &impl ConnectionTrait) -> Result<i64, DbErr> {
    let row = connection
        .query_one_raw(Statement::from_string(
            connection.get_database_backend(),
            "SELECT COALESCE(MAX(told), 0) AS last FROM nodes",
        ))
        .await?
        .ok_or_else(|| DbErr::RecordNotFound("the nodes".to_owned()))?;
    row.try_get("", "last")
}

/// Runs a statement over rows of values, which it knows by the name `v`; gives how many rows it changed.
async fn execute_with<const N: usize>(
    transaction: &DatabaseTransaction,
    columns: &str,
    rows: Vec<[Value; N]>,
    statement: &str,
) -> Result<u64, DbErr> {
    let row = |number: usize| {
        let cells: Vec<_> = (1..=N).map(|at| format!("${}", number * N + at)).collect();
        format!("({})", cells.join(", "))
    };
    let values: Vec<_> = (0..rows.len()).map(row).collect();
    let sql = format!(
        "WITH v ({columns}) AS (VALUES {}) {statement}",
        values.join(", ")
    );
    let statement = Statement::from_sql_and_values(
        transaction.get_database_backend(),
        &sql,
        rows.into_iter().flatten(),
    );
    Ok(transaction.execute_raw(statement).await?.rows_affected())
}

/// What placements take from a node.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Taken {
    pub(crate) milli_cores: i64,
    pub(crate) memory_mib: i64,
    pub(crate) disk_gib: i64,
}

/// Takes from nodes what is free there; `false` when of one it is not, or it takes no work: then nothing may be committed.
pub(crate) async fn take(
    transaction: &DatabaseTransaction,
    taken: &BTreeMap<&str, Taken>,
) -> Result<bool, DbErr> {
    let rows: Vec<[Value; 4]> = taken
        .iter()
        .map(|(node_id, taken)| {
            [
                (*node_id).into(),
                taken.milli_cores.into(),
                taken.memory_mib.into(),
                taken.disk_gib.into(),
            ]
        })
        .collect();
    let changed = execute_with(
        transaction,
        "node_id, milli_cores, memory_mib, disk_gib",
        rows,
        "UPDATE nodes SET free_milli_cores = free_milli_cores - v.milli_cores, \
         free_memory_mib = free_memory_mib - v.memory_mib, free_disk_gib = free_disk_gib - v.disk_gib FROM v \
         WHERE id = v.node_id AND liveness = 1 AND schedulable = 1 AND NOT given_up AND NOT deleted \
         AND free_milli_cores >= v.milli_cores AND free_memory_mib >= v.memory_mib AND free_disk_gib >= v.disk_gib",
    );
    Ok(changed.await? == taken.len() as u64)
}

/// Takes whole GPUs, each named by its node and UUID; `false` when somebody has a part of one: then nothing may be committed.
pub(crate) async fn take_devices(
    transaction: &DatabaseTransaction,
    devices: &[(&str, &str)],
) -> Result<bool, DbErr> {
    if devices.is_empty() {
        return Ok(true);
    }
    let row = |(node_id, uuid): &(&str, &str)| [(*node_id).into(), (*uuid).into()];
    let changed = execute_with(
        transaction,
        "node_id, uuid",
        devices.iter().map(row).collect(),
        "UPDATE devices SET free_milli = free_milli - 1000 FROM v \
         WHERE devices.node_id = v.node_id AND devices.uuid = v.uuid AND free_milli >= 1000",
    );
    Ok(changed.await? == devices.len() as u64)
}

/// Gives queued workloads an attempt: each with the node where its files are from now on, empty = none.
pub(crate) async fn activate(
    transaction: &DatabaseTransaction,
    placed: Vec<(&str, &str)>,
    reason: &str,
) -> Result<(), DbErr> {
    let row = |(id, files_on): (&str, &str)| [id.into(), files_on.into(), reason.into()];
    execute_with(
        transaction,
        "workload_id, lie_on, why",
        placed.into_iter().map(row).collect(),
        "UPDATE workloads SET state = 2, reason = v.why, generation = generation + 1, revision = revision + 1, \
         files_on = v.lie_on FROM v WHERE id = v.workload_id",
    )
    .await?;
    Ok(())
}

/// Says of workloads why they wait.
pub(crate) async fn note_reasons(
    transaction: &DatabaseTransaction,
    reasons: Vec<(&str, &str)>,
) -> Result<(), DbErr> {
    let row = |(id, reason): (&str, &str)| [id.into(), reason.into()];
    execute_with(
        transaction,
        "workload_id, why",
        reasons.into_iter().map(row).collect(),
        "UPDATE workloads SET reason = v.why, revision = revision + 1 FROM v WHERE id = v.workload_id",
    )
    .await?;
    Ok(())
}

/// Counts anew what is free on a node: all of it less what open attempts have. After an end, and when its hardware changed;
/// a node that shrank below what it runs has nothing free until enough has ended. The transaction must have taken the number of
/// the change before: it is noted with the node.
pub(crate) async fn recount(transaction: &DatabaseTransaction, node_id: &str) -> Result<(), DbErr> {
    let backend = transaction.get_database_backend();
    let free = |resource: &str| {
        format!(
            "free_{resource} = (SELECT CASE WHEN left_over > 0 THEN left_over ELSE 0 END FROM (SELECT nodes.total_{resource} - \
             COALESCE(SUM({resource}), 0) AS left_over FROM attempts WHERE node_id = $1 AND state <> 5) AS counted)"
        )
    };
    let nodes = format!(
        "UPDATE nodes SET {}, {}, {}, change = (SELECT last FROM changes WHERE id = 1) WHERE id = $1",
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
