//! The calls of the notebook service: decode, call the app, encode.

use chassis::auth::{User, caller};
use contracts::common::v1::Role;
use contracts::notebook::v1::notebook_service_server::NotebookService;
use contracts::notebook::v1::{
    CreateNotebookRequest, CreateNotebookResponse, CreateTemplateRequest, CreateTemplateResponse,
    DeleteNotebookRequest, DeleteNotebookResponse, DeleteProjectRequest, DeleteProjectResponse,
    DeleteTemplateRequest, DeleteTemplateResponse, ExplainNotebookRequest, ExplainNotebookResponse,
    ExtendNotebookRequest, ExtendNotebookResponse, ExtendVisitedNotebookRequest,
    ExtendVisitedNotebookResponse, GetNotebookRequest, GetNotebookResponse, GetTemplateRequest,
    GetTemplateResponse, ListIdlePoliciesRequest, ListIdlePoliciesResponse,
    ListNotebookSharesRequest, ListNotebookSharesResponse, ListNotebookSshKeysRequest,
    ListNotebookSshKeysResponse, ListNotebooksRequest, ListNotebooksResponse,
    ListSharedNotebooksRequest, ListSharedNotebooksResponse, ListTemplatesRequest,
    ListTemplatesResponse, Notebook, RemoveIdlePolicyRequest, RemoveIdlePolicyResponse,
    RestartNotebookRequest, RestartNotebookResponse, RevokeNotebookShareRequest,
    RevokeNotebookShareResponse, RotateNotebookTokenRequest, RotateNotebookTokenResponse,
    SetIdlePolicyRequest, SetIdlePolicyResponse, ShareNotebookRequest, ShareNotebookResponse,
    StartNotebookRequest, StartNotebookResponse, StopAllNotebooksRequest, StopAllNotebooksResponse,
    StopNotebookRequest, StopNotebookResponse, UpdateNotebookRequest, UpdateNotebookResponse,
};
use tonic::{Request, Response, Status};

use crate::app::{App, Changes, NewNotebook};

