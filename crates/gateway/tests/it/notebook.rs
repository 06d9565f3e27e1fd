//! Plays notebook.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use chassis::auth::caller;
use chassis::{Error, page};
use contracts::notebook::v1::notebook_service_server::NotebookService;
use contracts::notebook::v1::*;
use contracts::to_wire_time;
use kernel::Timestamp;
use kernel::id::NotebookId;
use tonic::{Request, Response, Status};

type Reply<T> = Result<Response<T>, Status>;

/// A notebook that nobody gets an answer about.
pub(crate) const STUCK: &str = "nb-stuck";
/// A notebook that breaks the service.
pub(crate) const BROKEN: &str = "nb-broken";

/// The one template.
fn template(content: &str) -> Template {
    Template {
        name: "scratch".to_owned(),
        description: "From scratch".to_owned(),
        environment: "python".to_owned(),
        needs_gpu: false,
        files: vec![TemplateFile {
            path: "start.ipynb".to_owned(),
            size: 2,
            content: content.to_owned(),
            executable: false,
        }],
        ..Template::default()
    }
}

/// One that a team made.
fn made_template(asked: &CreateTemplateRequest) -> Template {
    Template {
        id: "tp-1".to_owned(),
        team_id: "te-1".to_owned(),
        name: asked.name.clone(),
        command: asked.command.clone().unwrap_or_default(),
        notebook_id: asked.notebook.clone(),
        user_id: "us-1".to_owned(),
        created_at: Some(prost_types::Timestamp::default()),
        ..template("")
    }
}

/// A project that is not empty.
pub(crate) const FULL: &str = "full";

/// Plays notebook: rows in memory, newest last.
#[derive(Clone)]
pub(crate) struct Notebooks {
    rows: Arc<Mutex<Vec<(String, Notebook)>>>,
    now: Timestamp,
    /// The request that came last.
    pub(crate) last: Arc<Mutex<Option<CreateNotebookRequest>>>,
    open: Arc<AtomicUsize>,
    /// The deletion that came last left the files.
    pub(crate) kept: Arc<Mutex<bool>>,
    policies: Arc<Mutex<Vec<IdlePolicy>>>,
}

/// A call that somebody still works on.
struct Open(Arc<AtomicUsize>);

