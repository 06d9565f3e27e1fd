//! Plays the scheduler's calls about queues, and asks for them over REST.

use chassis::Error;
use contracts::scheduler::v1::queue_service_server::QueueService;
use contracts::scheduler::v1::*;
use serde_json::json;
use tonic::{Request, Response, Status};

use crate::house::{House, OWNER};

/// Plays the scheduler: the queue "lab" is there, and a change of it is told as it was understood.
pub(crate) struct Queues;

fn gpus(milli_gpus: i64) -> Option<QueueAmount> {
    Some(QueueAmount {
        milli_gpus,
        ..QueueAmount::default()
    })
}

#[tonic::async_trait]
impl QueueService for Queues {
    async fn list_queues(
        &self,
        _: Request<ListQueuesRequest>,
    ) -> Result<Response<ListQueuesResponse>, Status> {
        let status = |name: &str, implicit| QueueStatus {
            queue: Some(Queue {
                name: name.to_owned(),
                ..Queue::default()
            }),
            implicit,
            held: gpus(2_000),
            ..QueueStatus::default()
        };
        let queues = vec![status("team te-1", true), status("lab", false)];
        Ok(Response::new(ListQueuesResponse {
            queues,
            total: gpus(8_000),
        }))
    }

    async fn set_queue(
        &self,
        request: Request<SetQueueRequest>,
    ) -> Result<Response<SetQueueResponse>, Status> {
        let SetQueueRequest { queue, dry_run } = request.into_inner();
        let queue = queue.unwrap_or_default();
        let given = queue.deserved.and_then(|deserved| deserved.milli_gpus);
        let change = QueueChange {
            name: format!("{} below {:?}, dry run {dry_run}", queue.name, queue.parent),
            share_after: gpus(given.unwrap_or_default()),
            ..QueueChange::default()
        };
        Ok(Response::new(SetQueueResponse {
            queue: Some(queue),
            changes: vec![change],
        }))
    }

    async fn delete_queue(
        &self,
        request: Request<DeleteQueueRequest>,
    ) -> Result<Response<DeleteQueueResponse>, Status> {
        let DeleteQueueRequest { name, dry_run } = request.into_inner();
        if name != "lab" {
            return Err(Error::not_found("queue", &name).into());
        }
        let change = QueueChange {
            name: format!("dry run {dry_run}"),
            share_before: gpus(1_000),
            ..QueueChange::default()
        };
        Ok(Response::new(DeleteQueueResponse {
            changes: vec![change],
        }))
    }
}

#[tokio::test]
async fn queues_are_listed_set_and_deleted_also_as_a_dry_run() {
    let house = House::start().await;
    let client = &house.client;
    let listed = client.send("GET", "/v1/queues", OWNER, "").await.ok();
    let items = listed["items"].as_array().unwrap();
    assert_eq!(
        items[0]["queue"]["name"], "lab",
        "what is written down first"
    );
    assert_eq!(items[1]["implicit"], true);
    assert_eq!(items[0]["held"]["milliGpus"], 2_000);

    let body = json!({ "parent": "all", "deserved": { "milliGpus": 3_000 } }).to_string();
    for (query, dry) in [
        ("", false),
        ("?dryRun=true", true),
        ("?dryRun=false", false),
    ] {
        let path = format!("/v1/queues/lab{query}");
        let told = client.send("PUT", &path, OWNER, &body).await.ok();
        let change = &told["changes"][0];
        assert_eq!(change["name"], format!("lab below \"all\", dry run {dry}"));
        assert_eq!(change["shareBefore"], json!(null));
        assert_eq!(change["shareAfter"]["milliGpus"], 3_000);
        let told = client.send("DELETE", &path, OWNER, "").await.ok();
        assert_eq!(told["changes"][0]["name"], format!("dry run {dry}"));
    }
    let unknown = json!({ "gpus": 3 }).to_string();
    let refused = client.send("PUT", "/v1/queues/lab", OWNER, &unknown).await;
    assert_eq!(refused.status, 400);
    let refused = client
        .send("PUT", "/v1/queues/lab?dryRun=maybe", OWNER, &body)
        .await;
    assert_eq!(refused.status, 400);
    let refused = client.send("DELETE", "/v1/queues/none", OWNER, "").await;
    assert_eq!(refused.status, 404);
}
