//! Reading: the list that billing is held against, and what teams see.

use chassis::auth::Principal;
use contracts::common::v1::Role;
use contracts::scheduler::v1::{
    Attempt, AttemptEnd, AttemptState, ExplainWorkloadRequest, Fault, GetWorkloadRequest,
    ListAttemptsRequest, ListAttemptsResponse, StopWorkloadRequest,
};
use kernel::id::TeamId;
use testkit::{Engine, person};
use tonic::{Code, Status};

use crate::agent::Run;
use crate::house::{House, spec};

async fn list(
    house: &House,
    after_change: u64,
    limit: u32,
) -> Result<ListAttemptsResponse, Status> {
    let mut billing = house.client_of(0, &Principal::Service("billing".to_owned()));
    let asked = ListAttemptsRequest {
        after_change,
        limit,
    };
    Ok(billing.list_attempts(asked).await?.into_inner())
}

fn ids(attempts: &[Attempt]) -> Vec<&str> {
    attempts.iter().map(|attempt| attempt.id.as_str()).collect()
}

async fn attempts_come_in_the_order_of_their_changes(engine: Engine) {
    let house = House::open(engine).await;
    let node = house.node("box", 64_000, 65_536).await;
    let mut agent = house.agent(&node).await;
    assert_eq!(
        list(&house, 0, 10).await.unwrap(),
        ListAttemptsResponse::default()
    );
    let mut runs = Vec::new();
    for request in ["r1", "r2", "r3"] {
        house.submit(request, spec(1_000, 1_024)).await;
        runs.push(agent.assigned().await);
    }
    let first = list(&house, 0, 2).await.unwrap();
    assert_eq!(
        ids(&first.attempts),
        [runs[0].attempt_id(), runs[1].attempt_id()]
    );
    assert!(first.has_more);
    let second = list(&house, first.last_change, 2).await.unwrap();
    assert_eq!(
        (ids(&second.attempts), second.has_more),
        (vec![runs[2].attempt_id()], false)
    );
    let nothing = list(&house, second.last_change, 2).await.unwrap();
    assert_eq!(
        (
            nothing.attempts.len(),
            nothing.last_change,
            nothing.has_more
        ),
        (0, second.last_change, false)
    );

    // Every further change of any of them shows, and only those.
    let mut last = second.last_change;
    let mut change = async |run: &mut Run, end: bool| {
        agent.say(run.running(0)).await;
        if end {
            agent
                .say(run.ended(AttemptEnd::Completed, Fault::Unspecified, "done"))
                .await;
        }
        let page = list(&house, last, 10).await.unwrap();
        last = page.last_change;
        assert_eq!(ids(&page.attempts), [run.attempt_id()]);
        page.attempts[0].state()
    };
    assert_eq!(change(&mut runs[1], false).await, AttemptState::Running);
    assert_eq!(change(&mut runs[0], true).await, AttemptState::Ended);
    let all = list(&house, 0, 1_000).await.unwrap();
    assert_eq!(
        ids(&all.attempts),
        [
            runs[2].attempt_id(),
            runs[1].attempt_id(),
            runs[0].attempt_id()
        ]
    );
    for limit in [0, 1_001] {
        assert_eq!(
            list(&house, 0, limit).await.unwrap_err().code(),
            Code::InvalidArgument
        );
    }
}

async fn teams_see_their_own_workloads(engine: Engine) {
    let house = House::open(engine).await;
    house.node("box", 4_000, 8_192).await;
    let id = house.submit("r1", spec(1_000, 1_024)).await.id;
    let asked = || GetWorkloadRequest { id: id.clone() };
    let seen = house
        .viewer(house.team)
        .get_workload(asked())
        .await
        .unwrap();
    assert_eq!(seen.into_inner().workload.unwrap().id, id);
    let explained = ExplainWorkloadRequest { id: id.clone() };
    house
        .viewer(house.team)
        .explain_workload(explained.clone())
        .await
        .unwrap();

    let mut stranger = house.viewer(TeamId::generate());
    let refused = stranger.get_workload(asked()).await.unwrap_err();
    assert_eq!(refused.code(), Code::NotFound, "not even that it exists");
    assert_eq!(
        stranger
            .explain_workload(explained)
            .await
            .unwrap_err()
            .code(),
        Code::NotFound
    );
}

async fn people_neither_submit_nor_stop(engine: Engine) {
    let house = House::open(engine).await;
    house.node("box", 4_000, 8_192).await;
    let id = house.submit("r1", spec(1_000, 1_024)).await.id;
    let mut owner = house.client_of(0, &person(house.team, Role::Owner));
    let submitted = owner
        .submit_workload(house.request("r2", spec(1_000, 1_024)))
        .await;
    assert_eq!(submitted.unwrap_err().code(), Code::PermissionDenied);
    let stopped = owner
        .stop_workload(StopWorkloadRequest {
            id,
            reason: String::new(),
        })
        .await;
    assert_eq!(stopped.unwrap_err().code(), Code::PermissionDenied);
    let listed = owner
        .list_attempts(ListAttemptsRequest {
            after_change: 0,
            limit: 1,
        })
        .await;
    assert_eq!(listed.unwrap_err().code(), Code::PermissionDenied);
}

testkit::on_each_engine!(
    attempts_come_in_the_order_of_their_changes,
    teams_see_their_own_workloads,
    people_neither_submit_nor_stop,
);
