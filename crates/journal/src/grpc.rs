//! The calls of journal: decode, call the app, encode.

use std::pin::Pin;

use bus::DeadLetter;
use chassis::auth::{Principal, caller};
use chassis::{Error, Result, page};
use contracts::common::v1::Role;
use contracts::journal::v1 as wire;
use contracts::journal::v1::journal_service_server::JournalService;
use contracts::{from_wire_time, to_wire_time};
use futures::{Stream, StreamExt as _};
use tonic::{Request, Response, Status};

use crate::app::App;
use crate::domain::entry::Written;
use crate::domain::filter::{self, Filter, Object, Whose};
use crate::domain::place::{Place, parse_cursor};

type Answers = Pin<Box<dyn Stream<Item = Result<wire::TailEventsResponse, Status>> + Send>>;

#[tonic::async_trait]
impl JournalService for App {
    type TailEventsStream = Answers;

    async fn list_events(
        &self,
        request: Request<wire::ListEventsRequest>,
    ) -> Result<Response<wire::ListEventsResponse>, Status> {
        let principal = caller(&request)?;
        let asked = request.into_inner();
        let filter = read_filter(&principal, asked.filter)?;
        let asked_page = asked.page.unwrap_or_default();
        let limit = page::limit(&asked_page)?;
        let after = Place::parse(&asked_page.after)?;
        let found = self.list(&filter, after, asked.newest_first, limit).await?;
        Ok(Response::new(wire::ListEventsResponse {
            head: found.head.to_string(),
            events: found.events.into_iter().map(event).collect(),
            page: Some(found.info),
        }))
    }

    async fn tail_events(
        &self,
        request: Request<wire::TailEventsRequest>,
    ) -> Result<Response<Answers>, Status> {
        let principal = caller(&request)?;
        let asked = request.into_inner();
        let filter = read_filter(&principal, asked.filter)?;
        let tail = self.tail(filter, parse_cursor(&asked.after)?).await?;
        let answers = tail.start().map(|written| {
            Ok(wire::TailEventsResponse {
                event: Some(event(written?)),
            })
        });
        Ok(Response::new(Box::pin(answers)))
    }

    async fn list_dead_letters(
        &self,
        request: Request<wire::ListDeadLettersRequest>,
    ) -> Result<Response<wire::ListDeadLettersResponse>, Status> {
        let asked = request.into_inner().page.unwrap_or_default();
        let limit = page::limit(&asked)?;
        let after = parse_cursor(&asked.after)?.unwrap_or(0);
        let (letters, info) = self.letters(after, limit).await?;
        Ok(Response::new(wire::ListDeadLettersResponse {
            letters: letters.into_iter().map(letter).collect(),
            page: Some(info),
        }))
    }

    async fn resend_dead_letter(
        &self,
        request: Request<wire::ResendDeadLetterRequest>,
    ) -> Result<Response<wire::ResendDeadLetterResponse>, Status> {
        let sent = self.resend(request.get_ref().id).await?;
        Ok(Response::new(wire::ResendDeadLetterResponse {
            letter: Some(letter(sent)),
        }))
    }
}

fn read_filter(caller: &Principal, asked: Option<wire::EventFilter>) -> Result<Filter> {
    let user = caller.user()?;
    let asked = asked.unwrap_or_default();
    let operator = user.has_role(Role::Operator);
    let from = asked.from.map(|time| from_wire_time("from", time));
    let hidden = user.hidden_projects().map(|project| project.to_string());
    Ok(Filter {
        whose: Whose::of(user.team.to_string(), operator, asked.team_id),
        hidden: if operator {
            Vec::new()
        } else {
            hidden.collect()
        },
        object: Object::parse(&asked.object)?,
        kinds: filter::kinds(asked.types, &bus::AREAS)?,
        from: from.transpose().map_err(Error::from)?,
    })
}

fn event(written: Written) -> wire::Event {
    let entry = written.entry;
    wire::Event {
        cursor: written.seq.to_string(),
        id: entry.id,
        time: Some(to_wire_time(entry.time)),
        area: entry.area,
        r#type: entry.kind,
        team_id: entry.team,
        object_id: entry.object,
        revision: entry.revision,
        summary: entry.summary,
        data: entry.data,
    }
}

fn letter(letter: DeadLetter) -> wire::DeadLetter {
    wire::DeadLetter {
        id: letter.sequence,
        consumer: letter.consumer,
        event_id: letter.event_id,
        r#type: letter.ce_type,
        object_id: letter.about,
        reason: letter.reason.replace(char::is_control, " "),
        parked_at: Some(to_wire_time(letter.parked_at)),
    }
}
