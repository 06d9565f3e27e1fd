//! Changes of queues, and what is told of them: how much there is, and who has and wants how much of it.

use sea_orm::{ConnectionTrait, DatabaseTransaction, DbErr, QueryResult, Statement};

/// Rows read at once: a spec is large.
const PAGE: i64 = 256;

/// Work that has something or waits for it.
#[derive(Clone, Debug)]
pub(crate) struct Work {
    pub(crate) team_id: String,
    pub(crate) project_id: String,
    /// It runs on what nobody pays for.
    pub(crate) free: bool,
    pub(crate) part: Part,
}

/// What work has, or waits for.
#[derive(Clone, Debug)]
pub(crate) enum Part {
    /// Milli-GPUs, milli-cores and MiB of memory.
    Held([i64; 3]),
    /// A spec as it is stored.
    Wanted(String),
}

/// The number of the next change of the queues. Locks the counter until the transaction ends.
pub(crate) async fn next_change(transaction: &DatabaseTransaction) -> Result<i64, DbErr> {
    let row = transaction
        .query_one_raw(Statement::from_string(
            transaction.get_database_backend(),
            "UPDATE queue_changes SET last = last + 1 WHERE id = 1 RETURNING last",
        ))
        .await?
        .ok_or_else(|| DbErr::RecordNotFound("the counter of changes of queues".to_owned()))?;
    row.try_get("", "last")
}

/// Milli-GPUs, milli-cores and MiB of memory of all nodes but those that never take work again.
pub(crate) async fn total(connection: &impl ConnectionTrait) -> Result<[i64; 3], DbErr> {
    let row = connection
        .query_one_raw(Statement::from_string(
            connection.get_database_backend(),
            "SELECT CAST(COALESCE(SUM(total_milli_cores), 0) AS BIGINT) AS milli_cores, \
             CAST(COALESCE(SUM(total_memory_mib), 0) AS BIGINT) AS memory_mib, \
             (SELECT COUNT(*) FROM devices JOIN nodes AS theirs ON theirs.id = devices.node_id \
              WHERE NOT theirs.given_up AND NOT theirs.deleted) AS gpus \
             FROM nodes WHERE NOT given_up AND NOT deleted",
        ))
        .await?
        .ok_or_else(|| DbErr::RecordNotFound("the nodes".to_owned()))?;
    let gpus: i64 = row.try_get("", "gpus")?;
    Ok([
        gpus.saturating_mul(1_000),
        row.try_get("", "milli_cores")?,
        row.try_get("", "memory_mib")?,
    ])
}

/// Tells `each` all work that has not ended: first what has something, then what waits.
pub(crate) async fn each_work<E: From<DbErr>>(
    connection: &impl ConnectionTrait,
    mut each: impl FnMut(Work) -> Result<(), E>,
) -> Result<(), E> {
    // 5 is the attempt's state "ended", 1 the workload's state "queued".
    for (of, sql) in [
        (
            held as fn(&QueryResult) -> Result<Work, DbErr>,
            "SELECT attempts.id AS id, attempts.team_id AS team_id, attempts.project_id AS project_id, workloads.free AS free, \
             gpu_uuids, milli_cores, memory_mib FROM attempts JOIN workloads ON workloads.id = attempts.workload_id \
             WHERE attempts.state <> 5 AND attempts.id > $1 ORDER BY attempts.id LIMIT $2",
        ),
        (
            waiting,
            "SELECT id, team_id, project_id, free, spec FROM workloads WHERE state = 1 AND id > $1 ORDER BY id LIMIT $2",
        ),
    ] {
        let mut after = String::new();
        loop {
            let rows = connection
                .query_all_raw(Statement::from_sql_and_values(
                    connection.get_database_backend(),
                    sql,
                    [after.into(), PAGE.into()],
                ))
                .await?;
            let Some(last) = rows.last() else { break };
            after = last.try_get("", "id")?;
            for row in &rows {
                each(of(row)?)?;
            }
        }
    }
    Ok(())
}

fn waiting(row: &QueryResult) -> Result<Work, DbErr> {
    let spec = row.try_get("", "spec")?;
    work(row, Part::Wanted(spec))
}

fn held(row: &QueryResult) -> Result<Work, DbErr> {
    let gpus: String = row.try_get("", "gpu_uuids")?;
    let gpus = i64::try_from(gpus.split_whitespace().count()).unwrap_or(i64::MAX);
    let held = [
        gpus.saturating_mul(1_000),
        row.try_get("", "milli_cores")?,
        row.try_get("", "memory_mib")?,
    ];
    work(row, Part::Held(held))
}

fn work(row: &QueryResult, part: Part) -> Result<Work, DbErr> {
    Ok(Work {
        team_id: row.try_get("", "team_id")?,
        project_id: row.try_get("", "project_id")?,
        free: row.try_get("", "free")?,
        part,
    })
}
