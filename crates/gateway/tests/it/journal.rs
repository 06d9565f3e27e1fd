//! Plays journal, and what REST makes of it.

use std::pin::Pin;

use chassis::Error;
use contracts::common::v1::PageInfo;
use contracts::journal::v1::journal_service_server::JournalService;
use contracts::journal::v1::*;
use prost_types::Timestamp;
use serde_json::json;
use tonic::{Request, Response, Status};

use crate::house::{House, OWNER, VIEWER};

type Reply<T> = Result<Response<T>, Status>;

/// Plays journal: says what it was asked for, and has one dead letter.
pub(crate) struct Journal;

fn at() -> Option<Timestamp> {
    Some(Timestamp {
        seconds: 1_790_000_000,
        nanos: 0,
    })
}

fn letter() -> DeadLetter {
    DeadLetter {
        id: 7,
        consumer: "billing-scheduler".to_owned(),
        r#type: "quire.scheduler.v1.AttemptEnded".to_owned(),
        object_id: "at-1".to_owned(),
        reason: "attempt: is missing".to_owned(),
        parked_at: at(),
        ..DeadLetter::default()
    }
}

#[tonic::async_trait]
impl JournalService for Journal {
    type TailEventsStream =
        Pin<Box<dyn futures::Stream<Item = Result<TailEventsResponse, Status>> + Send>>;

    async fn list_events(&self, request: Request<ListEventsRequest>) -> Reply<ListEventsResponse> {
        let asked = request.into_inner();
        let filter = asked.filter.unwrap_or_default();
        let page = asked.page.unwrap_or_default();
        let event = Event {
            cursor: "12".to_owned(),
            id: "ev-1".to_owned(),
            time: filter.from.or(at()),
            area: "notebook".to_owned(),
            r#type: filter.types.join("+"),
            team_id: filter.team_id,
            object_id: filter.object,
            revision: 3,
            summary: format!("newest first: {}", asked.newest_first),
            data: "{\"deleted\":true}".to_owned(),
        };
        let opaque = Event {
            data: String::new(),
            team_id: String::new(),
            ..event.clone()
        };
        Ok(Response::new(ListEventsResponse {
            events: vec![event, opaque],
            page: Some(PageInfo {
                has_more: true,
                next_page: format!("{}+{}", page.after, page.limit),
            }),
            head: "12".to_owned(),
        }))
    }

    async fn tail_events(&self, _: Request<TailEventsRequest>) -> Reply<Self::TailEventsStream> {
        let events = tokio_stream::iter((1..=3).map(|number: u32| {
            let event = Event {
                cursor: number.to_string(),
                ..Event::default()
            };
            Ok(TailEventsResponse { event: Some(event) })
        }));
        Ok(Response::new(Box::pin(events)))
    }

    async fn list_dead_letters(
        &self,
        _: Request<ListDeadLettersRequest>,
    ) -> Reply<ListDeadLettersResponse> {
        Ok(Response::new(ListDeadLettersResponse {
            letters: vec![letter()],
            page: None,
        }))
    }

    async fn resend_dead_letter(
        &self,
        request: Request<ResendDeadLetterRequest>,
    ) -> Reply<ResendDeadLetterResponse> {
        match request.get_ref().id {
            7 => Ok(Response::new(ResendDeadLetterResponse {
                letter: Some(letter()),
            })),
            id => Err(Error::not_found("dead letter", &id.to_string()).into()),
        }
    }
}

#[tokio::test]
async fn events_are_asked_for_by_object_type_team_and_time() {
    let house = House::start().await;
    let query =
        "object=nb-1&type=NotebookChanged,VolumeChanged&team=te-1&from=2026-01-31&after=x&limit=7";
    let list = house
        .client
        .get(&format!("/v1/events?{query}"), VIEWER)
        .await
        .ok();
    assert_eq!(list["nextPage"], "x+7");
    let event = &list["items"][0];
    assert_eq!(event["type"], "NotebookChanged+VolumeChanged");
    assert_eq!(event["objectId"], "nb-1");
    assert_eq!(event["teamId"], "te-1");
    assert_eq!(event["time"], "2026-01-31T00:00:00.000Z");
    assert_eq!(event["summary"], "newest first: true");
    assert_eq!(event["data"], json!({ "deleted": true }));
    let opaque = &list["items"][1];
    assert_eq!(
        (&opaque["data"], &opaque["teamId"]),
        (&json!(null), &json!(null))
    );

    let oldest = house.client.get("/v1/events?order=asc", VIEWER).await.ok();
    assert_eq!(oldest["items"][0]["summary"], "newest first: false");
    let message = house
        .client
        .get("/v1/events?from=yesterday", VIEWER)
        .await
        .failed(400, "BAD_REQUEST");
    assert!(message.starts_with("from: "), "{message}");
}

#[tokio::test]
async fn dead_letters_are_for_operators_and_are_sent_again_by_number() {
    let house = House::start().await;
    let list = house.client.get("/v1/events/dead", OWNER).await.ok();
    assert_eq!(list["items"][0]["id"], 7);
    assert_eq!(list["items"][0]["eventId"], json!(null));
    house
        .client
        .get("/v1/events/dead", VIEWER)
        .await
        .failed(403, "FORBIDDEN");

    let resend = |id: &str| format!("/v1/events/dead/{id}/resend");
    let sent = house.client.post(&resend("7"), OWNER, "").await.ok();
    assert_eq!(sent["reason"], "attempt: is missing");
    let gone = house.client.post(&resend("8"), OWNER, "").await;
    gone.failed(404, "NOT_FOUND");
    let wrong = house.client.post(&resend("x"), OWNER, "").await;
    let message = wrong.failed(400, "BAD_REQUEST");
    assert!(
        message.starts_with("id: \"x\" is not the number"),
        "{message}"
    );
}
