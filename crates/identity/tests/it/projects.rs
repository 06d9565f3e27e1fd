//! Projects.

use contracts::common::v1::Role;
use contracts::identity::v1::{CreateProjectRequest, GetProjectRequest, Project};
use testkit::Engine;
use tonic::{Code, Status};

use crate::house::{Client, House};

async fn create(client: &mut Client, name: &str) -> Result<Project, Status> {
    let asked = CreateProjectRequest {
        name: name.to_owned(),
        ..CreateProjectRequest::default()
    };
    Ok(client
        .create_project(asked)
        .await?
        .into_inner()
        .project
        .unwrap())
}

async fn get(client: &mut Client, project: &str, team_id: &str) -> Result<Project, Status> {
    let asked = GetProjectRequest {
        project: project.to_owned(),
        team_id: team_id.to_owned(),
        ..GetProjectRequest::default()
    };
    Ok(client
        .get_project(asked)
        .await?
        .into_inner()
        .project
        .unwrap())
}

async fn projects_are_found_by_name_and_identifier(engine: Engine) {
    let house = House::open(engine).await;
    let lab = house.team("lab").await;
    let mut owner = house.client(&lab).await;
    let project = create(&mut owner, "vision").await.unwrap();
    assert_eq!(get(&mut owner, "vision", "").await.unwrap(), project);
    assert_eq!(get(&mut owner, &project.id, "").await.unwrap(), project);
    assert_eq!(
        get(&mut owner, "", "").await.unwrap().name,
        "default",
        "the first one when nothing is said"
    );
    assert_eq!(house.projects(&lab).await, ["default", "vision"]);
    assert_eq!(
        create(&mut owner, "vision").await.unwrap_err().code(),
        Code::AlreadyExists
    );
    assert_eq!(
        create(&mut owner, " ").await.unwrap_err().code(),
        Code::InvalidArgument
    );
    let viewer = house.member(&lab, "eve@lab.example", Role::Viewer).await;
    assert_eq!(
        create(&mut house.client(&viewer).await, "p")
            .await
            .unwrap_err()
            .code(),
        Code::PermissionDenied
    );
}

async fn other_teams_read_as_not_found(engine: Engine) {
    let house = House::open(engine).await;
    let (lab, shop) = (house.team("lab").await, house.team("shop").await);
    let project = create(&mut house.client(&lab).await, "vision")
        .await
        .unwrap();
    let mut stranger = house.client(&shop).await;
    // Naming the other team changes nothing for a user.
    for wanted in [project.id.as_str(), "vision", "nothing"] {
        let hidden = get(&mut stranger, wanted, &project.team_id)
            .await
            .unwrap_err();
        assert_eq!(hidden.code(), Code::NotFound, "{wanted}");
    }
    assert_eq!(house.projects(&shop).await, ["default"]);
    create(&mut stranger, "vision").await.unwrap();

    let mut notebook = house.service("notebook").await;
    assert_eq!(
        get(&mut notebook, "vision", &project.team_id)
            .await
            .unwrap(),
        project
    );
}

/// Two replicas, one name at once: one project has it.
async fn a_name_is_given_once_in_a_race(engine: Engine) {
    let house = House::open(engine).await;
    let (mut left, mut right) = (
        house.client_of(0, &house.first_key).await,
        house.client_of(1, &house.first_key).await,
    );
    for round in 0..5 {
        let name = format!("p{round}");
        let (one, two) = tokio::join!(create(&mut left, &name), create(&mut right, &name));
        let refused = match (one, two) {
            (Ok(_), Err(refused)) | (Err(refused), Ok(_)) => refused,
            both => panic!("not exactly one was made: {both:?}"),
        };
        assert_eq!(refused.code(), Code::AlreadyExists);
    }
}

testkit::on_each_engine!(
    projects_are_found_by_name_and_identifier,
    other_teams_read_as_not_found,
    a_name_is_given_once_in_a_race,
);
