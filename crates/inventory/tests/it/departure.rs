//! How nodes go: given up by a person, or off the list; and that they never speak again.

use chassis::Error;
use chassis::auth::Principal;
use contracts::inventory::v1::{
    CreateJoinTokenRequest, DeleteNodeRequest, GiveUpNodeRequest, Node, NodeChanged, NodeLiveness,
    NodeSchedulable, SetNodeSchedulableRequest,
};
use testkit::{Engine, eventually};
use tonic::{Code, Status};

use crate::house::{Client, House, ask};

fn given_up(status: Status) -> bool {
    matches!(Error::from(status), Error::GivenUp { .. })
}

async fn give_up(client: &mut Client, node: &str) -> Result<Node, Status> {
    let asked = GiveUpNodeRequest {
        node: node.to_owned(),
    };
    Ok(client.give_up_node(asked).await?.into_inner().node.unwrap())
}

fn set(
    node: &str,
    schedulable: NodeSchedulable,
    deadline_seconds: u32,
) -> SetNodeSchedulableRequest {
    SetNodeSchedulableRequest {
        node: node.to_owned(),
        schedulable: schedulable.into(),
        deadline_seconds,
    }
}

async fn only_a_silent_node_is_given_up_and_for_good(engine: Engine) {
    let house = House::open(engine).await;
    let mut lives = house.join("lives").await;
    lives.beat().await;
    let mut operator = house.operator();
    let refused = give_up(&mut operator, "lives").await.unwrap_err();
    assert_eq!(refused.code(), Code::FailedPrecondition);
    assert!(
        refused.message().contains("node lives answers"),
        "{refused}"
    );

    // It joined and was never heard: as silent as one that was heard long ago.
    let token = house.join_token().await;
    let joined = house
        .stranger(0)
        .join_node(ask(&token, "box", "r1"))
        .await
        .unwrap()
        .into_inner();
    assert!(house.key_works(&joined.node_key).await);
    let gone = give_up(&mut operator, "box").await.unwrap();
    assert!(gone.given_up_at.is_some());
    assert_eq!(give_up(&mut operator, &joined.node_id).await.unwrap(), gone);
    eventually("the end of its key", || async {
        (!house.key_works(&joined.node_key).await).then_some(())
    })
    .await;

    // A token that is still out does not help it, nor does the token that it joined with.
    let agent = Principal::Agent(joined.node_id.parse().unwrap());
    let mut report = lives.report();
    report.node_id.clone_from(&joined.node_id);
    assert!(given_up(
        house.client(&agent).heartbeat(report).await.unwrap_err()
    ));
    let again = house.stranger(1).join_node(ask(&token, "box", "r1")).await;
    assert!(given_up(again.unwrap_err()));
    let opened = operator
        .set_node_schedulable(set("box", NodeSchedulable::Open, 0))
        .await
        .unwrap_err();
    assert_eq!(opened.code(), Code::FailedPrecondition);
    assert_eq!(house.node(&joined.node_id).await, gone);
}

async fn what_leaves_the_list_is_told_and_its_name_is_free(engine: Engine) {
    let house = House::open(engine).await;
    let mut member = house.join("box").await;
    member.beat().await;
    let mut scheduler = house.client(&Principal::Service("scheduler".to_owned()));
    let delete = |revision| DeleteNodeRequest {
        node_id: member.id.clone(),
        revision,
    };
    let open = scheduler.delete_node(delete(2)).await.unwrap_err();
    assert!(open.message().contains("drain it first"), "{open}");
    let mut operator = house.operator();
    operator
        .set_node_schedulable(set("box", NodeSchedulable::Draining, 0))
        .await
        .unwrap();
    let changed = scheduler.delete_node(delete(2)).await.unwrap_err();
    assert!(changed.message().contains("has changed"), "{changed}");
    scheduler.delete_node(delete(3)).await.unwrap();
    // The answer may be lost: asking again is no harm.
    scheduler.delete_node(delete(3)).await.unwrap();
    assert_eq!(house.nodes().await, []);
    assert!(given_up(member.say(member.report()).await.unwrap_err()));
    let events = eventually("the last event", || async {
        let events: Vec<NodeChanged> = house.nats.events().await;
        events
            .last()
            .is_some_and(|event| event.deleted)
            .then_some(events)
    })
    .await;
    let last = events.last().unwrap().node.clone().unwrap();
    assert_eq!(
        (last.id.as_str(), last.name.as_str(), last.revision),
        (member.id.as_str(), "box", 4)
    );
    assert_eq!(last.liveness(), NodeLiveness::Silent);
    let mut next = house.join("box").await;
    next.beat().await;
    assert_ne!(next.id, member.id);
}

async fn a_drain_may_have_a_deadline(engine: Engine) {
    let house = House::open(engine).await;
    let member = house.join("box").await;
    let mut operator = house.operator();
    let drained = operator
        .set_node_schedulable(set("box", NodeSchedulable::Draining, 7_200))
        .await
        .unwrap()
        .into_inner()
        .node
        .unwrap();
    let deadline = drained.drain_deadline_at.unwrap();
    let now = drained.created_at.unwrap();
    assert_eq!(deadline.seconds - now.seconds, 7_200);
    let opened = operator
        .set_node_schedulable(set(&member.id, NodeSchedulable::Open, 0))
        .await
        .unwrap();
    assert_eq!(opened.into_inner().node.unwrap().drain_deadline_at, None);
    let long = operator
        .set_node_schedulable(set("box", NodeSchedulable::Draining, u32::MAX))
        .await
        .unwrap_err();
    assert_eq!(long.code(), Code::InvalidArgument);
}

/// The token is kept nowhere, so that the second answer says what was made and not the token.
async fn one_request_makes_one_token(engine: Engine) {
    let house = House::open(engine).await;
    let mut operator = house.operator();
    let ask = |ttl_seconds, request_id: &str| CreateJoinTokenRequest {
        ttl_seconds,
        request_id: request_id.to_owned(),
    };
    let first = operator.create_join_token(ask(60, "r1")).await.unwrap();
    let first = first.into_inner();
    assert!(!first.token.is_empty() && first.notice.is_empty());
    let second = operator.create_join_token(ask(60, "r1")).await.unwrap();
    let second = second.into_inner();
    assert_eq!(
        (second.token.as_str(), second.expires_at),
        ("", first.expires_at)
    );
    assert!(second.notice.contains("not kept"), "{}", second.notice);
    let other = operator.create_join_token(ask(61, "r1")).await.unwrap_err();
    assert_eq!(other.code(), Code::AlreadyExists);
    let next = operator.create_join_token(ask(60, "r2")).await.unwrap();
    assert_ne!(next.into_inner().token, first.token);
    let other_team = house.operator().create_join_token(ask(61, "r1")).await;
    assert!(!other_team.unwrap().into_inner().token.is_empty());
}

testkit::on_each_engine!(
    only_a_silent_node_is_given_up_and_for_good,
    what_leaves_the_list_is_told_and_its_name_is_free,
    a_drain_may_have_a_deadline,
    one_request_makes_one_token,
);
