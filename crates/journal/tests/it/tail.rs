//! Tails: nothing is lost between a list and its tail, and a slow reader is sent away in words.

use contracts::common::v1::Role;
use contracts::journal::v1::journal_service_client::JournalServiceClient;
use contracts::journal::v1::{EventFilter, TailEventsRequest, TailEventsResponse};
use contracts::notebook::v1::NotebookState;
use journal::JournalConfig;
use kernel::id::TeamId;
use testkit::{Engine, eventually, person};
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Request, Streaming};

use crate::house::{Client, House, Story, list};

testkit::on_each_engine! {
    a_tail_goes_on_exactly_where_the_list_ended,
    a_tail_from_now_on_shows_what_comes_and_nothing_of_others,
    a_tail_hears_what_another_replica_writes_down,
    a_slow_reader_is_sent_away_and_goes_on_where_it_was,
    tails_are_bounded_in_number,
    a_stop_ends_tails_in_words,
}

async fn tail(client: &mut Client, after: &str) -> Streaming<TailEventsResponse> {
    let request = TailEventsRequest {
        filter: Some(EventFilter::default()),
        after: after.to_owned(),
    };
    client.tail_events(request).await.unwrap().into_inner()
}

/// Revisions of the next `count` events.
async fn revisions(stream: &mut Streaming<TailEventsResponse>, count: usize) -> Vec<u64> {
    let mut revisions = Vec::new();
    while revisions.len() < count {
        let event = stream.message().await.unwrap().unwrap().event.unwrap();
        revisions.push(event.revision);
    }
    revisions
}

async fn a_tail_goes_on_exactly_where_the_list_ended(engine: Engine) {
    let house = House::open(engine).await;
    let story = Story::new(TeamId::generate());
    let mut viewer = house.viewer(story.team);
    let telling = house.running(&story, 1..=60);
    // Lists in the middle of it, whenever that is.
    let reading = async {
        let listed = eventually("some events", || {
            let mut viewer = viewer.clone();
            async move {
                let answer = list(&mut viewer, EventFilter::default()).await.unwrap();
                (answer.events.len() > 5).then_some(answer)
            }
        })
        .await;
        let seen: Vec<u64> = listed.events.iter().map(|event| event.revision).collect();
        let mut stream = tail(&mut viewer.clone(), &listed.head).await;
        let rest = revisions(&mut stream, 60 - seen.len()).await;
        [seen, rest].concat()
    };
    let ((), seen) = tokio::join!(telling, reading);
    assert_eq!(seen, (1..=60).collect::<Vec<_>>());
    // Again from the start: more than one batch.
    let mut stream = tail(&mut viewer, "0").await;
    assert_eq!(
        revisions(&mut stream, 60).await,
        (1..=60).collect::<Vec<_>>()
    );
}

async fn a_tail_from_now_on_shows_what_comes_and_nothing_of_others(engine: Engine) {
    let house = House::open(engine).await;
    let (mine, theirs) = (
        Story::new(TeamId::generate()),
        Story::new(TeamId::generate()),
    );
    house.notebook(&mine, NotebookState::Running, 1).await;
    let mut viewer = house.viewer(mine.team);
    house.events(&mut viewer, EventFilter::default(), 1).await;
    let mut stream = tail(&mut viewer, "").await;
    house.notebook(&theirs, NotebookState::Running, 7).await;
    house.notebook(&mine, NotebookState::Running, 2).await;
    assert_eq!(revisions(&mut stream, 1).await, [2]);
}

async fn a_tail_hears_what_another_replica_writes_down(engine: Engine) {
    let mut house = House::open(engine).await;
    house.add_replica(JournalConfig::default()).await;
    let story = Story::new(TeamId::generate());
    let person = person(story.team, Role::Viewer);
    let mut first = tail(&mut house.client_of(0, &person), "").await;
    let mut second = tail(&mut house.client_of(1, &person), "").await;
    house.running(&story, 1..=20).await;
    let sorted = |mut revisions: Vec<u64>| {
        revisions.sort_unstable();
        revisions
    };
    let expected: Vec<_> = (1..=20).collect();
    // Two replicas handle events side by side: each tail has all of them, in the order of the journal.
    let one = revisions(&mut first, 20).await;
    assert_eq!(one, revisions(&mut second, 20).await);
    assert_eq!(sorted(one), expected);
}

