//! What arrives, in which order, how often, and from where, does not matter.

use contracts::common::v1::Money;
use contracts::scheduler::v1::{Attempt, WorkloadChanged};
use contracts::to_wire_time;
use kernel::Micros;
use kernel::id::TeamId;
use testkit::Engine;

use crate::world::{World, attempt, confirmed, ended, usage_when};

fn usd(micros: i64) -> Option<Money> {
    Some(Money::new(Micros(micros), "USD"))
}

async fn events_alone_are_enough_in_any_order(engine: Engine) {
    let world = World::start(engine).await;
    world.scheduler.set_silent(true);
    let team = TeamId::generate();
    let began = attempt(team, "C5", world.now());
    let over = ended(&began, world.now() + chrono::TimeDelta::hours(2));
    world.advance(600);
    // The end before the start, each several times, with others of the stream in between.
    world.ended(&over).await;
    world.publish(&WorkloadChanged::default(), &over).await;
    for _ in 0..3 {
        world.started(&began).await;
        world.ended(&over).await;
    }
    let last = attempt(team, "C1", world.now());
    world.started(&last).await;
    world.advance(1);
    let member = world.member(team);
    let seen = usage_when(&member, "both attempts", |usage| usage.lines.len() == 2).await;
    assert_eq!(
        (seen.lines[0].milliseconds, seen.lines[0].running),
        (7_200_000, false)
    );
    assert_eq!(seen.lines[0].amount, usd(160_000));
    assert_eq!(
        world.number("SELECT COUNT(*) FROM usage_inputs").await,
        2,
        "one row for each change of the facts"
    );

    world.scheduler.set_silent(false);
    world.scheduler.list(&over);
    world.scheduler.list(&last);
    assert_eq!(world.audit().await.differences, Vec::<String>::new());
    assert_eq!(world.balance(&format!("team:{team}")).await, 160_000);
}

async fn the_list_alone_is_enough(engine: Engine) {
    let world = World::start(engine).await;
    let team = TeamId::generate();
    let attempts: Vec<Attempt> = (0..7).map(|_| attempt(team, "C1", world.now())).collect();
    attempts
        .iter()
        .for_each(|attempt| world.scheduler.list(attempt));
    let never_ran = Attempt {
        billable_from: None,
        ..attempt(team, "C1", world.now())
    };
    world.scheduler.list(&never_ran);
    let unreadable = Attempt {
        team_id: "nobody".to_owned(),
        ..attempt(team, "C1", world.now())
    };
    world.scheduler.list(&unreadable);
    let behind_it = attempt(team, "C1", world.now());
    world.scheduler.list(&behind_it);
    world.advance(60);
    let member = world.member(team);
    let seen = usage_when(&member, "all attempts", |usage| usage.lines.len() == 8).await;
    assert_eq!(seen.total, usd(8 * 4_500));

    let report = world.audit().await;
    assert_eq!(report.attempts, 8);
    assert_eq!(report.differences.len(), 1, "{:?}", report.differences);
    assert!(
        report.differences[0].contains(&unreadable.id) && report.differences[0].contains("team_id")
    );
}

async fn silence_is_not_shown_as_use_until_it_is_known(engine: Engine) {
    let world = World::start(engine).await;
    let team = TeamId::generate();
    let began = attempt(team, "C5", world.now());
    let silent_since = world.now() + chrono::TimeDelta::minutes(30);
    let silent = Attempt {
        unreachable_since: Some(to_wire_time(silent_since)),
        ..confirmed(&began, silent_since)
    };
    world.scheduler.list(&silent);
    world.advance(120);
    world.audit().await;
    let member = world.member(team);
    let half = usage_when(&member, "the attempt", |usage| usage.lines.len() == 1).await;
    assert_eq!(
        (half.lines[0].milliseconds, half.lines[0].running),
        (1_800_000, true)
    );
    assert_eq!(world.balance(&format!("team:{team}")).await, 40_000);

    let back = Attempt {
        unreachable_since: None,
        ..confirmed(&silent, world.now())
    };
    world.scheduler.list(&back);
    assert_eq!(world.audit().await.differences, Vec::<String>::new());
    let all = usage_when(&member, "all of it", |usage| usage.total == usd(160_000)).await;
    assert_eq!(all.lines[0].milliseconds, 7_200_000);
    assert_eq!(world.balance(&format!("team:{team}")).await, 160_000);
}

testkit::on_each_engine!(
    events_alone_are_enough_in_any_order,
    the_list_alone_is_enough,
    silence_is_not_shown_as_use_until_it_is_known,
);
