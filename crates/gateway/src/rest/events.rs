//! What happened, and what could not be handled.

use axum::Json;
use chassis::Error;
use contracts::journal::v1::{
    DeadLetter as WireLetter, Event as WireEvent, EventFilter, ListDeadLettersRequest,
    ListEventsRequest, ResendDeadLetterRequest,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};

use super::Answer;
use super::caller::Caller;
use super::extract::{Id, Params};
use super::failure::Failure;
use super::json_body::{JsonBody, Nothing};
use super::page::{List, Order, PageQuery, list};
use super::values::{Time, non_empty, present};

/// Something that happened.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Event {
    id: String,
    /// Its place in the journal: a tail by gRPC goes on from there.
    cursor: String,
    time: Time,
    /// Who said so.
    #[schema(example = "scheduler")]
    area: String,
    #[schema(example = "quire.scheduler.v1.AttemptStarted")]
    r#type: String,
    /// Owner of what it is about; null where there is none.
    #[schema(required)]
    team_id: Option<String>,
    /// What it is about.
    object_id: String,
    /// Revision of that after the event; 0 = not told.
    revision: u64,
    /// What happened, in one line.
    summary: String,
    /// The event in protobuf's JSON, secrets and overlong texts left out; null where its content cannot be read.
    #[schema(required, value_type = Option<Object>)]
    data: Option<Value>,
}

impl TryFrom<WireEvent> for Event {
    type Error = Failure;

    fn try_from(event: WireEvent) -> Result<Self, Failure> {
        Ok(Self {
            id: event.id,
            cursor: event.cursor,
            time: Time::required("time", event.time)?,
            area: event.area,
            r#type: event.r#type,
            team_id: non_empty(event.team_id),
            object_id: event.object_id,
            revision: event.revision,
            summary: event.summary,
            data: serde_json::from_str(&event.data).ok(),
        })
    }
}

/// Which events are wanted.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", default)]
#[into_params(parameter_in = Query)]
pub(super) struct EventQuery {
    /// Only events that are about this object or name it: its identifier, or the beginning of it.
    object: Option<String>,
    /// Only events of these types, such as `NotebookChanged`; several with commas between.
    r#type: Option<String>,
    /// Only events of this team; for operators, others see their own.
    team: Option<String>,
    /// Only events from then on: ISO 8601, or a day.
    from: Option<String>,
}

impl EventQuery {
    fn read(self) -> Result<EventFilter, Failure> {
        let from = self.from.map(|text| Time::parse("from", &text));
        let types = self.r#type.and_then(non_empty).unwrap_or_default();
        Ok(EventFilter {
            object: self.object.unwrap_or_default(),
            types: types
                .split_terminator(',')
                .map(|name| name.trim().to_owned())
                .collect(),
            team_id: self.team.unwrap_or_default(),
            from: from.transpose()?,
        })
    }
}

/// List what happened
#[utoipa::path(
    get, path = "/v1/events", tag = "Events",
    params(PageQuery, EventQuery), responses((status = 200, body = List<Event>))
)]
pub(super) async fn list_events(
    caller: Caller,
    Params(page): Params<PageQuery>,
    Params(query): Params<EventQuery>,
) -> Answer<List<Event>> {
    let page = page.read(["time"], Order::Descending)?;
    let request = ListEventsRequest {
        filter: Some(query.read()?),
        page: Some(page.for_service()),
        newest_first: page.order == Order::Descending,
    };
    let answer = caller.journal().list_events(request).await?.into_inner();
    let events = answer
        .events
        .into_iter()
        .map(Event::try_from)
        .collect::<Result<_, _>>()?;
    Ok(Json(list(events, answer.page.unwrap_or_default())))
}

/// An event that a service could not handle.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct DeadLetter {
    id: u64,
    /// Who could not handle it.
    #[schema(example = "billing-scheduler")]
    consumer: String,
    /// Null when it was no event at all.
    #[schema(required)]
    event_id: Option<String>,
    r#type: String,
    /// What it is about.
    object_id: String,
    /// Why it could not be handled.
    reason: String,
    parked_at: Time,
}

impl TryFrom<WireLetter> for DeadLetter {
    type Error = Failure;

    fn try_from(letter: WireLetter) -> Result<Self, Failure> {
        Ok(Self {
            id: letter.id,
            consumer: letter.consumer,
            event_id: non_empty(letter.event_id),
            r#type: letter.r#type,
            object_id: letter.object_id,
            reason: letter.reason,
            parked_at: Time::required("parked_at", letter.parked_at)?,
        })
    }
}

/// List events that could not be handled
#[utoipa::path(
    get, path = "/v1/events/dead", tag = "Events",
    params(PageQuery), responses((status = 200, body = List<DeadLetter>))
)]
pub(super) async fn list_dead_letters(
    caller: Caller,
    Params(page): Params<PageQuery>,
) -> Answer<List<DeadLetter>> {
    let page = page.read(["id"], Order::Ascending)?;
    if page.order == Order::Descending {
        return Err(Error::invalid("order", "is desc; only asc is offered here").into());
    }
    let request = ListDeadLettersRequest {
        page: Some(page.for_service()),
    };
    let answer = caller
        .journal()
        .list_dead_letters(request)
        .await?
        .into_inner();
    let letters = answer
        .letters
        .into_iter()
        .map(DeadLetter::try_from)
        .collect::<Result<_, _>>()?;
    Ok(Json(list(letters, answer.page.unwrap_or_default())))
}

/// Send an event again to the service that could not handle it
#[utoipa::path(
    post, path = "/v1/events/dead/{id}/resend", tag = "Events",
    params(("id" = u64, Path, description = "Number of the dead letter")),
    responses((status = 200, body = DeadLetter))
)]
pub(super) async fn resend_dead_letter(
    caller: Caller,
    Id(text): Id,
    JsonBody(Nothing {}): JsonBody<Nothing>,
) -> Answer<DeadLetter> {
    let id = text.parse().map_err(|_| {
        let shown: String = text.chars().take(40).collect();
        Error::invalid(
            "id",
            format!("{shown:?} is not the number of a dead letter"),
        )
    })?;
    let answer = caller
        .journal()
        .resend_dead_letter(ResendDeadLetterRequest { id })
        .await?
        .into_inner();
    Ok(Json(present("letter", answer.letter)?.try_into()?))
}
