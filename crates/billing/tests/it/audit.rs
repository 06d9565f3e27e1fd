//! Whatever is changed behind billing's back is found and named.

use contracts::scheduler::v1::Attempt;
use contracts::to_wire_time;
use kernel::id::TeamId;
use testkit::Engine;

use crate::world::{World, attempt, ended};

/// A team with one attempt of an hour at 0.60, posted; and the books clean.
async fn one_hour(world: &World) -> (TeamId, Attempt) {
    let team = TeamId::generate();
    let other = ended(
        &attempt(TeamId::generate(), "C3", world.now()),
        world.now() + chrono::TimeDelta::minutes(7),
    );
    let over = ended(
        &attempt(team, "C8", world.now()),
        world.now() + chrono::TimeDelta::hours(1),
    );
    world.scheduler.list(&other);
    world.scheduler.list(&over);
    world.advance(120);
    let report = world.audit().await;
    assert_eq!(
        (
            report.attempts,
            report.transactions,
            report.differences.len()
        ),
        (2, 2, 0)
    );
    (team, over)
}

fn assert_named(differences: &[String], parts: &[&str]) {
    let found = differences
        .iter()
        .any(|text| parts.iter().all(|part| text.contains(part)));
    assert!(found, "no sentence has {parts:?}: {differences:#?}");
}

async fn a_changed_raw_input_is_found(engine: Engine) {
    let world = World::start(engine).await;
    let (_, over) = one_hour(&world).await;
    let id = &over.id;
    world.tamper(&format!("UPDATE usage_inputs SET billable_until = billable_until + 3600000000 WHERE attempt_id = '{id}'")).await;
    let found = world.audit().await.differences;
    assert_named(&found, &[id, "raw input", "hashes to", "stored is"]);
    assert_named(&found, &[id, "owes 1.200000", "the ledger has 0.600000"]);
    assert_named(
        &found,
        &[
            id,
            "the scheduler has",
            "2026-03-10T13:00:00.000000Z",
            "2026-03-10T14:00:00.000000Z",
        ],
    );

    world
        .tamper(&format!(
            "DELETE FROM usage_inputs WHERE attempt_id = '{id}'"
        ))
        .await;
    let found = world.audit().await.differences;
    assert_named(
        &found,
        &[
            "the chain of raw inputs ends with number 1",
            "the books say 2",
        ],
    );
    assert_named(&found, &[id, "billing does not know it"]);
}

async fn a_changed_ledger_is_found(engine: Engine) {
    let world = World::start(engine).await;
    let (team, over) = one_hour(&world).await;
    let id = &over.id;
    world
        .tamper(&format!(
            "UPDATE ledger_entries SET micros = micros - 1 WHERE account = 'team:{team}'"
        ))
        .await;
    let found = world.audit().await.differences;
    assert_named(&found, &[id, "its entries sum to -0.000001"]);
    assert_named(&found, &[id, "owes 0.600000", "the ledger has 0.599999"]);
    assert_named(
        &found,
        &[&format!("account team:{team}"), "0.600000", "0.599999"],
    );

    // Balanced again, but still wrong.
    let of_team =
        format!("(SELECT transaction_id FROM ledger_entries WHERE account = 'team:{team}')");
    world.tamper(&format!("UPDATE ledger_entries SET micros = micros + 1 WHERE account = 'revenue:compute' AND transaction_id IN {of_team}")).await;
    let found = world.audit().await.differences;
    assert!(
        !found.iter().any(|text| text.contains("its entries sum")),
        "{found:?}"
    );
    assert_named(&found, &[id, "the ledger has 0.599999"]);
    assert_named(&found, &["account revenue:compute", "its balance is"]);

    // The running total follows, and still the raw inputs say otherwise.
    world
        .tamper(&format!(
            "UPDATE charges SET micros = micros - 1 WHERE attempt_id = '{id}'"
        ))
        .await;
    assert_named(
        &world.audit().await.differences,
        &[id, "owes 0.600000", "its running total is 0.599999"],
    );
}

async fn contradictions_are_kept_and_named_and_never_applied(engine: Engine) {
    let world = World::start(engine).await;
    let (team, over) = one_hour(&world).await;
    let longer = Attempt {
        billable_until: Some(to_wire_time(world.now())),
        revision: over.revision + 1,
        ..over.clone()
    };
    world.scheduler.list(&longer);
    for _ in 0..2 {
        let found = world.audit().await.differences;
        assert_named(
            &found,
            &[
                &over.id,
                "billable until 2026-03-10T14:00:00.000000Z, fixed is 2026-03-10T13:00:00.000000Z",
            ],
        );
        assert_named(&found, &[&over.id, "the scheduler has"]);
        assert_eq!(found.len(), 2, "{found:?}");
    }
    assert_eq!(world.number("SELECT COUNT(*) FROM usage_inputs").await, 3);
    assert_eq!(world.balance(&format!("team:{team}")).await, 600_000);
}

async fn invented_time_is_found(engine: Engine) {
    let world = World::start(engine).await;
    let running = attempt(TeamId::generate(), "C8", world.now());
    world.scheduler.list(&running);
    assert_eq!(world.audit().await.differences, Vec::<String>::new());
    world
        .tamper("UPDATE attempts SET confirmed_until = confirmed_until + 3600000000")
        .await;
    let found = world.audit().await.differences;
    assert_named(
        &found,
        &[
            &running.id,
            "ran until 2026-03-10T12:00:00.000000Z",
            "2026-03-10T13:00:00.000000Z",
        ],
    );

    world
        .tamper("UPDATE prices SET nanos_per_hour = 0 WHERE machine_type = 'C8'")
        .await;
    assert_named(
        &world.audit().await.differences,
        &[&running.id, "owes 0.000000", "0.600000"],
    );
}

async fn an_audit_needs_the_scheduler(engine: Engine) {
    let world = World::start(engine).await;
    world.scheduler.set_silent(true);
    let refused = world
        .operator()
        .run_audit(contracts::billing::v1::RunAuditRequest {})
        .await
        .unwrap_err();
    assert_eq!(refused.code(), tonic::Code::Unavailable);
}

testkit::on_each_engine!(
    a_changed_raw_input_is_found,
    a_changed_ledger_is_found,
    contradictions_are_kept_and_named_and_never_applied,
    invented_time_is_found,
    an_audit_needs_the_scheduler,
);
