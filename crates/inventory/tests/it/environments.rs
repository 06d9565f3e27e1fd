//! Environments of teams: made, resolved behind the call, shared, deleted. The resolver is a stand-in; the real one is used in the
//! tests of the whole.

use chassis::auth::Principal;
use chassis::seal::sha256_hex;
use contracts::common::v1::Role;
use contracts::inventory::v1::{
    CreateEnvironmentRequest, DeleteEnvironmentRequest, Environment, EnvironmentChanged,
    EnvironmentState, GetEnvironmentRequest, ListEnvironmentsRequest, ShareEnvironmentRequest,
};
use kernel::id::TeamId;
use testkit::{Engine, eventually, person};
use tonic::{Code, Status};

use crate::house::{Client, House};

async fn try_create(
    client: &mut Client,
    name: &str,
    requirements: &[&str],
) -> Result<Environment, Status> {
    let request = CreateEnvironmentRequest {
        name: name.to_owned(),
        requirements: requirements.iter().map(|line| (*line).to_owned()).collect(),
        ..CreateEnvironmentRequest::default()
    };
    let answer = client.create_environment(request).await?;
    Ok(answer.into_inner().environment.unwrap())
}

async fn get(client: &mut Client, name: &str) -> Result<Environment, Status> {
    let request = GetEnvironmentRequest {
        environment: name.to_owned(),
        ..GetEnvironmentRequest::default()
    };
    let answer = client.get_environment(request).await?;
    Ok(answer.into_inner().environment.unwrap())
}

async fn resolved(client: &Client, name: &str) -> Environment {
    eventually("the packages to be resolved", || async {
        let found = get(&mut client.clone(), name).await.unwrap();
        (found.state() != EnvironmentState::Resolving).then_some(found)
    })
    .await
}

async fn names(client: &mut Client) -> Vec<String> {
    let request = ListEnvironmentsRequest::default();
    let answer = client.list_environments(request).await.unwrap();
    let environments = answer.into_inner().environments.into_iter();
    environments.map(|environment| environment.name).collect()
}

async fn delete(client: &mut Client, name: &str) -> Result<(), Status> {
    let environment = name.to_owned();
    let request = DeleteEnvironmentRequest { environment };
    client.delete_environment(request).await.map(|_| ())
}

const BUILT_IN: [&str; 5] = ["datascience", "generative", "python", "pytorch", "rapids"];

async fn packages_are_resolved_behind_the_call(engine: Engine) {
    let house = House::open(engine).await;
    let mut member = house.client(&person(TeamId::generate(), Role::Member));
    let made = try_create(&mut member, "frames", &["# mine", "polars"])
        .await
        .unwrap();
    assert_eq!(
        (made.state(), made.digest.as_str()),
        (EnvironmentState::Resolving, "")
    );
    assert_eq!(
        (made.requirements, made.base.as_str()),
        (vec!["polars".to_owned()], "python")
    );

    let ready = resolved(&member, "frames").await;
    assert_eq!(ready.state(), EnvironmentState::Ready);
    assert_eq!(ready.digest, sha256_hex(&ready.lock));
    assert!(ready.lock.contains("polars==1.0"), "{}", ready.lock);
    let python = get(&mut member, "python").await.unwrap();
    assert!(
        ready.lock.starts_with(&python.lock),
        "what the base has stays as it is"
    );
    assert_eq!(ready.packages, python.packages + 1);

    let again = try_create(&mut member, "frames", &["polars"])
        .await
        .unwrap();
    assert_eq!(again.id, made.id, "the same again is the one that is there");
    let other = try_create(&mut member, "frames", &["duckdb"]).await;
    assert_eq!(other.unwrap_err().code(), Code::AlreadyExists);

    let told: Vec<EnvironmentChanged> = eventually("the events", || async {
        let told = house.nats.events::<EnvironmentChanged>().await;
        (told.len() == 2).then_some(told)
    })
    .await;
    let last = told[1].environment.clone().unwrap();
    assert_eq!(last.state(), EnvironmentState::Ready);
    assert_eq!((last.lock.as_str(), last.revision), ("", 2));
}

async fn what_cannot_be_had_says_why_and_is_replaced(engine: Engine) {
    let house = House::open(engine).await;
    let mut member = house.client(&person(TeamId::generate(), Role::Member));
    try_create(&mut member, "frames", &["impossible"])
        .await
        .unwrap();
    let failed = resolved(&member, "frames").await;
    assert_eq!(failed.state(), EnvironmentState::Failed);
    assert_eq!(
        failed.reason,
        "No solution found: there is no version of impossible"
    );
    try_create(&mut member, "frames", &["polars"])
        .await
        .unwrap();
    let ready = resolved(&member, "frames").await;
    assert_eq!(ready.state(), EnvironmentState::Ready);
    assert_ne!(ready.id, failed.id);
    assert_eq!(names(&mut member).await.len(), BUILT_IN.len() + 1);
}

