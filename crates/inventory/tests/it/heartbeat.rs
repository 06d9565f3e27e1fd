//! Heartbeats, and what operators do to nodes.

use chassis::auth::Principal;
use contracts::common::v1::Role;
use contracts::inventory::v1::{
    HeartbeatRequest, ListNodesRequest, NodeChanged, NodeLiveness, NodeSchedulable,
    SetNodeSchedulableRequest, WarmPool, WarmPools,
};
use contracts::{from_wire_time, to_wire_time};
use kernel::Clock as _;
use kernel::id::{NodeId, TeamId};
use testkit::{Engine, eventually, person};
use tonic::Code;

use crate::house::{House, operator};

fn set(node: &str, schedulable: NodeSchedulable) -> SetNodeSchedulableRequest {
    SetNodeSchedulableRequest {
        node: node.to_owned(),
        schedulable: schedulable.into(),
        ..SetNodeSchedulableRequest::default()
    }
}

async fn a_heartbeat_says_what_there_is(engine: Engine) {
    let house = House::open(engine).await;
    let mut member = house.join("box").await;
    assert_eq!(member.say(member.report()).await.unwrap(), 20);
    let node = house.node(&member.id).await;
    let report = member.report();
    assert_eq!((node.liveness(), node.revision), (NodeLiveness::Ready, 2));
    assert_eq!(
        (node.hardware, node.boot_id, node.missing_isolation),
        (report.hardware, report.boot_id, report.missing_isolation)
    );
    assert_eq!(node.last_seen_at, Some(to_wire_time(house.clock.now())));
}

/// What waits on a node for notebooks changes with every start: it is shown, and is no change of the node.
async fn what_waits_is_shown_and_changes_nothing(engine: Engine) {
    let house = House::open(engine).await;
    let mut member = house.join("box").await;
    member.beat().await;
    assert_eq!(house.node(&member.id).await.warm, None, "it does not say");
    let saying = |ready: u32, report: HeartbeatRequest| {
        let pool = WarmPool {
            environment: "python".to_owned(),
            environment_digest: "d1".to_owned(),
            ready,
            wanted: 2,
            memory_mib: 70,
            failures: 0,
        };
        let warm = WarmPools {
            most: 4,
            reserved_mib: 1_024,
            pools: vec![pool],
        };
        HeartbeatRequest {
            warm: Some(warm),
            ..report
        }
    };
    for ready in [1, 0, 2] {
        let report = saying(ready, member.report());
        let warm = report.warm.clone();
        member.say(report).await.unwrap();
        let node = house.node(&member.id).await;
        assert_eq!((node.warm, node.revision), (warm, 2));
    }
    // A change by others leaves it as it is.
    let cordon = set("box", NodeSchedulable::Cordoned);
    let cordoned = house.operator().set_node_schedulable(cordon).await.unwrap();
    let node = cordoned.into_inner().node.unwrap();
    assert_eq!((node.warm.unwrap().pools[0].ready, node.revision), (2, 3));
    // One heartbeat can say both that the node is another one and what waits there.
    let mut smaller = saying(3, member.report());
    smaller.hardware.as_mut().unwrap().gpus.pop();
    member.say(smaller).await.unwrap();
    let node = house.node(&member.id).await;
    assert_eq!((node.warm.unwrap().pools[0].ready, node.revision), (3, 4));
    member.beat().await;
    assert_eq!(house.node(&member.id).await.warm, None, "it says no more");
}

/// Only a change makes a revision and an event; but each heartbeat counts.
async fn a_heartbeat_alone_changes_nothing(engine: Engine) {
    let house = House::open(engine).await;
    let mut member = house.join("box").await;
    for _ in 0..3 {
        member.beat().await;
        house.clock.advance(chrono::TimeDelta::seconds(1));
    }
    let node = house.node(&member.id).await;
    assert_eq!(node.revision, 2);
    let seen = from_wire_time("last_seen_at", node.last_seen_at.unwrap()).unwrap();
    assert_eq!(seen, house.clock.now() - chrono::TimeDelta::seconds(1));

    let rebooted = HeartbeatRequest {
        boot_id: "boot-2".to_owned(),
        ..member.report()
    };
    member.say(rebooted).await.unwrap();
    let mut smaller = member.report();
    smaller.hardware.as_mut().unwrap().gpus.pop();
    member.say(smaller).await.unwrap();
    let node = house.node(&member.id).await;
    assert_eq!((node.revision, node.hardware.unwrap().gpus.len()), (4, 1));
    let events = eventually("four events", || async {
        let events: Vec<NodeChanged> = house.nats.events().await;
        (events.len() == 4).then_some(events)
    })
    .await;
    let revisions: Vec<u64> = events
        .into_iter()
        .map(|event| event.node.unwrap().revision)
        .collect();
    assert_eq!(revisions, [1, 2, 3, 4]);
}