/// A notebook as `user` may see it: the token runs code, so that whoever may only read does not get it.
fn shown_to(user: &User, mut notebook: Notebook) -> Notebook {
    if !user.may_in(&notebook.project_id, Role::Member, "notebook:write") {
        notebook.token.clear();
    }
    notebook
}

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
            resources: asked.resources,
            volume_id: asked.volume_id,
            repository: asked.repository,
            repository_ref: asked.repository_ref,
            template: asked.template,
            fork: asked.fork,
            fork_snapshot: asked.fork_snapshot,
            preemptible: asked.preemptible,
            priority: asked.priority,
        };
        let user = principal.user()?;
        let created = if asked.dry_run {
            self.try_create(user, new).await?
        } else {
            self.create(user, new).await?
        };
        Ok(Response::new(CreateNotebookResponse {
            notebook: created.notebook,
            plan: created.plan,
        }))
    }

    async fn get_notebook(
        &self,
        request: Request<GetNotebookRequest>,
    ) -> Result<Response<GetNotebookResponse>, Status> {
        let principal = caller(&request)?;
        let user = principal.user()?;
        let notebook = self.get(user, &request.get_ref().notebook).await?;
        Ok(Response::new(GetNotebookResponse {
            notebook: Some(shown_to(user, notebook)),
        }))
    }

    async fn list_notebooks(
        &self,
        request: Request<ListNotebooksRequest>,
    ) -> Result<Response<ListNotebooksResponse>, Status> {
        let principal = caller(&request)?;
        let user = principal.user()?;
        let asked = request.into_inner();
        let (notebooks, page) = self
            .list(user, &asked.page.unwrap_or_default(), &asked.name)
            .await?;
        let shown = notebooks
            .into_iter()
            .map(|notebook| shown_to(user, notebook));
        Ok(Response::new(ListNotebooksResponse {
            notebooks: shown.collect(),
            page: Some(page),
        }))
    }

    async fn start_notebook(
        &self,
        request: Request<StartNotebookRequest>,
    ) -> Result<Response<StartNotebookResponse>, Status> {
        let principal = caller(&request)?;
        let notebook = self
            .start(principal.user()?, &request.get_ref().notebook)
            .await?;
        Ok(Response::new(StartNotebookResponse {
            notebook: Some(notebook),
        }))
    }

    async fn stop_notebook(
        &self,
        request: Request<StopNotebookRequest>,
    ) -> Result<Response<StopNotebookResponse>, Status> {
        let principal = caller(&request)?;
        let asked = request.get_ref();
        let notebook = self
            .stop(
                principal.user()?,
                &asked.notebook,
                asked.snapshot.as_deref(),
            )
            .await?;
        Ok(Response::new(StopNotebookResponse {
            notebook: Some(notebook),
        }))
    }

    async fn restart_notebook(
        &self,
        request: Request<RestartNotebookRequest>,
    ) -> Result<Response<RestartNotebookResponse>, Status> {
        let principal = caller(&request)?;
        let notebook = self
            .restart(principal.user()?, &request.get_ref().notebook)
            .await?;
        Ok(Response::new(RestartNotebookResponse {
            notebook: Some(notebook),
        }))
    }

    async fn update_notebook(
        &self,
        request: Request<UpdateNotebookRequest>,
    ) -> Result<Response<UpdateNotebookResponse>, Status> {
        let principal = caller(&request)?;
        let asked = request.into_inner();
        let changes = Changes {
            name: asked.name,
            machine_type: asked.machine_type,
            idle_timeout_seconds: asked.idle_timeout_seconds,
            preemptible: asked.preemptible,
            priority: asked.priority,
        };
        let (notebook, note) = self
            .reconfigure(principal.user()?, &asked.notebook, changes)
            .await?;
        Ok(Response::new(UpdateNotebookResponse {
            notebook: Some(notebook),
            note,
        }))
    }

    async fn rotate_notebook_token(
        &self,
        request: Request<RotateNotebookTokenRequest>,
    ) -> Result<Response<RotateNotebookTokenResponse>, Status> {
        let principal = caller(&request)?;
        let notebook = self
            .rotate_token(principal.user()?, &request.get_ref().notebook)
            .await?;
        Ok(Response::new(RotateNotebookTokenResponse {
            notebook: Some(notebook),
        }))
    }

    async fn delete_notebook(
        &self,
        request: Request<DeleteNotebookRequest>,
    ) -> Result<Response<DeleteNotebookResponse>, Status> {
        let principal = caller(&request)?;
        let asked = request.get_ref();
        let row = self
            .delete(principal.user()?, &asked.notebook, asked.keep_volume)
            .await?;
        Ok(Response::new(DeleteNotebookResponse {
            id: row.id,
            volume_id: row.volume_id,
        }))
    }

    async fn delete_project(
        &self,
        request: Request<DeleteProjectRequest>,
    ) -> Result<Response<DeleteProjectResponse>, Status> {
        let principal = caller(&request)?;
        let wanted = &request.get_ref().project;
        let (project, at) = App::delete_project(self, principal.user()?, wanted).await?;
        Ok(Response::new(DeleteProjectResponse {
            project_id: project.id,
            name: project.name,
            created_at: project.created_at,
            deleted_at: Some(contracts::to_wire_time(at)),
        }))
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
        let principal = caller(&request)?;
        let user = principal.user()?;
        let mut answer = self.explain(user, &request.get_ref().notebook).await?;
        answer.notebook = answer.notebook.map(|notebook| shown_to(user, notebook));
        Ok(Response::new(answer))
    }

    async fn extend_notebook(
        &self,
        request: Request<ExtendNotebookRequest>,
    ) -> Result<Response<ExtendNotebookResponse>, Status> {
        let principal = caller(&request)?;
        let asked = request.get_ref();
        let extended = self
            .extend(principal.user()?, &asked.notebook, asked.seconds)
            .await?;
        Ok(Response::new(extended))
    }

    async fn extend_visited_notebook(
        &self,
        request: Request<ExtendVisitedNotebookRequest>,
    ) -> Result<Response<ExtendVisitedNotebookResponse>, Status> {
        let asked = request.get_ref();
        let extended = self
            .extend_visited(&asked.notebook_id, asked.seconds)
            .await?;
        Ok(Response::new(ExtendVisitedNotebookResponse {
            kept_until: extended.kept_until,
            note: extended.note,
        }))
    }

    async fn share_notebook(
        &self,
        request: Request<ShareNotebookRequest>,
    ) -> Result<Response<ShareNotebookResponse>, Status> {
        let principal = caller(&request)?;
        let shared = self.share(principal.user()?, request.into_inner()).await?;
        Ok(Response::new(shared))
    }

    async fn list_notebook_shares(
        &self,
        request: Request<ListNotebookSharesRequest>,
    ) -> Result<Response<ListNotebookSharesResponse>, Status> {
        let principal = caller(&request)?;
        let notebook = &request.get_ref().notebook;
        let shares = self.list_shares(principal.user()?, notebook).await?;
        Ok(Response::new(ListNotebookSharesResponse { shares }))
    }

    async fn revoke_notebook_share(
        &self,
        request: Request<RevokeNotebookShareRequest>,
    ) -> Result<Response<RevokeNotebookShareResponse>, Status> {
        let principal = caller(&request)?;
        let asked = request.get_ref();
        let revoked = self.revoke_share(principal.user()?, &asked.notebook, &asked.share);
        Ok(Response::new(RevokeNotebookShareResponse {
            share: Some(revoked.await?),
        }))
    }

    async fn list_shared_notebooks(
        &self,
        request: Request<ListSharedNotebooksRequest>,
    ) -> Result<Response<ListSharedNotebooksResponse>, Status> {
        let notebooks = self.shared_with(caller(&request)?.user()?).await?;
        Ok(Response::new(ListSharedNotebooksResponse { notebooks }))
    }

    async fn list_notebook_ssh_keys(
        &self,
        request: Request<ListNotebookSshKeysRequest>,
    ) -> Result<Response<ListNotebookSshKeysResponse>, Status> {
        let public_keys = self.ssh_keys(&request.get_ref().notebook_id).await?;
        Ok(Response::new(ListNotebookSshKeysResponse { public_keys }))
    }

    async fn set_idle_policy(
        &self,
        request: Request<SetIdlePolicyRequest>,
    ) -> Result<Response<SetIdlePolicyResponse>, Status> {
        let principal = caller(&request)?;
        let new = request.into_inner().policy.unwrap_or_default();
        let policy = self.set_policy(principal.user()?, new).await?;
        Ok(Response::new(SetIdlePolicyResponse {
            policy: Some(policy),
        }))
    }

    async fn remove_idle_policy(
        &self,
        request: Request<RemoveIdlePolicyRequest>,
    ) -> Result<Response<RemoveIdlePolicyResponse>, Status> {
        let principal = caller(&request)?;
        let scope = request.into_inner().scope;
        self.remove_policy(principal.user()?, scope).await?;
        Ok(Response::new(RemoveIdlePolicyResponse {}))
    }

    async fn list_idle_policies(
        &self,
        request: Request<ListIdlePoliciesRequest>,
    ) -> Result<Response<ListIdlePoliciesResponse>, Status> {
        let policies = self.list_policies(caller(&request)?.user()?).await?;
        Ok(Response::new(ListIdlePoliciesResponse { policies }))
    }

    async fn list_templates(
        &self,
        request: Request<ListTemplatesRequest>,
    ) -> Result<Response<ListTemplatesResponse>, Status> {
        let principal = caller(&request)?;
        let templates = App::list_templates(self, principal.user()?).await?;
        Ok(Response::new(ListTemplatesResponse { templates }))
    }

    async fn get_template(
        &self,
        request: Request<GetTemplateRequest>,
    ) -> Result<Response<GetTemplateResponse>, Status> {
        let principal = caller(&request)?;
        let wanted = &request.get_ref().template;
        let found = App::get_template(self, principal.user()?, wanted).await?;
        Ok(Response::new(GetTemplateResponse {
            template: Some(found),
        }))
    }

    async fn create_template(
        &self,
        request: Request<CreateTemplateRequest>,
    ) -> Result<Response<CreateTemplateResponse>, Status> {
        let principal = caller(&request)?;
        let asked = request.into_inner();
        let (template, note) = App::create_template(self, principal.user()?, asked).await?;
        Ok(Response::new(CreateTemplateResponse {
            template: Some(template),
            note,
        }))
    }

    async fn delete_template(
        &self,
        request: Request<DeleteTemplateRequest>,
    ) -> Result<Response<DeleteTemplateResponse>, Status> {
        let principal = caller(&request)?;
        let wanted = &request.get_ref().template;
        let gone = App::delete_template(self, principal.user()?, wanted).await?;
        Ok(Response::new(DeleteTemplateResponse {
            template: Some(gone),
        }))
    }
}
