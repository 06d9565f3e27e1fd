//! From an event to an invoice that is proved.

use contracts::billing::v1 as wire;
use contracts::billing::v1::PriceChanged;
use contracts::common::v1::Money;
use contracts::scheduler::v1::Attempt;
use contracts::to_wire_time;
use kernel::Micros;
use kernel::id::TeamId;
use testkit::{Engine, eventually};

use crate::world::{World, attempt, confirmed, ended, usage, usage_when};

fn usd(micros: i64) -> Option<Money> {
    Some(Money::new(Micros(micros), "USD"))
}

async fn invoice(client: &mut crate::world::Client, month: &str) -> wire::GetInvoiceResponse {
    client
        .get_invoice(wire::GetInvoiceRequest {
            month: month.to_owned(),
        })
        .await
        .unwrap()
        .into_inner()
}

async fn an_attempt_becomes_an_invoice(engine: Engine) {
    let world = World::start(engine).await;
    let team = TeamId::generate();
    let mut member = world.member(team);
    let running = attempt(team, "C1", world.now());
    world.scheduler.list(&running);
    world.started(&running).await;
    world.advance(60);
    let seen = usage_when(&member, "the attempt", |usage| usage.lines.len() == 1).await;
    let line = &seen.lines[0];
    assert_eq!(
        (line.milliseconds, line.amount.clone(), line.running),
        (3_600_000, usd(4_500), true)
    );
    assert_eq!(
        (line.resource_id.as_str(), line.attempt_id.as_str()),
        (running.owner_id.as_str(), running.id.as_str())
    );
    assert_eq!(
        (
            line.machine_type.as_str(),
            line.nanos_per_hour,
            line.price_version
        ),
        ("C1", 4_500_000, 1)
    );

    world.advance(30);
    let over = ended(&running, world.now());
    world.scheduler.list(&over);
    world.ended(&over).await;
    world.advance(600);
    let seen = usage_when(&member, "the end", |usage| {
        usage.lines.iter().all(|line| !line.running)
    })
    .await;
    assert_eq!(
        (seen.lines[0].milliseconds, seen.total),
        (5_400_000, usd(6_750))
    );
    let account = format!("team:{team}");
    eventually("the posting", || async {
        (world.balance(&account).await == 6_750).then_some(())
    })
    .await;

    let open = invoice(&mut member, "").await;
    assert_eq!(
        (open.month.as_str(), open.open, open.lines.len()),
        ("2026-03", true, 1)
    );
    assert_eq!(
        (open.lines[0].exact.clone(), open.lines[0].amount.clone()),
        (usd(6_750), usd(10_000))
    );
    assert_eq!((open.total, open.rounding), (usd(10_000), usd(-3_250)));

    let report = world.audit().await;
    assert_eq!((report.attempts, report.transactions), (1, 1));
    assert_eq!(report.differences, Vec::<String>::new());
    assert_eq!(world.balance("rounding").await, 0, "the month is not over");
}

/// What single resources cost is the same to the micro-unit before and after their charges are settled, however many runs they had.
async fn single_resources_cost_what_all_their_runs_cost(engine: Engine) {
    let world = World::start(engine).await;
    let team = TeamId::generate();
    let mut member = world.member(team);
    let first = attempt(team, "C1", world.now());
    let idle = "nb-never-ran".to_owned();
    world.scheduler.list(&first);
    world.started(&first).await;
    let asked = || wire::GetResourceCostsRequest {
        resource_ids: vec![first.owner_id.clone(), idle.clone()],
    };
    let mut costs = async || {
        let answer = member.get_resource_costs(asked()).await.unwrap();
        answer.into_inner().costs
    };
    world.advance(60);
    let cost = |total, running: Option<i64>| wire::ResourceCost {
        resource_id: first.owner_id.clone(),
        total: usd(total),
        running: running.and_then(usd),
    };
    eventually("what runs", || async {
        (world.number("SELECT COUNT(*) FROM attempts").await == 1).then_some(())
    })
    .await;
    assert_eq!(costs().await, [cost(4_500, Some(4_500))]);

    world.ended(&ended(&first, world.now())).await;
    world.scheduler.list(&ended(&first, world.now()));
    let settled = "SELECT COUNT(*) FROM attempts WHERE settled_at IS NOT NULL";
    eventually("the charge to be settled", || async {
        (world.number(settled).await == 1).then_some(())
    })
    .await;
    assert_eq!(costs().await, [cost(4_500, None)]);

    // The same notebook runs again; another team's is not told of.
    let second = Attempt {
        owner_id: first.owner_id.clone(),
        ..attempt(team, "C1", world.now())
    };
    let theirs = Attempt {
        owner_id: first.owner_id.clone(),
        ..attempt(TeamId::generate(), "C1", world.now())
    };
    for attempt in [&second, &theirs] {
        world.scheduler.list(attempt);
        world.started(attempt).await;
    }
    world.advance(20);
    eventually("both runs", || async {
        (world.number("SELECT COUNT(*) FROM attempts").await == 3).then_some(())
    })
    .await;
    assert_eq!(costs().await, [cost(6_000, Some(1_500))]);
    let too_many = wire::GetResourceCostsRequest {
        resource_ids: vec![idle.clone(); 1_001],
    };
    let refused = world
        .member(team)
        .get_resource_costs(too_many)
        .await
        .unwrap_err();
    assert!(
        refused.message().starts_with("resource_ids: are 1001"),
        "{refused}"
    );
}

