//! Who sees what, and what is refused with which words.

use billing::BillingConfig;
use chassis::auth::Principal;
use contracts::billing::v1 as wire;
use contracts::common::v1::Role;
use contracts::to_wire_time;
use kernel::id::{ProjectId, TeamId};
use testkit::{Engine, person};
use tokio_util::sync::CancellationToken;
use tonic::Code;

use crate::world::{World, attempt, usage};

async fn teams_see_their_own_usage_only(engine: Engine) {
    let world = World::start(engine).await;
    let (ours, theirs) = (TeamId::generate(), TeamId::generate());
    let attempts = [
        attempt(ours, "C1", world.now()),
        attempt(theirs, "C5", world.now()),
        attempt(theirs, "C5", world.now()),
    ];
    attempts
        .iter()
        .for_each(|attempt| world.scheduler.list(attempt));
    world.advance(60);
    assert_eq!(world.audit().await.attempts, 3);
    for (team, lines, micros) in [
        (ours, 1, 4_500),
        (theirs, 2, 160_000),
        (TeamId::generate(), 0, 0),
    ] {
        let mut viewer = world.client_of(world.billing(), person(team, Role::Viewer));
        let seen = usage(&mut viewer).await;
        assert_eq!(
            (seen.lines.len(), seen.total.unwrap().micros),
            (lines, micros)
        );
        let invoice = viewer
            .get_invoice(wire::GetInvoiceRequest::default())
            .await
            .unwrap()
            .into_inner();
        assert_eq!(invoice.lines.len(), lines.min(1));
        // Operators are members of their own team, not of all.
        let mut operator = world.operator();
        assert!(usage(&mut operator).await.lines.is_empty());
    }
    let mut owner = world.client_of(world.billing(), person(ours, Role::Owner));
    let refused = owner.run_audit(wire::RunAuditRequest {}).await.unwrap_err();
    assert_eq!(refused.code(), Code::PermissionDenied);
    let refused = owner
        .set_price(wire::SetPriceRequest::default())
        .await
        .unwrap_err();
    assert_eq!(refused.code(), Code::PermissionDenied);
}

async fn usage_of_projects_one_does_not_see_is_not_shown(engine: Engine) {
    let world = World::start(engine).await;
    let (team, project) = (TeamId::generate(), ProjectId::generate());
    let mut secret = attempt(team, "C5", world.now());
    secret.project_id = project.to_string();
    let open = attempt(team, "C1", world.now());
    for attempt in [&secret, &open] {
        world.scheduler.list(attempt);
    }
    world.advance(60);
    assert_eq!(world.audit().await.attempts, 2);
    for (role, lines, micros) in [
        (None, 2, 84_500),
        (Some(Role::Member), 2, 84_500),
        (Some(Role::Unspecified), 1, 4_500),
    ] {
        let Principal::User(mut user) = person(team, Role::Viewer) else {
            panic!("a person is a user")
        };
        user.projects.extend(role.map(|role| (project, role)));
        let mut viewer = world.client_of(world.billing(), Principal::User(user));
        let seen = usage(&mut viewer).await;
        let total = seen.total.unwrap().micros;
        assert_eq!((seen.lines.len(), total), (lines, micros), "{role:?}");
        // The invoice is of the whole team, or it is no invoice.
        let invoice = viewer.get_invoice(wire::GetInvoiceRequest::default()).await;
        if role == Some(Role::Unspecified) {
            let refused = invoice.unwrap_err();
            assert_eq!(refused.code(), Code::PermissionDenied);
            assert!(
                refused
                    .message()
                    .contains("an invoice is of the whole team"),
                "{refused}"
            );
        } else {
            let total = invoice.unwrap().into_inner().total.unwrap();
            assert_eq!(total.micros, 80_000, "84,500 rounded line by line");
        }
    }
}

async fn prices_that_are_wrong_are_named(engine: Engine) {
    let world = World::start(engine).await;
    let mut operator = world.operator();
    let mut refused_price = async |machine_type: &str, nanos_per_hour| {
        let request = wire::SetPriceRequest {
            machine_type: machine_type.to_owned(),
            nanos_per_hour,
        };
        operator
            .set_price(request)
            .await
            .unwrap_err()
            .message()
            .to_owned()
    };
    assert!(
        refused_price("", 1)
            .await
            .starts_with("machine_type: has 0 characters")
    );
    assert!(
        refused_price(&"x".repeat(65), 1)
            .await
            .starts_with("machine_type: has 65 characters")
    );
    assert!(
        refused_price("C1", -1)
            .await
            .starts_with("nanos_per_hour: is -1")
    );
}

async fn months_and_windows_that_are_wrong_are_named(engine: Engine) {
    let world = World::start(engine).await;
    let mut member = world.member(TeamId::generate());
    let invoice = wire::GetInvoiceRequest {
        month: "2026-13".to_owned(),
    };
    let refused = member.get_invoice(invoice).await.unwrap_err();
    assert_eq!(refused.code(), Code::InvalidArgument);
    assert!(
        refused
            .message()
            .starts_with("month: \"2026-13\" is not a month; expected YYYY-MM"),
        "{refused}"
    );
    let now = to_wire_time(world.now());
    let refused = member
        .get_usage(wire::GetUsageRequest {
            from: Some(now),
            to: Some(now),
        })
        .await
        .unwrap_err();
    assert!(
        refused
            .message()
            .starts_with("from: is 2026-03-10T12:00:00+00:00, which is not before `to`"),
        "{refused}"
    );
    let mut before_time = now;
    before_time.seconds = -1;
    let refused = member
        .get_usage(wire::GetUsageRequest {
            from: None,
            to: Some(before_time),
        })
        .await
        .unwrap_err();
    assert!(
        refused.message().starts_with("to: is not a time"),
        "{refused}"
    );
}

async fn the_first_prices_are_listed_and_the_currency_stays(engine: Engine) {
    let world = World::start(engine).await;
    let mut member = world.member(TeamId::generate());
    let prices = member
        .list_prices(wire::ListPricesRequest {})
        .await
        .unwrap()
        .into_inner()
        .prices;
    let of = |name: &str| {
        prices
            .iter()
            .find(|price| price.machine_type == name)
            .map(|price| price.nanos_per_hour)
    };
    assert_eq!(
        (of("C1"), of("H100x8"), of("Free-GPU"), of("house-gpu")),
        (Some(4_500_000), Some(47_600_000_000), Some(0), None)
    );
    assert!(prices.is_sorted_by_key(|price| price.machine_type.clone()));
    assert!(
        prices
            .iter()
            .all(|price| price.version == 1 && price.currency == "USD")
    );

    let euros = BillingConfig {
        currency: "EUR".to_owned(),
        ..world.config.clone()
    };
    let refused = billing::run(euros, world.clock.clone(), CancellationToken::new(), |_| ())
        .await
        .unwrap_err();
    assert_eq!(
        refused.to_string(),
        "currency: is \"EUR\", but the books are kept in USD"
    );
}

testkit::on_each_engine!(
    teams_see_their_own_usage_only,
    usage_of_projects_one_does_not_see_is_not_shown,
    prices_that_are_wrong_are_named,
    months_and_windows_that_are_wrong_are_named,
    the_first_prices_are_listed_and_the_currency_stays,
);
