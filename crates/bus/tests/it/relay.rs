//! The outbox: what is committed is published, once it is committed, by one relay.

use testkit::{Engine, Nats, eventually};

use crate::house::{Store, changed, published};

testkit::on_each_engine! {
    what_was_committed_while_nobody_published_is_published_once,
    what_commits_later_is_published_though_its_id_is_lower,
    a_rolled_back_change_says_nothing,
    of_two_relays_one_works_and_the_other_takes_over,
    a_commit_wakes_the_relay,
    what_can_never_be_published_is_set_aside,
}

async fn what_was_committed_while_nobody_published_is_published_once(engine: Engine) {
    let (nats, store) = (Nats::start(), Store::open(engine).await);
    for revision in 1..=300 {
        store.commit("no-1", revision).await;
    }
    assert_eq!(store.count("sent_at IS NULL").await, 300);
    let relay = store.relay(&nats).await;
    eventually("an empty outbox", || async {
        (store.count("sent_at IS NULL").await == 0).then_some(())
    })
    .await;
    relay.stop().await;
    let expected: Vec<_> = (1..=300)
        .map(|revision| format!("no-1/{revision}"))
        .collect();
    assert_eq!(published(&nats).await, expected);
}

async fn what_commits_later_is_published_though_its_id_is_lower(engine: Engine) {
    // SQLite has one writer at a time: there, nobody can commit between.
    if engine == Engine::Sqlite {
        return;
    }
    let (nats, store) = (Nats::start(), Store::open(engine).await);
    let _relay = store.relay(&nats).await;
    let slow = store.database.begin().await.unwrap();
    store
        .outbox
        .append(&slow, &changed("no-slow", 1), "no-slow", None)
        .await
        .unwrap();
    store.commit("no-fast", 1).await;
    let fast = || async { (published(&nats).await == ["no-fast/1"]).then_some(()) };
    eventually("the event that committed first", fast).await;
    slow.commit().await.unwrap();
    store.outbox.nudge();
    eventually("the event that committed late", || async {
        (published(&nats).await == ["no-fast/1", "no-slow/1"]).then_some(())
    })
    .await;
}

async fn a_rolled_back_change_says_nothing(engine: Engine) {
    let (nats, store) = (Nats::start(), Store::open(engine).await);
    let _relay = store.relay(&nats).await;
    let transaction = store.database.begin().await.unwrap();
    store
        .outbox
        .append(&transaction, &changed("no-1", 1), "no-1", None)
        .await
        .unwrap();
    transaction.rollback().await.unwrap();
    store.commit("no-1", 2).await;
    eventually("the event of the commit", || async {
        (!published(&nats).await.is_empty()).then_some(())
    })
    .await;
    assert_eq!(published(&nats).await, ["no-1/2"]);
}

async fn of_two_relays_one_works_and_the_other_takes_over(engine: Engine) {
    let (nats, store) = (Nats::start(), Store::open(engine).await);
    let (first, second) = (store.relay(&nats).await, store.relay(&nats).await);
    for revision in 1..=20 {
        store.commit("no-1", revision).await;
    }
    eventually("all events", || async {
        (published(&nats).await.len() == 20).then_some(())
    })
    .await;
    assert_eq!(holders(&store).await, 1);
    first.stop().await;
    store.commit("no-1", 21).await;
    let last = || async { (published(&nats).await.len() == 21).then_some(()) };
    eventually("the event after one relay ended", last).await;
    second.stop().await;
    // Nothing twice: the server would have dropped it, the relays did not even try.
    assert_eq!(store.count("sent_at IS NULL").await, 0);
}

/// Programs that hold the lease of the outbox.
async fn holders(store: &Store) -> i64 {
    use sea_orm::{ConnectionTrait as _, Statement};
    let reader = store.database.reader();
    let statement = Statement::from_string(
        reader.get_database_backend(),
        "SELECT COUNT(*) AS count FROM leases WHERE name = 'outbox' AND epoch = 1",
    );
    let row = reader.query_one_raw(statement).await.unwrap().unwrap();
    row.try_get("", "count").unwrap()
}

async fn a_commit_wakes_the_relay(engine: Engine) {
    let (nats, store) = (Nats::start(), Store::open(engine).await);
    let _relay = store.relay(&nats).await;
    // Twenty commits, one after the other's event: a relay that looks on its timer alone would need a second for each.
    let started = std::time::Instant::now();
    for revision in 1..=20 {
        store.commit("no-1", revision).await;
        eventually("the event", || async {
            (published(&nats).await.len() == revision as usize).then_some(())
        })
        .await;
    }
    assert!(
        started.elapsed().as_secs() < 15,
        "{:?} for 20 commits",
        started.elapsed()
    );
}

async fn what_can_never_be_published_is_set_aside(engine: Engine) {
    let (nats, store) = (Nats::start(), Store::open(engine).await);
    // NATS takes a mebibyte where nobody configured it otherwise.
    let large = "no-".to_owned() + &"x".repeat(1 << 20);
    let transaction = store.database.begin().await.unwrap();
    store
        .outbox
        .append(&transaction, &changed(&large, 1), "no-large", None)
        .await
        .unwrap();
    transaction.commit().await.unwrap();
    store.commit("no-broken", 1).await;
    store
        .tamper("UPDATE outbox SET payload = '%' WHERE ce_subject = 'no-broken'")
        .await;
    store.commit("no-1", 1).await;
    let relay = store.relay(&nats).await;
    eventually("the event behind them", || async {
        (published(&nats).await == ["no-1/1"]).then_some(())
    })
    .await;
    eventually("both set aside, and nothing else unsent", || async {
        let refused = store.count("refused IS NOT NULL AND sent_at IS NULL").await;
        (refused == 2 && store.count("sent_at IS NULL").await == 2).then_some(())
    })
    .await;
    let told = "refused LIKE '%1048576%'";
    assert_eq!(store.count(told).await, 1, "the limit is told");
    relay.stop().await;

    // Another server takes larger ones.
    let roomy = Nats::configured("max_payload: 4MB\n");
    let _relay = store.relay(&roomy).await;
    eventually("the large event", || async {
        (published(&roomy).await.contains(&format!("{large}/1"))).then_some(())
    })
    .await;
    assert_eq!(store.count("refused IS NOT NULL").await, 1);
}
