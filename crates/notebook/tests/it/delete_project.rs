//! The end of projects: only of empty ones, and no notebook is made in one that ends.

use chassis::auth::Principal;
use contracts::common::v1::Role;
use contracts::notebook::v1::{CreateNotebookRequest, DeleteProjectRequest};
use kernel::id::TeamId;
use sea_orm::ConnectionTrait as _;
use testkit::{Engine, eventually, person};
use tonic::{Code, Status};

use crate::house::{Client, House};

async fn delete(client: &mut Client, project: &str) -> Result<String, Status> {
    let asked = DeleteProjectRequest {
        project: project.to_owned(),
    };
    let answer = client.delete_project(asked).await?.into_inner();
    assert!(answer.created_at.is_some() && answer.deleted_at.is_some());
    Ok(answer.name)
}

async fn a_project_goes_when_it_is_empty(engine: Engine) {
    let house = House::open(engine).await;
    let mut admin = house.client(&person(house.team, Role::Admin));
    let notebook = house.create("first").await;
    let refused = delete(&mut admin, "default").await.unwrap_err();
    assert_eq!(refused.code(), Code::FailedPrecondition, "{refused}");
    assert!(refused.message().contains("first; delete"), "{refused}");
    for (nothing, code) in [("", Code::InvalidArgument), ("none", Code::NotFound)] {
        let refused = delete(&mut admin, nothing).await.unwrap_err();
        assert_eq!(refused.code(), code, "{refused}");
    }
    let refused = delete(&mut house.member(), "default").await.unwrap_err();
    assert_eq!(refused.code(), Code::PermissionDenied, "{refused}");
    let stranger = person(TeamId::generate(), Role::Owner);
    // It has a project of this name, and none with this identifier.
    let refused = delete(&mut house.client(&stranger), &notebook.project_id).await;
    assert_eq!(refused.unwrap_err().code(), Code::NotFound);

    // What was refused has closed nothing.
    let second = house.create("second").await;
    for id in [notebook.id, second.id] {
        house.delete(&id).await;
        eventually("a notebook to be gone", || async {
            let left = format!("SELECT id FROM notebooks WHERE id = '{id}' AND deleted_at IS NULL");
            house.texts(&left).await.is_empty().then_some(())
        })
        .await;
    }
    assert_eq!(delete(&mut admin, "default").await.unwrap(), "default");
    let gone = delete(&mut admin, "default").await.unwrap_err();
    assert_eq!(gone.code(), Code::NotFound, "{gone}");
    let asked = CreateNotebookRequest::default();
    let refused = house.try_create(asked).await.unwrap_err();
    assert_eq!(refused.code(), Code::NotFound, "{refused}");
}

/// A notebook is made while its project ends: never both.
async fn a_project_that_ends_takes_no_notebook_in_a_race(engine: Engine) {
    let house = House::open(engine).await;
    for _ in 0..10 {
        let owner: Principal = person(TeamId::generate(), Role::Owner);
        let (mut one, mut other) = (house.client(&owner), house.client(&owner));
        let asked = CreateNotebookRequest::default();
        let (made, gone) = tokio::join!(one.create_notebook(asked), delete(&mut other, "default"));
        assert_ne!(made.is_ok(), gone.is_ok(), "{made:?} {gone:?}");
        let code = match (made, gone) {
            (Err(refused), _) => {
                assert_eq!(refused.code(), Code::NotFound, "{refused}");
                continue;
            }
            (_, gone) => gone.unwrap_err().code(),
        };
        assert_eq!(code, Code::FailedPrecondition);
    }
}

/// A program that crashed between closing a project and the word of identity: the next one has it removed.
async fn a_closed_project_is_removed_later(engine: Engine) {
    let mut house = House::open(engine).await;
    let project = house.create("first").await.project_id;
    house.stop_service().await;
    let team = house.team;
    house
        .tables()
        .await
        .execute_unprepared(&format!(
            "INSERT INTO closed_projects (id, team_id, closed_at, deleted) VALUES ('{project}', '{team}', 1, FALSE)"
        ))
        .await
        .unwrap();
    house.start_service().await;
    eventually("a project to be removed", || async {
        let left = "SELECT id FROM closed_projects WHERE NOT deleted";
        house.texts(left).await.is_empty().then_some(())
    })
    .await;
    let mut admin = house.client(&person(team, Role::Admin));
    let gone = delete(&mut admin, "default").await.unwrap_err();
    assert_eq!(gone.code(), Code::NotFound, "{gone}");
}

testkit::on_each_engine!(
    a_project_goes_when_it_is_empty,
    a_project_that_ends_takes_no_notebook_in_a_race,
    a_closed_project_is_removed_later,
);