async fn a_node_speaks_of_itself_only(engine: Engine) {
    let house = House::open(engine).await;
    let (mut one, two) = (house.join("one").await, house.join("two").await);
    let refused = one.say(two.report()).await.unwrap_err();
    assert_eq!(refused.code(), Code::PermissionDenied);
    let refused = house.operator().heartbeat(one.report()).await.unwrap_err();
    assert_eq!(refused.code(), Code::PermissionDenied);

    let gone = NodeId::generate();
    let report = HeartbeatRequest {
        node_id: gone.into(),
        ..one.report()
    };
    let unknown = house
        .client(&Principal::Agent(gone))
        .heartbeat(report)
        .await
        .unwrap_err();
    assert_eq!(unknown.code(), Code::NotFound);

    let too_much = HeartbeatRequest {
        missing_isolation: vec!["x".to_owned(); 33],
        ..one.report()
    };
    for wrong in [
        too_much,
        HeartbeatRequest {
            hardware: None,
            ..one.report()
        },
    ] {
        assert_eq!(
            one.say(wrong).await.unwrap_err().code(),
            Code::InvalidArgument
        );
    }
    assert_eq!(house.node(&one.id).await.liveness(), NodeLiveness::Silent);
}

async fn operators_steer_nodes(engine: Engine) {
    let house = House::open(engine).await;
    let member = house.join("box").await;
    let mut operator = house.operator();
    let drained = operator
        .set_node_schedulable(set("box", NodeSchedulable::Draining))
        .await
        .unwrap()
        .into_inner();
    assert_eq!(
        drained.node.unwrap().schedulable(),
        NodeSchedulable::Draining
    );
    operator
        .set_node_schedulable(set(&member.id, NodeSchedulable::Draining))
        .await
        .unwrap();
    assert_eq!(
        house.node(&member.id).await.revision,
        2,
        "the same again is no change"
    );

    let unknown = operator
        .set_node_schedulable(set("nothing", NodeSchedulable::Open))
        .await
        .unwrap_err();
    assert_eq!(unknown.code(), Code::NotFound);
    let unsaid = operator
        .set_node_schedulable(set("box", NodeSchedulable::Unspecified))
        .await
        .unwrap_err();
    assert_eq!(unsaid.code(), Code::InvalidArgument);
}

async fn teams_do_not_see_nodes(engine: Engine) {
    let house = House::open(engine).await;
    house.join("box").await;
    let mut owner = house.client(&person(TeamId::generate(), Role::Owner));
    assert_eq!(
        owner
            .list_nodes(ListNodesRequest {})
            .await
            .unwrap_err()
            .code(),
        Code::PermissionDenied
    );
    let refused = owner
        .set_node_schedulable(set("box", NodeSchedulable::Open))
        .await
        .unwrap_err();
    assert_eq!(refused.code(), Code::PermissionDenied);
    let mut scheduler = house.client(&Principal::Service("scheduler".to_owned()));
    assert_eq!(
        scheduler
            .list_nodes(ListNodesRequest {})
            .await
            .unwrap()
            .into_inner()
            .nodes
            .len(),
        1
    );
}

/// The same news to two replicas at once is one change, whichever of them remembers what.
async fn racing_heartbeats_are_one_change(engine: Engine) {
    let house = House::open(engine).await;
    let member = house.join("box").await;
    let principal = Principal::Agent(member.id.parse().unwrap());
    let (mut one, mut two) = (
        house.client_of(0, &principal),
        house.client_of(1, &principal),
    );
    for round in 0..5 {
        let report = HeartbeatRequest {
            boot_id: format!("boot-{round}"),
            ..member.report()
        };
        let (first, second) = tokio::join!(one.heartbeat(report.clone()), two.heartbeat(report));
        first.and(second).unwrap();
        assert_eq!(house.node(&member.id).await.revision, 2 + round);
    }
}

/// An operator and a heartbeat at once: neither undoes the other.
async fn racing_changes_are_both_kept(engine: Engine) {
    let house = House::open(engine).await;
    let member = house.join("box").await;
    let mut operator = house.client_of(0, &operator());
    let mut agent = house.client_of(1, &Principal::Agent(member.id.parse().unwrap()));
    let wanted = [
        NodeSchedulable::Cordoned,
        NodeSchedulable::Open,
        NodeSchedulable::Draining,
    ];
    for (round, schedulable) in wanted.into_iter().enumerate() {
        let report = HeartbeatRequest {
            boot_id: format!("boot-{round}"),
            ..member.report()
        };
        let (set, heard) = tokio::join!(
            operator.set_node_schedulable(set(&member.id, schedulable)),
            agent.heartbeat(report.clone()),
        );
        set.unwrap();
        heard.unwrap();
        let node = house.node(&member.id).await;
        assert_eq!(
            (node.schedulable(), node.boot_id),
            (schedulable, report.boot_id)
        );
        assert_eq!(node.revision, 3 + 2 * round as u64);
    }
}

testkit::on_each_engine!(
    a_heartbeat_says_what_there_is,
    a_heartbeat_alone_changes_nothing,
    what_waits_is_shown_and_changes_nothing,
    a_node_speaks_of_itself_only,
    operators_steer_nodes,
    teams_do_not_see_nodes,
    racing_heartbeats_are_one_change,
    racing_changes_are_both_kept,
);
