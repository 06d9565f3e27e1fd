//! Calls about queues.

use contracts::scheduler::v1::queue_service_server::QueueService;
use contracts::scheduler::v1::{
    DeleteQueueRequest, DeleteQueueResponse, ListQueuesRequest, ListQueuesResponse,
    SetQueueRequest, SetQueueResponse,
};
use tonic::{Request, Response, Status};
use tracing::Instrument as _;

use crate::app::App;

/// Serves `QueueService`.
#[derive(Clone, Debug)]
pub(crate) struct QueuesApi(pub(crate) App);

#[tonic::async_trait]
impl QueueService for QueuesApi {
    async fn list_queues(
        &self,
        _: Request<ListQueuesRequest>,
    ) -> Result<Response<ListQueuesResponse>, Status> {
        Ok(Response::new(self.0.queues().await?))
    }

    async fn set_queue(
        &self,
        request: Request<SetQueueRequest>,
    ) -> Result<Response<SetQueueResponse>, Status> {
        let SetQueueRequest { queue, dry_run } = request.into_inner();
        let queue = queue.unwrap_or_default();
        let span = tracing::info_span!("set queue", queue = queue.name, dry_run);
        let answer = self.0.set_queue(queue, dry_run).instrument(span).await?;
        Ok(Response::new(answer))
    }

    async fn delete_queue(
        &self,
        request: Request<DeleteQueueRequest>,
    ) -> Result<Response<DeleteQueueResponse>, Status> {
        let DeleteQueueRequest { name, dry_run } = request.into_inner();
        let span = tracing::info_span!("delete queue", queue = name, dry_run);
        let answer = self.0.delete_queue(&name, dry_run).instrument(span).await?;
        Ok(Response::new(answer))
    }
}
