//! Timelines: what belongs to an object, in order, for those who may see it.

use bus::Envelope;
use contracts::journal::v1::{EventFilter, TailEventsRequest};
use contracts::notebook::v1::NotebookState;
use journal::JournalConfig;
use kernel::Clock as _;
use kernel::id::{ProjectId, TeamId};
use kernel::time::SystemClock;
use testkit::Engine;
use tonic::Code;

use crate::house::{House, Story, about, list, page};

testkit::on_each_engine! {
    a_notebook_has_a_timeline_with_its_workload_and_attempts,
    teams_see_their_own_events_and_operators_all,
    who_is_shut_out_of_a_project_does_not_hear_of_it,
    events_are_filtered_by_type_beginning_and_time,
    pages_show_the_journal_as_it_was_at_the_first,
    two_replicas_write_each_event_down_once,
    unknown_types_are_kept_without_their_content,
}

async fn a_notebook_has_a_timeline_with_its_workload_and_attempts(engine: Engine) {
    let house = House::open(engine).await;
    let (story, other) = (
        Story::new(TeamId::generate()),
        Story::new(TeamId::generate()),
    );
    house.notebook(&story, NotebookState::Pending, 1).await;
    house.notebook(&other, NotebookState::Pending, 1).await;
    house.run(&story).await;
    house.notebook(&story, NotebookState::Running, 2).await;
    let mut viewer = house.viewer(story.team);
    let events = house.events(&mut viewer, about(&story.notebook), 4).await;
    let told: Vec<_> = events
        .iter()
        .map(|event| {
            (
                event.object_id.as_str(),
                event.summary.as_str(),
                event.revision,
            )
        })
        .collect();
    let expected = [
        (story.notebook.as_str(), "notebook \"first\" is Pending", 1),
        (
            story.workload.as_str(),
            "workload (notebook) is unspecified",
            1,
        ),
        (
            story.attempt.as_str(),
            "attempt 1 answers on ; it costs from now on, as ",
            2,
        ),
        (story.notebook.as_str(), "notebook \"first\" is Running", 2),
    ];
    assert_eq!(told, expected);
    assert!(events.windows(2).all(|pair| {
        let at = |number: usize| {
            pair[number]
                .time
                .as_ref()
                .map(|time| (time.seconds, time.nanos))
        };
        at(0) <= at(1)
    }));
    assert!(
        events
            .iter()
            .all(|event| event.team_id == story.team.to_string())
    );
    assert!(events.iter().all(|event| !event.data.contains("hunter2")));
    assert!(
        events[3].data.contains("NOTEBOOK_STATE_RUNNING"),
        "{}",
        events[3].data
    );

    let attempt = house.events(&mut viewer, about(&story.attempt), 1).await;
    assert_eq!(attempt[0].id, events[2].id);
}

async fn teams_see_their_own_events_and_operators_all(engine: Engine) {
    let house = House::open(engine).await;
    let (mine, theirs) = (
        Story::new(TeamId::generate()),
        Story::new(TeamId::generate()),
    );
    house.notebook(&mine, NotebookState::Running, 1).await;
    house.notebook(&theirs, NotebookState::Running, 1).await;
    let mut operator = house.operator();
    house.events(&mut operator, EventFilter::default(), 2).await;

    let mut viewer = house.viewer(mine.team);
    let seen = house.events(&mut viewer, EventFilter::default(), 1).await;
    assert_eq!(seen[0].object_id, mine.notebook);
    let of_team = |team: TeamId| EventFilter {
        team_id: team.into(),
        ..EventFilter::default()
    };
    house.events(&mut viewer, of_team(mine.team), 1).await;
    house.events(&mut operator, of_team(theirs.team), 1).await;
    for hidden in [
        of_team(theirs.team),
        about(&theirs.notebook),
        about("nb-0000"),
    ] {
        assert_eq!(list(&mut viewer, hidden).await.unwrap().events, []);
    }
}

async fn who_is_shut_out_of_a_project_does_not_hear_of_it(engine: Engine) {
    let house = House::open(engine).await;
    let project = ProjectId::generate();
    let open = Story::new(TeamId::generate());
    let hidden = Story {
        project: project.to_string(),
        ..Story::new(open.team)
    };
    let mut shut_out = house.shut_out(open.team, project);
    let tail = TailEventsRequest::default();
    let mut tail = shut_out.tail_events(tail).await.unwrap().into_inner();
    house.notebook(&hidden, NotebookState::Running, 1).await;
    house.run(&hidden).await;
    // Of what cannot be read, nobody knows where it belongs.
    let unknown = Envelope {
        ce_type: "quire.notebook.v1.NotebookDreamed".to_owned(),
        ..hidden.envelope(NotebookState::Running, 2, SystemClock.now())
    };
    house.nats.send([unknown]).await;
    house.notebook(&open, NotebookState::Running, 1).await;
    let mut viewer = house.viewer(open.team);
    house.events(&mut viewer, EventFilter::default(), 5).await;

    let seen = list(&mut shut_out, EventFilter::default()).await.unwrap();
    let objects: Vec<_> = seen.events.iter().map(|event| &event.object_id).collect();
    assert_eq!(objects, [&open.notebook]);
    for object in [&hidden.notebook, &hidden.workload, &hidden.attempt] {
        let about = list(&mut shut_out, about(object)).await.unwrap();
        assert_eq!(about.events, []);
    }
    let first = tail.message().await.unwrap().unwrap().event.unwrap();
    assert_eq!(first.object_id, open.notebook, "what came before is hidden");
}

