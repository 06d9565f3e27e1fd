//! Role in the team x role in the project x call.

use chassis::auth::Principal;
use contracts::common::v1::Role;
use contracts::identity::v1::GetProjectRequest;
use contracts::identity::v1::identity_service_client::IdentityServiceClient;
use contracts::notebook::v1::{
    CreateNotebookRequest, DeleteNotebookRequest, ExplainNotebookRequest, GetNotebookRequest,
    ListNotebooksRequest, Notebook, StartNotebookRequest, StopNotebookRequest,
};
use kernel::id::ProjectId;
use testkit::{Engine, person};
use tonic::{Code, Status};

use crate::house::{Client, House};

/// What became of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    Done,
    Denied,
    NotFound,
}

fn outcome<T>(answer: &Result<T, Status>) -> Outcome {
    match answer {
        Ok(_) => Outcome::Done,
        Err(status) if status.code() == Code::PermissionDenied => Outcome::Denied,
        Err(status) if status.code() == Code::NotFound => Outcome::NotFound,
        Err(status) => panic!("neither done nor refused: {status}"),
    }
}

impl House {
    /// Somebody with `team` in the team and, where it is given, `own` in its project.
    fn person_in(&self, team: Role, own: Option<Role>, project: ProjectId) -> Client {
        let Principal::User(mut user) = person(self.team, team) else {
            panic!("a person is a user")
        };
        user.projects.extend(own.map(|own| (project, own)));
        self.client(&Principal::User(user))
    }

    /// The project that notebooks are made in when nothing is said.
    async fn project(&self) -> ProjectId {
        let channel =
            chassis::grpc::connect(self.identity.address(), &chassis::tls::Trust::public())
                .unwrap();
        let token = self
            .identity
            .token(&Principal::Service("notebook".to_owned()));
        let asked = GetProjectRequest {
            team_id: self.team.into(),
            ..GetProjectRequest::default()
        };
        let mut request = tonic::Request::new(asked);
        let bearer = format!("Bearer {token}").parse().unwrap();
        request.metadata_mut().insert("authorization", bearer);
        let answer = IdentityServiceClient::new(channel)
            .get_project(request)
            .await
            .unwrap();
        answer.into_inner().project.unwrap().id.parse().unwrap()
    }
}

/// The calls that change things, each on a notebook of its own.
async fn writes(client: &mut Client, of: &[Notebook]) -> Vec<Outcome> {
    let (stop, start, delete) = (of[0].id.clone(), of[1].id.clone(), of[2].id.clone());
    let made = client
        .create_notebook(CreateNotebookRequest::default())
        .await;
    let stopped = client
        .stop_notebook(StopNotebookRequest {
            notebook: stop,
            snapshot: None,
        })
        .await;
    let started = client
        .start_notebook(StartNotebookRequest { notebook: start })
        .await;
    let deleted = client
        .delete_notebook(DeleteNotebookRequest {
            notebook: delete,
            keep_volume: false,
        })
        .await;
    vec![
        outcome(&made),
        outcome(&stopped),
        outcome(&started),
        outcome(&deleted),
    ]
}

/// The calls that read, and the tokens that they gave.
async fn reads(client: &mut Client, notebook: &Notebook) -> (Vec<Outcome>, Vec<String>) {
    let wanted = || notebook.id.clone();
    let got = client
        .get_notebook(GetNotebookRequest { notebook: wanted() })
        .await;
    let explained = client
        .explain_notebook(ExplainNotebookRequest { notebook: wanted() })
        .await;
    let listed = client
        .list_notebooks(ListNotebooksRequest::default())
        .await
        .unwrap()
        .into_inner()
        .notebooks;
    let outcomes = vec![outcome(&got), outcome(&explained)];
    let listed = listed.into_iter().find(|found| found.id == notebook.id);
    assert_eq!(
        listed.is_some(),
        got.is_ok(),
        "the list shows what can be read"
    );
    let shown = [
        got.ok().and_then(|got| got.into_inner().notebook),
        explained.ok().and_then(|got| got.into_inner().notebook),
        listed,
    ];
    let tokens = shown.into_iter().flatten().map(|shown| shown.token);
    (outcomes, tokens.collect())
}

async fn the_role_in_the_project_counts(engine: Engine) {
    let house = House::open(engine).await;
    let project = house.project().await;
    let none = Role::Unspecified;
    let table = [
        // Who, and what counts.
        (Role::Viewer, None, Role::Viewer),
        (Role::Member, None, Role::Member),
        (Role::Viewer, Some(Role::Member), Role::Member),
        (Role::Viewer, Some(Role::Owner), Role::Owner),
        (Role::Member, Some(Role::Viewer), Role::Viewer),
        (Role::Member, Some(none), none),
        (Role::Viewer, Some(none), none),
        // Who leads the team is never shut out.
        (Role::Admin, Some(none), Role::Admin),
        (Role::Owner, Some(Role::Viewer), Role::Admin),
    ];
    for (team, own, counts) in table {
        let who = format!("{team:?} in the team, {own:?} in the project");
        let mut notebooks = Vec::new();
        for number in 0..4 {
            let name = format!("{who} {number}").replace(['(', ')', ','], "");
            notebooks.push(house.create(&name).await);
        }
        let mut client = house.person_in(team, own, project);
        let (read, tokens) = reads(&mut client, &notebooks[3]).await;
        let (expected_read, expected_write) = match counts {
            Role::Unspecified => (Outcome::NotFound, Outcome::NotFound),
            Role::Viewer => (Outcome::Done, Outcome::Denied),
            _ => (Outcome::Done, Outcome::Done),
        };
        assert_eq!(read, [expected_read; 2], "{who}");
        let may_open = counts >= Role::Member;
        assert_eq!(tokens.len(), if counts == none { 0 } else { 3 }, "{who}");
        assert!(
            tokens.iter().all(|token| token.is_empty() != may_open),
            "{who}: a token for who may change it, and for nobody else"
        );
        let written = writes(&mut client, &notebooks).await;
        // Whoever may only read in the team and has no role anywhere is refused at the door.
        let expected = match (team, own) {
            (Role::Viewer, Some(Role::Unspecified)) => Outcome::Denied,
            _ => expected_write,
        };
        assert_eq!(written, [expected; 4], "{who}");
    }
}

/// A request that made a notebook where its maker sees nothing any more does not give it again.
async fn the_same_request_does_not_open_a_project_again(engine: Engine) {
    let house = House::open(engine).await;
    let project = house.project().await;
    let asked = CreateNotebookRequest {
        request_id: "r1".to_owned(),
        ..CreateNotebookRequest::default()
    };
    let mut member = house.person_in(Role::Member, None, project);
    let made = member.create_notebook(asked.clone()).await.unwrap();
    let made = made.into_inner().notebook.unwrap();
    assert_eq!(made.project_id, project.to_string());
    let mut shut_out = house.person_in(Role::Member, Some(Role::Unspecified), project);
    let refused = shut_out.create_notebook(asked).await.unwrap_err();
    assert_eq!(refused.code(), Code::NotFound);
    house.workload(&made.id, 1).await;
    let volume = house.notebook(&made.id).await.volume_id;
    let row = house.volumes.rows.lock().unwrap()[&volume].clone();
    assert_eq!(
        row.project_id, made.project_id,
        "its files are the project's, too"
    );
}

testkit::on_each_engine!(
    the_role_in_the_project_counts,
    the_same_request_does_not_open_a_project_again,
);