async fn a_month_that_is_over_is_rounded_once_and_again_when_money_comes_late(engine: Engine) {
    let world = World::start(engine).await;
    let team = TeamId::generate();
    let mut member = world.member(team);
    let account = format!("team:{team}");
    // From March into April at 0.16 an hour: whole cents in both months.
    let long = attempt(team, "C6", world.now());
    world.scheduler.list(&long);
    world.advance(22 * 24 * 60);
    world.scheduler.list(&ended(&long, world.now()));
    assert_eq!(world.audit().await.differences, Vec::<String>::new());
    let (march, april) = (
        invoice(&mut member, "2026-03").await,
        invoice(&mut member, "2026-04").await,
    );
    assert_eq!(
        (march.open, march.lines[0].milliseconds),
        (false, 516 * 3_600_000)
    );
    assert_eq!(
        (april.open, april.lines[0].milliseconds),
        (true, 12 * 3_600_000)
    );
    assert_eq!(world.balance(&account).await, 528 * 160_000);
    assert_eq!(world.balance("rounding").await, 0, "nothing to round");

    // An agent that was away reports late what ran in March: 90 minutes of C1.
    let march_10th = crate::world::noon();
    let late = ended(
        &attempt(team, "C1", march_10th),
        march_10th + chrono::TimeDelta::minutes(90),
    );
    world.scheduler.list(&late);
    for _ in 0..2 {
        let report = world.audit().await;
        assert_eq!(
            (report.transactions, report.differences.as_slice()),
            (3, [].as_slice())
        );
        let march = invoice(&mut member, "2026-03").await;
        assert_eq!((march.lines.len(), march.rounding), (2, usd(-3_250)));
        assert_eq!(world.balance("rounding").await, -3_250);
        assert_eq!(world.balance(&account).await, 528 * 160_000 + 10_000);
        assert_eq!(
            world.balance("revenue:compute").await,
            -(528 * 160_000 + 6_750)
        );
    }
}

async fn set_price(world: &World, machine_type: &str, nanos_per_hour: i64) -> wire::Price {
    let request = wire::SetPriceRequest {
        machine_type: machine_type.to_owned(),
        nanos_per_hour,
    };
    world
        .operator()
        .set_price(request)
        .await
        .unwrap()
        .into_inner()
        .price
        .unwrap()
}

