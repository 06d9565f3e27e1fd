//! The record of decisions.

use std::pin::Pin;

use contracts::scheduler::v1::record_service_server::RecordService;
use contracts::scheduler::v1::{TakeSnapshotRequest, TakeSnapshotResponse};
use futures::Stream;
use tonic::{Request, Response, Status};

use crate::app::App;

/// Largest part of a document.
const PART: usize = 256 << 10;

/// Serves `RecordService`.
#[derive(Clone, Debug)]
pub(crate) struct RecordApi(pub(crate) App);

type Parts = Pin<Box<dyn Stream<Item = Result<TakeSnapshotResponse, Status>> + Send>>;

#[tonic::async_trait]
impl RecordService for RecordApi {
    type TakeSnapshotStream = Parts;

    async fn take_snapshot(
        &self,
        _: Request<TakeSnapshotRequest>,
    ) -> Result<Response<Parts>, Status> {
        let document = self.0.snapshot().await?.into_bytes();
        let parts: Vec<_> = document
            .chunks(PART)
            .map(|part| {
                let part = part.to_vec();
                Ok(TakeSnapshotResponse { part })
            })
            .collect();
        Ok(Response::new(Box::pin(futures::stream::iter(parts))))
    }
}
