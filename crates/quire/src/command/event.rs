//! `quire event`.

use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use contracts::common::v1::PageRequest;
use contracts::journal::v1::{
    DeadLetter, Event, EventFilter, ListDeadLettersRequest, ListEventsRequest,
    ResendDeadLetterRequest, TailEventsRequest,
};
use contracts::notebook::v1::GetNotebookRequest;
use kernel::Clock as _;
use kernel::time::SystemClock;
use prost_types::Timestamp;
use serde::Serialize;
use serde_json::Value;
use tonic::Code;

use crate::api::Api;
use crate::cli::{DeadCommand, EventCommand, Output, TailArgs};
use crate::print::out;
use crate::print::{self, Row};
use crate::when;

/// Items asked for at once.
const PAGE: u32 = 120;
/// Length of a typed identifier: a kind of two letters, a hyphen, and 26 characters.
const ID_LENGTH: usize = 29;
/// Pause before a tail that broke is taken up again.
const AGAIN: Duration = Duration::from_secs(1);

pub(crate) async fn run(command: EventCommand, api: &Api, output: Output) -> Result<()> {
    match command {
        EventCommand::Tail(args) => tail(args, api, output).await,
        EventCommand::Dead { command } => match command {
            None | Some(DeadCommand::List) => list_dead(api, output).await,
            Some(DeadCommand::Resend { id }) => resend(api, output, id).await,
        },
    }
}

/// An event as programs see it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct EventRow {
    cursor: String,
    id: String,
    time: String,
    area: String,
    r#type: String,
    team_id: String,
    object_id: String,
    revision: u64,
    summary: String,
    data: Option<Value>,
}

impl From<Event> for EventRow {
    fn from(event: Event) -> Self {
        Self {
            time: print::time(event.time),
            data: serde_json::from_str(&event.data).ok(),
            cursor: event.cursor,
            id: event.id,
            area: event.area,
            r#type: event.r#type,
            team_id: event.team_id,
            object_id: event.object_id,
            revision: event.revision,
            summary: event.summary,
        }
    }
}

impl Row for EventRow {
    const COLUMNS: &'static [&'static str] = &["TIME", "OBJECT", "WHAT HAPPENED"];

    fn cells(&self) -> Vec<String> {
        vec![
            self.time.clone(),
            self.object_id.clone(),
            self.summary.clone(),
        ]
    }
}

/// Writes one event of many that have no end.
fn write(output: Output, event: Event) -> Result<()> {
    let row = EventRow::from(event);
    match output {
        Output::Json => out!("{}", serde_json::to_string(&row)?),
        Output::Table => out!(
            "{}  {:<ID_LENGTH$}  {}",
            row.time,
            row.object_id,
            row.summary
        ),
    }
    Ok(())
}

async fn tail(args: TailArgs, api: &Api, output: Output) -> Result<()> {
    let filter = EventFilter {
        object: match &args.object {
            Some(object) => find_object(api, object).await?,
            None => String::new(),
        },
        types: args.types.clone(),
        team_id: String::new(),
        from: from(&args)?,
    };
    if args.no_follow {
        let mut rows = Vec::new();
        past(api, &filter, |event| {
            rows.push(EventRow::from(event));
            Ok(())
        })
        .await?;
        let empty = "nothing happened; --since 30d looks further back";
        return print::list(output, &rows, empty);
    }
    let head = past(api, &filter, |event| write(output, event)).await?;
    follow(api, output, filter, head).await
}

fn from(args: &TailArgs) -> Result<Option<Timestamp>> {
    let since = match (&args.since, &args.object) {
        (Some(since), _) => since,
        (None, Some(_)) => return Ok(None),
        (None, None) => "1h",
    };
    when::since("since", since, SystemClock.now()).map(Some)
}

/// The identifier that people mean by `text`: a notebook's, when one is called so; else an identifier or its beginning.
async fn find_object(api: &Api, text: &str) -> Result<String> {
    if text.is_empty() {
        bail!("--object: is empty; write an identifier or a notebook's name");
    }
    let is_identifier = text.chars().nth(2) == Some('-');
    if is_identifier && text.len() == ID_LENGTH {
        return Ok(text.to_owned());
    }
    let request = GetNotebookRequest {
        notebook: text.to_owned(),
    };
    match api.notebook().get_notebook(request).await {
        Ok(answer) => {
            let notebook = answer.into_inner().notebook;
            Ok(notebook.context("the answer holds no notebook")?.id)
        }
        // Of something else, such as a node or a notebook that was deleted.
        Err(status) if status.code() == Code::NotFound && is_identifier => Ok(text.to_owned()),
        Err(status) if status.code() == Code::NotFound => bail!(
            "--object: no notebook is called {text:?}; write the identifier of anything else, or of a notebook that was deleted"
        ),
        Err(status) => Err(crate::failure(&status, api.server())),
    }
}

