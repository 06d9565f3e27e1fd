//! The calls of the notebook service: decode, call the app, encode.

use chassis::auth::caller;
use contracts::notebook::v1::notebook_service_server::NotebookService;
use contracts::notebook::v1::{
    CreateNotebookRequest, CreateNotebookResponse, DeleteNotebookRequest, DeleteNotebookResponse,
    ExplainNotebookRequest, ExplainNotebookResponse, GetNotebookRequest, GetNotebookResponse,
    ListNotebooksRequest, ListNotebooksResponse, StartNotebookRequest, StartNotebookResponse,
    StopAllNotebooksRequest, StopAllNotebooksResponse, StopNotebookRequest, StopNotebookResponse,
};
use tonic::{Request, Response, Status};

use crate::app::{App, NewNotebook};

#[tonic::async_trait]
impl NotebookService for App {
    async fn create_notebook(
        &self,
        request: Request<CreateNotebookRequest>,
    ) -> Result<Response<CreateNotebookResponse>, Status> {
        let principal = caller(&request)?;
        let asked = request.into_inner();
        let new = NewNotebook {
            name: asked.name,
            project: asked.project,
            machine_type: asked.machine_type,
            environment: asked.environment,
            idle_timeout_seconds: asked.idle_timeout_seconds,
            shutdown_timeout_seconds: asked.shutdown_timeout_seconds,
            request_id: asked.request_id,
        };
        let notebook = self.create(principal.user()?, new).await?;
        Ok(Response::new(CreateNotebookResponse {
            notebook: Some(notebook),
        }))
    }

    async fn get_notebook(
        &self,
        request: Request<GetNotebookRequest>,
    ) -> Result<Response<GetNotebookResponse>, Status> {
        let team = caller(&request)?.user()?.team;
        let notebook = self.get(team, &request.get_ref().notebook).await?;
        Ok(Response::new(GetNotebookResponse {
            notebook: Some(notebook),
        }))
    }

    async fn list_notebooks(
        &self,
        request: Request<ListNotebooksRequest>,
    ) -> Result<Response<ListNotebooksResponse>, Status> {
        let team = caller(&request)?.user()?.team;
        let asked = request.into_inner();
        let (notebooks, page) = self
            .list(team, &asked.page.unwrap_or_default(), &asked.name)
            .await?;
        Ok(Response::new(ListNotebooksResponse {
            notebooks,
            page: Some(page),
        }))
    }

    async fn start_notebook(
        &self,
        request: Request<StartNotebookRequest>,
    ) -> Result<Response<StartNotebookResponse>, Status> {
        let team = caller(&request)?.user()?.team;
        let notebook = self.start(team, &request.get_ref().notebook).await?;
        Ok(Response::new(StartNotebookResponse {
            notebook: Some(notebook),
        }))
    }

    async fn stop_notebook(
        &self,
        request: Request<StopNotebookRequest>,
    ) -> Result<Response<StopNotebookResponse>, Status> {
        let team = caller(&request)?.user()?.team;
        let notebook = self
            .stop(team, &request.get_ref().notebook, "stopped by user")
            .await?;
        Ok(Response::new(StopNotebookResponse {
            notebook: Some(notebook),
        }))
    }

    async fn delete_notebook(
        &self,
        request: Request<DeleteNotebookRequest>,
    ) -> Result<Response<DeleteNotebookResponse>, Status> {
        let team = caller(&request)?.user()?.team;
        let id = self.delete(team, &request.get_ref().notebook).await?;
        Ok(Response::new(DeleteNotebookResponse { id }))
    }

    async fn stop_all_notebooks(
        &self,
        request: Request<StopAllNotebooksRequest>,
    ) -> Result<Response<StopAllNotebooksResponse>, Status> {
        let remaining = self.stop_all(&request.get_ref().reason).await?;
        Ok(Response::new(StopAllNotebooksResponse { remaining }))
    }

    async fn explain_notebook(
        &self,
        request: Request<ExplainNotebookRequest>,
    ) -> Result<Response<ExplainNotebookResponse>, Status> {
        let team = caller(&request)?.user()?.team;
        Ok(Response::new(
            self.explain(team, &request.get_ref().notebook).await?,
        ))
    }
}
