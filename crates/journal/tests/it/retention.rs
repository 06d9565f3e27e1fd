//! Events are kept for as long as is configured, and not longer.

use chrono::TimeDelta;
use contracts::journal::v1::EventFilter;
use contracts::notebook::v1::NotebookState;
use journal::JournalConfig;
use kernel::Clock as _;
use kernel::id::TeamId;
use testkit::{Engine, eventually};

use crate::house::{House, Story, about, list};

testkit::on_each_engine! { old_events_are_forgotten_with_what_they_name }

async fn old_events_are_forgotten_with_what_they_name(engine: Engine) {
    let config = || JournalConfig {
        keep_days: 2,
        ..JournalConfig::default()
    };
    let mut house = House::with(engine, config()).await;
    let (old, new) = (
        Story::new(TeamId::generate()),
        Story::new(TeamId::generate()),
    );
    house.running(&old, 1..=3).await;
    let mut operator = house.operator();
    house.events(&mut operator, EventFilter::default(), 3).await;

    house.clock.advance(TimeDelta::days(3));
    let now = house.clock.now();
    let event = new.envelope(NotebookState::Running, 1, now);
    house.nats.send([event]).await;
    // A fresh start looks at once; the running one would within minutes.
    house.replicas.remove(0).stop().await.unwrap();
    house.add_replica(config()).await;
    let mut operator = house.operator();
    let kept = eventually("the old events to go", || {
        let mut operator = operator.clone();
        async move {
            let all = list(&mut operator, EventFilter::default()).await.unwrap();
            (all.events.len() == 1).then_some(all.events)
        }
    })
    .await;
    assert_eq!(kept[0].object_id, new.notebook);
    assert_eq!(
        list(&mut operator, about(&old.notebook))
            .await
            .unwrap()
            .events,
        []
    );
}