/// Gives all that has happened to `each`, in the order of its time; tells where the journal ended then.
async fn past(
    api: &Api,
    filter: &EventFilter,
    mut each: impl FnMut(Event) -> Result<()>,
) -> Result<String> {
    let mut after = String::new();
    loop {
        let request = ListEventsRequest {
            filter: Some(filter.clone()),
            page: Some(PageRequest { after, limit: PAGE }),
            newest_first: false,
        };
        let answer = api.ask(api.journal().list_events(request)).await?;
        for event in answer.events {
            each(event)?;
        }
        let page = answer.page.unwrap_or_default();
        if !page.has_more {
            return Ok(answer.head);
        }
        after = page.next_page;
    }
}

/// What happens from `after` on. A tail that ends is taken up where it ended.
async fn follow(api: &Api, output: Output, filter: EventFilter, mut after: String) -> Result<()> {
    loop {
        let request = TailEventsRequest {
            filter: Some(filter.clone()),
            after: after.clone(),
        };
        let mut events = api.ask(api.lasting_journal().tail_events(request)).await?;
        let ended = loop {
            match events.message().await {
                Ok(Some(answer)) => {
                    let event = answer.event.unwrap_or_default();
                    after.clone_from(&event.cursor);
                    write(output, event)?;
                }
                Ok(None) => break None,
                Err(status) => break Some(status),
            }
        };
        match ended {
            None => {}
            // The service stops, the connection broke, or this program was too slow: nothing is lost.
            Some(status)
                if matches!(
                    status.code(),
                    Code::Unavailable | Code::ResourceExhausted | Code::Unknown | Code::Cancelled
                ) =>
            {
                print::note(&format!("{}; going on", status.message()));
                tokio::time::sleep(AGAIN).await;
            }
            Some(status) => return Err(crate::failure(&status, api.server())),
        }
    }
}

/// A dead letter as programs see it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct LetterRow {
    id: u64,
    consumer: String,
    event_id: String,
    r#type: String,
    object_id: String,
    reason: String,
    parked_at: String,
}

impl From<DeadLetter> for LetterRow {
    fn from(letter: DeadLetter) -> Self {
        Self {
            parked_at: print::time(letter.parked_at),
            id: letter.id,
            consumer: letter.consumer,
            event_id: letter.event_id,
            r#type: letter.r#type,
            object_id: letter.object_id,
            reason: letter.reason,
        }
    }
}

impl Row for LetterRow {
    const COLUMNS: &'static [&'static str] = &["ID", "PARKED AT", "BY", "TYPE", "OBJECT", "REASON"];

    fn cells(&self) -> Vec<String> {
        vec![
            self.id.to_string(),
            self.parked_at.clone(),
            self.consumer.clone(),
            self.r#type.clone(),
            self.object_id.clone(),
            self.reason.clone(),
        ]
    }
}

async fn list_dead(api: &Api, output: Output) -> Result<()> {
    let mut rows: Vec<LetterRow> = Vec::new();
    let mut after = String::new();
    loop {
        let request = ListDeadLettersRequest {
            page: Some(PageRequest { after, limit: PAGE }),
        };
        let answer = api.ask(api.journal().list_dead_letters(request)).await?;
        rows.extend(answer.letters.into_iter().map(LetterRow::from));
        let page = answer.page.unwrap_or_default();
        if !page.has_more {
            break;
        }
        after = page.next_page;
    }
    print::list(output, &rows, "every event was handled")?;
    if output == Output::Table && !rows.is_empty() {
        print::note("mend the cause, then: quire event dead resend ID");
    }
    Ok(())
}

async fn resend(api: &Api, output: Output, id: u64) -> Result<()> {
    let request = ResendDeadLetterRequest { id };
    let answer = api.ask(api.journal().resend_dead_letter(request)).await?;
    let letter = LetterRow::from(answer.letter.unwrap_or_default());
    match output {
        Output::Json => print::json(&letter),
        Output::Table => {
            out!("sent again to {}", letter.consumer);
            print::note("if it fails again, \"quire event dead\" shows it in half a minute");
            Ok(())
        }
    }
}