async fn a_price_that_changes_in_the_middle_cuts_the_line(engine: Engine) {
    let world = World::start(engine).await;
    let team = TeamId::generate();
    let running = attempt(team, "house-gpu", world.now());
    world.scheduler.list(&running);
    world.advance(60);
    let first = set_price(&world, "house-gpu", 600_000_000).await;
    let loud = set_price(&world, "HOUSE-GPU", 600_000_000).await;
    assert_eq!(loud, first, "letters of another size name the same type");
    assert_eq!(
        (first.version, first.valid_from),
        (1, Some(to_wire_time(world.now())))
    );
    let again = set_price(&world, "house-gpu", 600_000_000).await;
    assert_eq!(again, first, "the same price again is the same version");
    world.advance(60);
    let second = set_price(&world, "house-gpu", 1_200_000_000).await;
    world.advance(30);
    world.scheduler.list(&ended(&running, world.now()));
    world.advance(30);
    assert_eq!(world.audit().await.differences, Vec::<String>::new());

    let mut member = world.member(team);
    let seen = usage(&mut member).await;
    let lines = seen
        .lines
        .iter()
        .map(|line| (line.price_version, line.milliseconds, line.amount.clone()));
    let expected = [
        (0, 3_600_000, usd(0)),
        (1, 3_600_000, usd(600_000)),
        (2, 1_800_000, usd(600_000)),
    ];
    assert_eq!(lines.collect::<Vec<_>>(), expected);
    assert_eq!(seen.lines[1].until, seen.lines[2].from);
    let month = invoice(&mut member, "2026-03").await;
    assert_eq!((month.lines.len(), month.total), (3, usd(1_200_000)));
    eventually("both changes as events", || async {
        let heard = world
            .nats
            .events::<PriceChanged>()
            .await
            .into_iter()
            .filter_map(|event| event.price);
        (heard.collect::<Vec<_>>() == [first.clone(), second.clone()]).then_some(())
    })
    .await;
}

async fn what_was_posted_too_far_or_at_the_old_price_is_posted_right(engine: Engine) {
    let world = World::start(engine).await;
    let team = TeamId::generate();
    let account = format!("team:{team}");
    // The scheduler's clock is ten minutes ahead, and it is posted as far as that.
    let running = attempt(team, "C5", world.now());
    world.advance(50);
    let ahead = confirmed(&running, world.now() + chrono::TimeDelta::minutes(10));
    world.scheduler.list(&ahead);
    assert_eq!(world.audit().await.differences, Vec::<String>::new());
    assert_eq!(world.balance(&account).await, 80_000);

    set_price(&world, "C5", 800_000_000).await;
    let report = world.audit().await;
    assert_eq!((report.transactions, report.differences), (3, Vec::new()));
    // 50 minutes at 0.08 and 10 minutes at 0.80, each floored to the micro-unit.
    assert_eq!(world.balance(&account).await, 66_666 + 133_333);

    // In the end it ran for 30 minutes only: all beyond is taken back.
    world.scheduler.list(&Attempt {
        revision: 9,
        ..ended(
            &running,
            crate::world::noon() + chrono::TimeDelta::minutes(30),
        )
    });
    assert_eq!(world.audit().await.differences, Vec::<String>::new());
    assert_eq!(world.balance(&account).await, 40_000);
    assert_eq!(world.balance("revenue:compute").await, -40_000);
    assert_eq!(usage(&mut world.member(team)).await.total, usd(40_000));
}

async fn windows_add_up(engine: Engine) {
    let world = World::start(engine).await;
    let team = TeamId::generate();
    let mut member = world.member(team);
    let start = world.now();
    world.scheduler.list(&attempt(team, "A4000", start));
    world.audit().await;
    world.advance(600);
    let whole = usage(&mut member).await;
    assert_eq!(whole.total, usd(7_600_000));
    let cuts: Vec<_> = [
        0,
        1,
        17_000_001,
        9_999_999_999,
        12_345_678_901,
        36_000_000_000,
    ]
    .map(|micros| start + chrono::TimeDelta::microseconds(micros))
    .into();
    let (mut milliseconds, mut micros) = (0, 0);
    for pair in cuts.windows(2) {
        let window = wire::GetUsageRequest {
            from: Some(to_wire_time(pair[0])),
            to: Some(to_wire_time(pair[1])),
        };
        let part = member.get_usage(window).await.unwrap().into_inner();
        milliseconds += part.lines.iter().map(|line| line.milliseconds).sum::<u64>();
        micros += part.total.unwrap().micros;
    }
    assert_eq!(
        (milliseconds, micros),
        (whole.lines[0].milliseconds, 7_600_000)
    );
}

testkit::on_each_engine!(
    an_attempt_becomes_an_invoice,
    single_resources_cost_what_all_their_runs_cost,
    a_month_that_is_over_is_rounded_once_and_again_when_money_comes_late,
    a_price_that_changes_in_the_middle_cuts_the_line,
    what_was_posted_too_far_or_at_the_old_price_is_posted_right,
    windows_add_up,
);
