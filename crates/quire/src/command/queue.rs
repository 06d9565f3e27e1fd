//! `quire queue`.

mod amount;
mod change;
mod standing;
mod teams;

use anyhow::{Result, bail};
use contracts::identity::v1::GetProjectRequest;
use contracts::scheduler::v1::{
    DeleteQueueRequest, ListQueuesRequest, Queue, QueueChange, QueueQuota, SetQueueRequest,
};
use kernel::id::ProjectId;

use self::amount::Amount;
use self::change::ChangeRow;
use self::standing::QueueRow;
use self::teams::{Teams, team_id};
use crate::api::Api;
use crate::cli::{Output, QueueArgs, QueueCommand};
use crate::print::{self, out};

pub(super) async fn run(command: QueueCommand, api: &Api, output: Output) -> Result<()> {
    match command {
        QueueCommand::List => {
            let answer = api
                .ask(api.queues().list_queues(ListQueuesRequest {}))
                .await?;
            let teams = Teams::for_output(api, output).await;
            let queues = answer.queues.into_iter();
            let rows: Vec<_> = queues.map(|queue| QueueRow::new(queue, &teams)).collect();
            print::list(
                output,
                &rows,
                "no queues: nobody has work, and none is written down",
            )
        }
        QueueCommand::Set(args) => set(api, output, args).await,
        QueueCommand::Rm { name, dry_run } => {
            let request = DeleteQueueRequest {
                name: name.clone(),
                dry_run,
            };
            let answer = api.ask(api.queues().delete_queue(request)).await?;
            let done = format!("queue {name} is gone");
            told(api, output, answer.changes, &done, dry_run).await
        }
    }
}

async fn set(api: &Api, output: Output, args: QueueArgs) -> Result<()> {
    let team_id = match args.team {
        Some(team) => team_id(api, team).await?,
        None => String::new(),
    };
    let project_id = match args.project {
        Some(project) => project_id(api, project).await?,
        None => String::new(),
    };
    let queue = Queue {
        name: args.name.clone(),
        parent: args.parent.unwrap_or_default(),
        team_id,
        project_id,
        deserved: Some(QueueQuota {
            milli_gpus: args.gpus,
            milli_cores: args.cores,
            memory_mib: args.memory_gib,
        }),
        limit: Some(QueueQuota {
            milli_gpus: args.limit_gpus,
            milli_cores: args.limit_cores,
            memory_mib: args.limit_memory_gib,
        }),
        over_quota_weight: Some(args.weight),
    };
    let request = SetQueueRequest {
        queue: Some(queue),
        dry_run: args.dry_run,
    };
    let answer = api.ask(api.queues().set_queue(request)).await?;
    let done = format!("queue {} is written down", args.name);
    told(api, output, answer.changes, &done, args.dry_run).await
}

async fn project_id(api: &Api, wanted: String) -> Result<String> {
    if wanted.is_empty() {
        bail!("--project: is empty; give an identifier or a name");
    }
    if wanted.parse::<ProjectId>().is_ok() {
        return Ok(wanted);
    }
    let request = GetProjectRequest {
        project: wanted,
        ..GetProjectRequest::default()
    };
    let answer = api.ask(api.identity().get_project(request)).await?;
    Ok(answer.project.unwrap_or_default().id)
}

/// Says what was done, and who gains and loses.
async fn told(
    api: &Api,
    output: Output,
    changes: Vec<QueueChange>,
    done: &str,
    dry_run: bool,
) -> Result<()> {
    let teams = Teams::for_output(api, output).await;
    let rows: Vec<_> = changes
        .into_iter()
        .map(|change| ChangeRow::new(change, &teams, dry_run))
        .collect();
    if output == Output::Json {
        return print::json(&serde_json::json!({ "dryRun": dry_run, "changes": rows }));
    }
    if dry_run {
        out!("nothing was changed; this is what it would do:");
    } else {
        out!("{done}");
    }
    print::list(output, &rows, "nobody gains or loses by it now")?;
    if rows.iter().any(|row| row.reclaimable != Amount::default()) {
        out!(
            "What a queue holds beyond its share others may take back, and only from work that is preemptible."
        );
    }
    Ok(())
}