async fn events_are_filtered_by_type_beginning_and_time(engine: Engine) {
    let house = House::open(engine).await;
    let story = Story::new(TeamId::generate());
    house.run(&story).await;
    house.notebook(&story, NotebookState::Running, 1).await;
    let mut viewer = house.viewer(story.team);
    let all = house.events(&mut viewer, about(&story.notebook), 3).await;

    let of_types = |types: &[&str]| EventFilter {
        types: types.iter().map(|&name| name.to_owned()).collect(),
        ..EventFilter::default()
    };
    let short = of_types(&["AttemptStarted", "NotebookChanged"]);
    house.events(&mut viewer, short, 2).await;
    let full = of_types(&["quire.scheduler.v1.AttemptStarted"]);
    house.events(&mut viewer, full, 1).await;
    let none = of_types(&["AttemptEnded"]);
    assert_eq!(list(&mut viewer, none).await.unwrap().events, []);

    let beginning = &story.notebook[..20];
    house.events(&mut viewer, about(beginning), 3).await;
    let later = EventFilter {
        from: all[2].time,
        ..EventFilter::default()
    };
    let found = house.events(&mut viewer, later, 1).await;
    assert_eq!(found[0].id, all[2].id);

    for (wrong, field) in [(about("nb_%"), "object: "), (of_types(&[""]), "types: ")] {
        let refusal = list(&mut viewer, wrong).await.unwrap_err();
        assert_eq!(refusal.code(), Code::InvalidArgument);
        assert!(
            refusal.message().starts_with(field),
            "{}",
            refusal.message()
        );
    }
    let refusal = page(&mut viewer, about(""), "x", 1, false)
        .await
        .unwrap_err();
    assert!(
        refusal.message().starts_with("after: "),
        "{}",
        refusal.message()
    );
}

async fn pages_show_the_journal_as_it_was_at_the_first(engine: Engine) {
    let house = House::open(engine).await;
    let story = Story::new(TeamId::generate());
    house.running(&story, 1..=5).await;
    let mut viewer = house.viewer(story.team);
    house.events(&mut viewer, EventFilter::default(), 5).await;
    for newest_first in [false, true] {
        let everything = EventFilter::default;
        let first = page(&mut viewer, everything(), "", 2, newest_first)
            .await
            .unwrap();
        let known = list(&mut viewer, everything()).await.unwrap().events.len();
        // What comes in between is for the tail.
        house.notebook(&story, NotebookState::Stopped, 9).await;
        house.events(&mut viewer, everything(), known + 1).await;
        let mut revisions: Vec<_> = first.events.iter().map(|event| event.revision).collect();
        let mut after = first.page.unwrap().next_page;
        while !after.is_empty() {
            let next = page(&mut viewer, everything(), &after, 2, newest_first)
                .await
                .unwrap();
            assert_eq!(next.head, first.head);
            revisions.extend(next.events.iter().map(|event| event.revision));
            after = next.page.unwrap().next_page;
        }
        assert_eq!(revisions.len(), known);
        if newest_first {
            revisions.reverse();
        }
        assert_eq!(revisions[..5], [1, 2, 3, 4, 5]);
    }
}

async fn two_replicas_write_each_event_down_once(engine: Engine) {
    let mut house = House::open(engine).await;
    house.add_replica(JournalConfig::default()).await;
    let story = Story::new(TeamId::generate());
    house.running(&story, 1..=40).await;
    let mut viewer = house.viewer(story.team);
    let events = house.events(&mut viewer, EventFilter::default(), 40).await;
    let mut cursors: Vec<u64> = events
        .iter()
        .map(|event| event.cursor.parse().unwrap())
        .collect();
    cursors.sort_unstable();
    assert_eq!(cursors, (1..=40).collect::<Vec<_>>());
}

async fn unknown_types_are_kept_without_their_content(engine: Engine) {
    let house = House::open(engine).await;
    let story = Story::new(TeamId::generate());
    let known = story.envelope(NotebookState::Running, 1, SystemClock.now());
    let dreamed = Envelope {
        ce_type: "quire.notebook.v1.NotebookDreamed".to_owned(),
        ..known
    };
    house.nats.send([dreamed]).await;
    let mut viewer = house.viewer(story.team);
    let events = house.events(&mut viewer, about(&story.notebook), 1).await;
    assert_eq!(events[0].r#type, "quire.notebook.v1.NotebookDreamed");
    assert_eq!(
        (events[0].data.as_str(), events[0].area.as_str()),
        ("", "notebook")
    );
    assert!(
        events[0].summary.starts_with("NotebookDreamed: "),
        "{}",
        events[0].summary
    );
}
