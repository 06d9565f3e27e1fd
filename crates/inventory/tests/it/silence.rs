//! Silence: marked by the one observer, taken back by a heartbeat, never for a whole network at once.

use chrono::TimeDelta;
use contracts::inventory::v1::NodeChanged;
use contracts::inventory::v1::NodeLiveness::{self, Ready, Silent};
use kernel::{Clock as _, Timestamp};
use sea_orm::{ConnectionTrait as _, Statement};
use testkit::{Engine, eventually};

use crate::house::{House, Member};

/// Less than the lease, so that the observer stays the same, and than the timeout of 8 s.
const STEP: TimeDelta = TimeDelta::seconds(3);

/// Moves the clock on, and waits until the observer has looked at the new time: it renews its lease with each look.
async fn step(house: &House, database: &chassis::Database) {
    house.clock.advance(STEP);
    let now = house.clock.now();
    // The second look begins after the first has done all that it does.
    looked(database, now).await;
    house.clock.advance(TimeDelta::microseconds(1));
    looked(database, house.clock.now()).await;
}

async fn looked(database: &chassis::Database, at: Timestamp) {
    let lasts = TimeDelta::from_std(chassis::lease::LEASE_TIME).unwrap();
    eventually("a look of the observer", || async {
        let reader = database.reader();
        let sql = "SELECT expires_at FROM leases WHERE name = 'silence'";
        let row = reader
            .query_one_raw(Statement::from_string(reader.get_database_backend(), sql))
            .await
            .unwrap();
        let expires_at: i64 = row?.try_get("", "expires_at").unwrap();
        (expires_at >= (at + lasts).timestamp_micros()).then_some(())
    })
    .await;
}

async fn members(house: &House, count: usize) -> Vec<Member> {
    let mut members = Vec::new();
    for number in 0..count {
        let mut member = house.join(&format!("box{number}")).await;
        member.beat().await;
        members.push(member);
    }
    members
}

async fn beat(members: &mut [Member]) {
    for member in members {
        member.beat().await;
    }
}

async fn liveness(house: &House) -> Vec<NodeLiveness> {
    house
        .nodes()
        .await
        .iter()
        .map(|node| node.liveness())
        .collect()
}

async fn a_silent_node_is_marked_and_comes_back(engine: Engine) {
    let house = House::open(engine).await;
    let database = chassis::Database::open::<inventory::Migrator>(&house.database.url())
        .await
        .unwrap();
    let mut members = members(&house, 6).await;
    // Two timeouts of the observer's own time; five nodes go on.
    for _ in 0..6 {
        step(&house, &database).await;
        beat(&mut members[..5]).await;
    }
    step(&house, &database).await;
    assert_eq!(
        liveness(&house).await,
        [Ready, Ready, Ready, Ready, Ready, Silent]
    );

    beat(&mut members).await;
    assert_eq!(liveness(&house).await, [Ready; 6], "back at once");
    let history = eventually("the last event", || async {
        let events: Vec<NodeChanged> = house.nats.events().await;
        let of_node = events
            .into_iter()
            .map(|event| event.node.unwrap())
            .filter(|node| node.name == "box5");
        let history: Vec<_> = of_node
            .map(|node| (node.revision, node.liveness()))
            .collect();
        (history.len() == 4).then_some(history)
    })
    .await;
    assert_eq!(history, [(1, Silent), (2, Ready), (3, Silent), (4, Ready)]);
}

async fn an_observer_that_just_came_marks_nobody(engine: Engine) {
    let house = House::open(engine).await;
    let database = chassis::Database::open::<inventory::Migrator>(&house.database.url())
        .await
        .unwrap();
    members(&house, 1).await;
    // Long ago for the node; but the observer was away just as long.
    house.clock.advance(TimeDelta::minutes(5));
    for _ in 0..3 {
        step(&house, &database).await;
        assert_eq!(liveness(&house).await, [Ready]);
    }
    for _ in 0..4 {
        step(&house, &database).await;
    }
    assert_eq!(liveness(&house).await, [Silent]);
}

async fn a_broken_network_marks_nobody(engine: Engine) {
    let house = House::open(engine).await;
    let database = chassis::Database::open::<inventory::Migrator>(&house.database.url())
        .await
        .unwrap();
    let mut members = members(&house, 6).await;
    for _ in 0..8 {
        step(&house, &database).await;
        assert_eq!(liveness(&house).await, [Ready; 6]);
    }
    // Five come back: the sixth alone is no broken network.
    beat(&mut members[..5]).await;
    step(&house, &database).await;
    assert_eq!(
        liveness(&house).await,
        [Ready, Ready, Ready, Ready, Ready, Silent]
    );
}

testkit::on_each_engine!(
    a_silent_node_is_marked_and_comes_back,
    an_observer_that_just_came_marks_nobody,
    a_broken_network_marks_nobody,
);
