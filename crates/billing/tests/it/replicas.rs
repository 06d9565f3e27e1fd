//! Several billings on one database, at the same time and one after the other.

use contracts::billing::v1 as wire;
use contracts::common::v1::Role;
use kernel::id::TeamId;
use testkit::{Engine, eventually, person};

use crate::world::{World, attempt, confirmed, ended, usage_when};

async fn two_replicas_bill_everything_once(engine: Engine) {
    let world = World::start(engine).await;
    let second = world.start_replica().await;
    let team = TeamId::generate();
    let over: Vec<_> = (1..=30)
        .map(|minutes| {
            let began = attempt(team, "C6", world.now());
            let over = ended(&began, world.now() + chrono::TimeDelta::minutes(minutes));
            (began, over)
        })
        .collect();
    for (began, _) in &over {
        world.scheduler.list(began);
        world.started(began).await;
    }
    for (_, over) in &over {
        world.scheduler.list(over);
        world.ended(over).await;
    }
    world.advance(60);
    let operators = [world.billing(), &second]
        .map(|billing| world.client_of(billing, person(TeamId::generate(), Role::Operator)));
    let audits = operators.clone().map(|mut operator| async move {
        operator
            .run_audit(wire::RunAuditRequest {})
            .await
            .unwrap()
            .into_inner()
    });
    for report in futures::future::join_all(audits).await {
        assert_eq!((report.attempts, report.differences), (30, Vec::new()));
    }
    let account = format!("team:{team}");
    // 465 minutes at 0.16 an hour; each attempt is floored to the micro-unit by itself.
    let owed: i64 = (1..=30).map(|minutes| minutes * 160_000 / 60).sum();
    let member = world.member(team);
    usage_when(&member, "all ends", |usage| {
        usage
            .total
            .as_ref()
            .is_some_and(|total| total.micros == owed)
    })
    .await;
    eventually("all postings", || async {
        (world.balance(&account).await == owed).then_some(())
    })
    .await;
    assert_eq!(world.audit().await.transactions, 30);
    let most = "SELECT MAX(rows) FROM (SELECT COUNT(*) AS rows FROM usage_inputs GROUP BY attempt_id) AS by_attempt";
    assert!(
        world.number(most).await <= 2,
        "a start and an end are two rows at most"
    );
}

async fn prices_set_at_once_are_versions_one_after_the_other(engine: Engine) {
    let world = World::start(engine).await;
    let second = world.start_replica().await;
    let replicas = [world.billing(), &second];
    let sets = (1..=12_i64).map(|nanos_per_hour| {
        let billing = replicas[usize::from(nanos_per_hour % 2 == 0)];
        let mut operator = world.client_of(billing, person(TeamId::generate(), Role::Operator));
        let request = wire::SetPriceRequest {
            machine_type: "house-cpu".to_owned(),
            nanos_per_hour,
        };
        async move {
            operator
                .set_price(request)
                .await
                .unwrap()
                .into_inner()
                .price
                .unwrap()
                .version
        }
    });
    let mut versions = futures::future::join_all(sets).await;
    versions.sort_unstable();
    assert_eq!(versions, (1..=12).collect::<Vec<_>>());
}

async fn a_restart_and_an_empty_bus_lose_nothing(engine: Engine) {
    let mut world = World::start(engine).await;
    let team = TeamId::generate();
    let began = attempt(team, "C5", world.now());
    world.scheduler.list(&began);
    assert_eq!(world.audit().await.attempts, 1);
    world.stop().await;

    // While billing is away one attempt ends and another comes and goes, and the bus forgets that it ever said so.
    world.advance(60);
    let over = ended(&began, world.now());
    world.scheduler.list(&over);
    world.ended(&over).await;
    let short = ended(
        &attempt(team, "C5", world.now()),
        world.now() + chrono::TimeDelta::minutes(30),
    );
    world.scheduler.list(&short);
    world.ended(&short).await;
    world.advance(60);
    world.nats.restart(true);
    world.start_again().await;

    let account = format!("team:{team}");
    eventually("both postings", || async {
        (world.balance(&account).await == 120_000).then_some(())
    })
    .await;
    let report = world.audit().await;
    assert_eq!(
        (report.attempts, report.transactions, report.differences),
        (2, 2, Vec::new())
    );
}

async fn the_loops_post_and_close_by_themselves(engine: Engine) {
    let mut world = World::start(engine).await;
    let team = TeamId::generate();
    let account = format!("team:{team}");
    let balance_is = async |world: &World, account: &str, micros: i64| {
        let what = format!("{account} at {micros}");
        eventually(&what, || async {
            (world.balance(account).await == micros).then_some(())
        })
        .await;
    };
    let began = attempt(team, "C1", world.now());
    world.advance(60);
    let running = confirmed(&began, world.now());
    world.started(&running).await;
    let listed = "SELECT COUNT(*) FROM attempts";
    eventually("the attempt", || async {
        (world.number(listed).await == 1).then_some(())
    })
    .await;

    // The loops begin with a round; it spares the wait for their time.
    world.stop().await;
    world.start_again().await;
    balance_is(&world, &account, 4_500).await;

    world.advance(30);
    world.ended(&ended(&running, world.now())).await;
    balance_is(&world, &account, 6_750).await;

    world.stop().await;
    world.advance(31 * 24 * 60);
    world.start_again().await;
    balance_is(&world, "rounding", -3_250).await;
    assert_eq!(world.balance(&account).await, 10_000);
}

testkit::on_each_engine!(
    two_replicas_bill_everything_once,
    prices_set_at_once_are_versions_one_after_the_other,
    a_restart_and_an_empty_bus_lose_nothing,
    the_loops_post_and_close_by_themselves,
);