async fn a_python_of_its_own_is_part_of_the_lock(engine: Engine) {
    let house = House::open(engine).await;
    let mut member = house.client(&person(TeamId::generate(), Role::Member));
    let request = CreateEnvironmentRequest {
        name: "newer".to_owned(),
        python_version: "3.12".to_owned(),
        ..CreateEnvironmentRequest::default()
    };
    member.create_environment(request).await.unwrap();
    let ready = resolved(&member, "newer").await;
    assert!(ready.lock.starts_with("# python: 3.12\n"), "{}", ready.lock);
    assert_eq!(ready.digest, sha256_hex(&ready.lock));
}

async fn teams_see_what_is_theirs_or_shared(engine: Engine) {
    let house = House::open(engine).await;
    let (here, there) = (TeamId::generate(), TeamId::generate());
    let mut admin = house.client(&person(here, Role::Admin));
    let mut member = house.client(&person(here, Role::Member));
    let mut stranger = house.client(&person(there, Role::Owner));
    let made = try_create(&mut admin, "frames", &["polars"]).await.unwrap();
    resolved(&admin, "frames").await;

    assert_eq!(names(&mut stranger).await, BUILT_IN);
    for name in ["frames", made.id.as_str()] {
        let missing = get(&mut stranger, name).await.unwrap_err();
        assert_eq!(missing.code(), Code::NotFound, "{missing}");
    }
    let share = |shared| ShareEnvironmentRequest {
        environment: "fra".to_owned(),
        shared,
    };
    let denied = member.share_environment(share(true)).await.unwrap_err();
    assert_eq!(denied.code(), Code::PermissionDenied);
    admin.share_environment(share(true)).await.unwrap();
    assert_eq!(get(&mut stranger, "frames").await.unwrap().id, made.id);
    let refused = delete(&mut stranger, "frames").await.unwrap_err();
    assert_eq!(refused.code(), Code::NotFound, "it is not theirs");
    // One's own comes before what others share under the same name.
    let own = try_create(&mut stranger, "frames", &["duckdb"])
        .await
        .unwrap();
    assert_eq!(get(&mut stranger, "frames").await.unwrap().id, own.id);
    admin.share_environment(share(false)).await.unwrap();
    let gone = get(&mut stranger, &made.id).await.unwrap_err();
    assert_eq!(gone.code(), Code::NotFound);
}

async fn what_is_deleted_can_still_be_started_in(engine: Engine) {
    let house = House::open(engine).await;
    let mut member = house.client(&person(TeamId::generate(), Role::Member));
    try_create(&mut member, "frames", &["polars"])
        .await
        .unwrap();
    let ready = resolved(&member, "frames").await;
    delete(&mut member, "frames").await.unwrap();
    assert_eq!(names(&mut member).await, BUILT_IN);
    let by_digest = GetEnvironmentRequest {
        digest: ready.digest.clone(),
        ..GetEnvironmentRequest::default()
    };
    let mut notebook = house.client(&Principal::Service("notebook".to_owned()));
    let found = notebook.get_environment(by_digest.clone()).await.unwrap();
    assert_eq!(found.into_inner().environment.unwrap().lock, ready.lock);
    let asked = member.get_environment(by_digest).await.unwrap_err();
    assert_eq!(asked.code(), Code::NotFound, "for services only");
    // The name is free again.
    try_create(&mut member, "frames", &["duckdb"])
        .await
        .unwrap();
}

async fn wrong_ones_are_refused_with_the_field(engine: Engine) {
    let house = House::open(engine).await;
    let mut member = house.client(&person(TeamId::generate(), Role::Member));
    let mut viewer = house.client(&person(TeamId::generate(), Role::Viewer));
    let denied = try_create(&mut viewer, "frames", &["polars"]).await;
    assert_eq!(denied.unwrap_err().code(), Code::PermissionDenied);
    for (name, requirement, told) in [
        ("Frames", "polars", "name: "),
        ("python", "polars", "name: \"python\" comes with Quire"),
        ("frames", "-r /etc/passwd", "requirements: "),
        ("frames", "# none", "requirements: is empty"),
    ] {
        let refused = try_create(&mut member, name, &[requirement]).await;
        let refused = refused.unwrap_err();
        assert!(refused.message().starts_with(told), "{refused}");
    }
    let refused = delete(&mut member, "python").await.unwrap_err();
    assert!(refused.message().contains("comes with Quire"), "{refused}");
    assert_eq!(names(&mut member).await, BUILT_IN);
}

testkit::on_each_engine!(
    packages_are_resolved_behind_the_call,
    what_cannot_be_had_says_why_and_is_replaced,
    a_python_of_its_own_is_part_of_the_lock,
    teams_see_what_is_theirs_or_shared,
    what_is_deleted_can_still_be_started_in,
    wrong_ones_are_refused_with_the_field,
);