impl Open {
    fn new(open: &Arc<AtomicUsize>) -> Self {
        open.fetch_add(1, Ordering::SeqCst);
        Self(open.clone())
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Notebooks {
    pub(crate) fn new(now: Timestamp) -> Self {
        Self {
            rows: Arc::default(),
            now,
            last: Arc::default(),
            open: Arc::default(),
            kept: Arc::default(),
            policies: Arc::default(),
        }
    }

    /// Calls that began and have not ended.
    pub(crate) fn open_calls(&self) -> usize {
        self.open.load(Ordering::SeqCst)
    }

    async fn find(&self, asked: &str) -> Result<Notebook, Status> {
        let _open = Open::new(&self.open);
        match asked {
            STUCK => std::future::pending().await,
            BROKEN => return Err(Error::internal("reading the row", "password=hunter2").into()),
            _ => {}
        }
        let rows = self.rows.lock().unwrap();
        let found = rows
            .iter()
            .map(|(_, row)| row)
            .find(|row| row.id == asked || row.name == asked);
        Ok(found
            .ok_or_else(|| Error::not_found("notebook", asked))?
            .clone())
    }
}

impl Notebooks {
    fn one_share(&self, id: &str, notebook_id: &str) -> NotebookShare {
        NotebookShare {
            id: id.to_owned(),
            notebook_id: notebook_id.to_owned(),
            access: ShareAccess::View.into(),
            created_at: Some(to_wire_time(self.now)),
            ..NotebookShare::default()
        }
    }
}

#[tonic::async_trait]
impl NotebookService for Notebooks {
    async fn create_notebook(
        &self,
        request: Request<CreateNotebookRequest>,
    ) -> Reply<CreateNotebookResponse> {
        let who = caller(&request)?.user()?.clone();
        let request = request.into_inner();
        kernel::text::name("name", &request.name, 100).map_err(Error::from)?;
        *self.last.lock().unwrap() = Some(request.clone());
        if request.dry_run {
            let plan = NotebookPlan {
                name: request.name,
                machine_type: "A100x2".to_owned(),
                resources: request.resources,
                nanos_per_hour: 6_180_000_000,
                currency: "USD".to_owned(),
                max_duration_seconds: 3_600,
                most: Some(contracts::common::v1::Money {
                    micros: 6_180_000,
                    currency: "USD".to_owned(),
                }),
                ..NotebookPlan::default()
            };
            return Ok(Response::new(CreateNotebookResponse {
                notebook: None,
                plan: Some(plan),
            }));
        }
        let mut rows = self.rows.lock().unwrap();
        let before = rows
            .iter()
            .find(|(id, _)| !id.is_empty() && *id == request.request_id);
        if let Some((_, notebook)) = before {
            return Ok(Response::new(CreateNotebookResponse {
                notebook: Some(notebook.clone()),
                plan: None,
            }));
        }
        let id = NotebookId::generate().to_string();
        let created = Some(to_wire_time(
            self.now + chrono::TimeDelta::seconds(rows.len() as i64),
        ));
        let notebook = Notebook {
            fqdn: format!("{id}.localhost"),
            url: format!("http://{id}.localhost:7701"),
            id,
            team_id: who.team.to_string(),
            project_id: "pr-1".to_owned(),
            user_id: who.id.to_string(),
            name: request.name,
            machine_type: request.machine_type.to_uppercase(),
            state: NotebookState::Pending.into(),
            token: "secret".to_owned(),
            reason: "waits for a machine".to_owned(),
            created_at: created,
            modified_at: created,
            revision: 1,
            ..Notebook::default()
        };
        rows.push((request.request_id, notebook.clone()));
        Ok(Response::new(CreateNotebookResponse {
            notebook: Some(notebook),
            plan: None,
        }))
    }

    async fn get_notebook(
        &self,
        request: Request<GetNotebookRequest>,
    ) -> Reply<GetNotebookResponse> {
        let notebook = Some(self.find(&request.into_inner().notebook).await?);
        Ok(Response::new(GetNotebookResponse { notebook }))
    }

    async fn list_notebooks(
        &self,
        request: Request<ListNotebooksRequest>,
    ) -> Reply<ListNotebooksResponse> {
        let request = request.into_inner();
        let asked = request.page.unwrap_or_default();
        let limit = page::limit(&asked)?;
        let rows = self.rows.lock().unwrap();
        let newest_first = rows.iter().rev().map(|(_, row)| row.clone());
        let behind = newest_first
            .filter(|row| request.name.is_empty() || row.name == request.name)
            .skip_while(|row| !asked.after.is_empty() && row.id >= asked.after)
            .take(usize::try_from(limit).unwrap() + 1)
            .collect();
        let (notebooks, page) = page::cut(behind, limit, |row: &Notebook| row.id.clone());
        Ok(Response::new(ListNotebooksResponse {
            notebooks,
            page: Some(page),
        }))
    }

    async fn start_notebook(
        &self,
        request: Request<StartNotebookRequest>,
    ) -> Reply<StartNotebookResponse> {
        let mut notebook = self.find(&request.into_inner().notebook).await?;
        notebook.set_state(NotebookState::Running);
        notebook.started_at = notebook.created_at;
        Ok(Response::new(StartNotebookResponse {
            notebook: Some(notebook),
        }))
    }

    async fn stop_notebook(
        &self,
        request: Request<StopNotebookRequest>,
    ) -> Reply<StopNotebookResponse> {
        let mut notebook = self.find(&request.into_inner().notebook).await?;
        notebook.set_state(NotebookState::Stopped);
        Ok(Response::new(StopNotebookResponse {
            notebook: Some(notebook),
        }))
    }

    async fn restart_notebook(
        &self,
        request: Request<RestartNotebookRequest>,
    ) -> Reply<RestartNotebookResponse> {
        let mut notebook = self.find(&request.into_inner().notebook).await?;
        notebook.restarting = true;
        Ok(Response::new(RestartNotebookResponse {
            notebook: Some(notebook),
        }))
    }

    async fn update_notebook(
        &self,
        request: Request<UpdateNotebookRequest>,
    ) -> Reply<UpdateNotebookResponse> {
        let request = request.into_inner();
        let mut notebook = self.find(&request.notebook).await?;
        notebook.machine_type = request.machine_type.unwrap_or_default();
        Ok(Response::new(UpdateNotebookResponse {
            notebook: Some(notebook),
            note: "its files lie elsewhere".to_owned(),
        }))
    }

    async fn rotate_notebook_token(
        &self,
        request: Request<RotateNotebookTokenRequest>,
    ) -> Reply<RotateNotebookTokenResponse> {
        let mut notebook = self.find(&request.into_inner().notebook).await?;
        notebook.token = "another".to_owned();
        Ok(Response::new(RotateNotebookTokenResponse {
            notebook: Some(notebook),
        }))
    }

    async fn stop_all_notebooks(
        &self,
        _: Request<StopAllNotebooksRequest>,
    ) -> Reply<StopAllNotebooksResponse> {
        Ok(Response::new(StopAllNotebooksResponse { remaining: 0 }))
    }

    async fn delete_notebook(
        &self,
        request: Request<DeleteNotebookRequest>,
    ) -> Reply<DeleteNotebookResponse> {
        let request = request.into_inner();
        let id = self.find(&request.notebook).await?.id;
        *self.kept.lock().unwrap() = request.keep_volume;
        let volume_id = String::new();
        Ok(Response::new(DeleteNotebookResponse { id, volume_id }))
    }

    async fn delete_project(
        &self,
        request: Request<DeleteProjectRequest>,
    ) -> Reply<DeleteProjectResponse> {
        let project = request.into_inner().project;
        if project == FULL {
            let full = "the project \"full\" still has notebooks: a; delete them first";
            return Err(Error::Precondition(full.to_owned()).into());
        }
        Ok(Response::new(DeleteProjectResponse {
            project_id: "pr-1".to_owned(),
            name: project,
            created_at: Some(to_wire_time(self.now)),
            deleted_at: Some(to_wire_time(self.now + chrono::TimeDelta::days(1))),
        }))
    }

    async fn explain_notebook(
        &self,
        request: Request<ExplainNotebookRequest>,
    ) -> Reply<ExplainNotebookResponse> {
        let notebook = Some(self.find(&request.into_inner().notebook).await?);
        let details = vec!["2 of 2 nodes are full".to_owned()];
        Ok(Response::new(ExplainNotebookResponse {
            notebook,
            summary: "no room".to_owned(),
            details,
        }))
    }

    async fn extend_notebook(
        &self,
        request: Request<ExtendNotebookRequest>,
    ) -> Reply<ExtendNotebookResponse> {
        let request = request.into_inner();
        let id = self.find(&request.notebook).await?.id;
        let until = self.now + chrono::TimeDelta::seconds(request.seconds.into());
        Ok(Response::new(ExtendNotebookResponse {
            id,
            kept_until: Some(to_wire_time(until)),
            note: "as asked".to_owned(),
        }))
    }

    async fn extend_visited_notebook(
        &self,
        _: Request<ExtendVisitedNotebookRequest>,
    ) -> Reply<ExtendVisitedNotebookResponse> {
        Err(Error::not_found("call", "extend_visited_notebook").into())
    }

    async fn share_notebook(
        &self,
        request: Request<ShareNotebookRequest>,
    ) -> Reply<ShareNotebookResponse> {
        let asked = request.into_inner();
        let notebook = self.find(&asked.notebook).await?;
        let link = if asked.email.is_empty() {
            format!("{}?token=shown-once", notebook.url)
        } else {
            String::new()
        };
        Ok(Response::new(ShareNotebookResponse {
            share: Some(NotebookShare {
                id: "sh-1".to_owned(),
                notebook_id: notebook.id,
                access: asked.access,
                email: asked.email,
                created_at: Some(to_wire_time(self.now)),
                expires_at: asked.expires_at,
                ..NotebookShare::default()
            }),
            link,
        }))
    }

    async fn list_notebook_shares(
        &self,
        request: Request<ListNotebookSharesRequest>,
    ) -> Reply<ListNotebookSharesResponse> {
        let notebook = self.find(&request.into_inner().notebook).await?;
        Ok(Response::new(ListNotebookSharesResponse {
            shares: vec![self.one_share("sh-1", &notebook.id)],
        }))
    }

    async fn revoke_notebook_share(
        &self,
        request: Request<RevokeNotebookShareRequest>,
    ) -> Reply<RevokeNotebookShareResponse> {
        let asked = request.into_inner();
        let notebook = self.find(&asked.notebook).await?;
        Ok(Response::new(RevokeNotebookShareResponse {
            share: Some(self.one_share(&asked.share, &notebook.id)),
        }))
    }

    async fn list_shared_notebooks(
        &self,
        _: Request<ListSharedNotebooksRequest>,
    ) -> Reply<ListSharedNotebooksResponse> {
        let shared = SharedNotebook {
            share: Some(self.one_share("sh-2", "nb-2")),
            name: "theirs".to_owned(),
            state: NotebookState::Running.into(),
            url: "http://nb-2.localhost/".to_owned(),
            token: "for-me".to_owned(),
        };
        Ok(Response::new(ListSharedNotebooksResponse {
            notebooks: vec![shared],
        }))
    }

    async fn list_notebook_ssh_keys(
        &self,
        _: Request<ListNotebookSshKeysRequest>,
    ) -> Reply<ListNotebookSshKeysResponse> {
        Err(Error::not_found("call", "list_notebook_ssh_keys").into())
    }

    async fn set_idle_policy(
        &self,
        request: Request<SetIdlePolicyRequest>,
    ) -> Reply<SetIdlePolicyResponse> {
        let mut policy = request.into_inner().policy.unwrap();
        policy.modified_at = Some(to_wire_time(self.now));
        let mut policies = self.policies.lock().unwrap();
        policies.retain(|other| other.scope != policy.scope);
        policies.push(policy.clone());
        Ok(Response::new(SetIdlePolicyResponse {
            policy: Some(policy),
        }))
    }

    async fn remove_idle_policy(
        &self,
        request: Request<RemoveIdlePolicyRequest>,
    ) -> Reply<RemoveIdlePolicyResponse> {
        let scope = request.into_inner().scope;
        self.policies
            .lock()
            .unwrap()
            .retain(|policy| policy.scope != scope);
        Ok(Response::new(RemoveIdlePolicyResponse {}))
    }

    async fn list_idle_policies(
        &self,
        _: Request<ListIdlePoliciesRequest>,
    ) -> Reply<ListIdlePoliciesResponse> {
        let policies = self.policies.lock().unwrap().clone();
        Ok(Response::new(ListIdlePoliciesResponse { policies }))
    }

    async fn list_templates(
        &self,
        _: Request<ListTemplatesRequest>,
    ) -> Reply<ListTemplatesResponse> {
        let templates = vec![template("")];
        Ok(Response::new(ListTemplatesResponse { templates }))
    }

    async fn get_template(
        &self,
        request: Request<GetTemplateRequest>,
    ) -> Reply<GetTemplateResponse> {
        let wanted = request.into_inner().template;
        let found = (wanted != "nowhere").then(|| template("{}"));
        let template = Some(found.ok_or_else(|| Error::not_found("template", &wanted))?);
        Ok(Response::new(GetTemplateResponse { template }))
    }

    async fn create_template(
        &self,
        request: Request<CreateTemplateRequest>,
    ) -> Reply<CreateTemplateResponse> {
        Ok(Response::new(CreateTemplateResponse {
            template: Some(made_template(request.get_ref())),
            note: "left out: 1 hidden file".to_owned(),
        }))
    }

    async fn delete_template(
        &self,
        request: Request<DeleteTemplateRequest>,
    ) -> Reply<DeleteTemplateResponse> {
        let gone = CreateTemplateRequest {
            name: request.into_inner().template,
            ..CreateTemplateRequest::default()
        };
        Ok(Response::new(DeleteTemplateResponse {
            template: Some(made_template(&gone)),
        }))
    }
}