async fn a_slow_reader_is_sent_away_and_goes_on_where_it_was(engine: Engine) {
    let config = JournalConfig {
        slow_reader_ms: 1,
        tails: 1,
        ..JournalConfig::default()
    };
    let house = House::with(engine, config).await;
    let story = Story::new(TeamId::generate());
    // More than the connection's windows, the server's buffers and the tail's hold.
    const TOLD: usize = 300;
    let events = (1..=TOLD as u64).map(|revision| story.talkative(revision));
    house.nats.send(events).await;
    let mut reader = Narrow::new(&house, &story);
    let mut stream = reader.tail("0").await;
    let mut seen = Vec::new();
    let mut cursor = "0".to_owned();
    let mut sent_away = 0;
    while seen.len() < TOLD {
        match stream.message().await {
            Ok(Some(answer)) => {
                let event = answer.event.unwrap();
                seen.push(event.revision);
                cursor = event.cursor;
                if seen.len() == 1 {
                    // Takes nothing until the journal has given up: then there is room for another tail.
                    reader.tail(&cursor).await;
                }
            }
            Ok(None) => panic!("the tail ended without a word"),
            Err(status) => {
                assert_eq!(status.code(), Code::ResourceExhausted, "{status}");
                assert!(status.message().contains("go on from the last cursor"));
                sent_away += 1;
                stream = reader.tail(&cursor).await;
            }
        }
    }
    assert_eq!(seen, (1..=TOLD as u64).collect::<Vec<_>>());
    assert!(sent_away >= 1);
}

/// A reader whose connection holds little.
struct Narrow {
    client: JournalServiceClient<Channel>,
    token: String,
}

impl Narrow {
    fn new(house: &House, story: &Story) -> Self {
        let endpoint = Endpoint::from_shared(house.replicas[0].address().to_string());
        let channel = endpoint
            .unwrap()
            .initial_stream_window_size(65_535)
            .connect_lazy();
        let token = house.identity.token(&person(story.team, Role::Viewer));
        Self {
            client: JournalServiceClient::new(channel),
            token: format!("Bearer {token}"),
        }
    }

    /// A tail, once there is room for one.
    async fn tail(&mut self, after: &str) -> Streaming<TailEventsResponse> {
        eventually("room for a tail", || {
            let mut request = Request::new(TailEventsRequest {
                filter: None,
                after: after.to_owned(),
            });
            let token = self.token.parse().unwrap();
            request.metadata_mut().insert("authorization", token);
            let mut client = self.client.clone();
            async move { client.tail_events(request).await.ok() }
        })
        .await
        .into_inner()
    }
}

async fn tails_are_bounded_in_number(engine: Engine) {
    let config = JournalConfig {
        tails: 1,
        ..JournalConfig::default()
    };
    let house = House::with(engine, config).await;
    let mut viewer = house.viewer(TeamId::generate());
    let first = tail(&mut viewer, "").await;
    let refusal = viewer
        .tail_events(TailEventsRequest::default())
        .await
        .unwrap_err();
    assert_eq!(refusal.code(), Code::ResourceExhausted);
    // Who goes away makes room.
    drop(first);
    eventually("room for another", || {
        let mut viewer = viewer.clone();
        async move {
            viewer
                .tail_events(TailEventsRequest::default())
                .await
                .ok()
                .map(|_| ())
        }
    })
    .await;
}

async fn a_stop_ends_tails_in_words(engine: Engine) {
    let mut house = House::open(engine).await;
    let mut stream = tail(&mut house.viewer(TeamId::generate()), "").await;
    let replica = house.replicas.remove(0);
    let (stopped, ended) = tokio::join!(replica.stop(), stream.message());
    stopped.unwrap();
    let status = ended.unwrap_err();
    assert_eq!(status.code(), Code::Unavailable);
    assert!(
        status.message().contains("go on from the last cursor"),
        "{status}"
    );
}
