//! One line for people: what happened, to what, where it stands now, and why.

mod notebooks;
mod people;

use bus::Delivery;
use contracts::billing::v1::{Price, PriceChanged};
use contracts::identity::v1::ApiKeyRevoked;
use contracts::inventory::v1::{Environment, EnvironmentChanged, Node, NodeChanged};
use contracts::scheduler::v1::{
    Attempt, AttemptEnded, AttemptStarted, Workload, WorkloadChanged, WorkloadState,
};
use contracts::volume::v1::{
    Snapshot, SnapshotChanged, Volume, VolumeChanged, VolumeFill, VolumeFillChanged,
};
use contracts::{Event, from_wire_time};
use kernel::NanosPerHour;
use kernel::size::bytes_text;
use kernel::time::milliseconds_between;
use prost_types::Timestamp;

/// Longest line, in characters.
const LONGEST: usize = 300;

/// The line of an event whose content can be read.
pub(crate) fn of(delivery: &Delivery) -> String {
    let known = notebooks::line(delivery)
        .or_else(|| {
            line(delivery, |event: WorkloadChanged| {
                workload(&event.workload.unwrap_or_default())
            })
        })
        .or_else(|| {
            line(delivery, |event: AttemptStarted| {
                started(&event.attempt.unwrap_or_default())
            })
        })
        .or_else(|| {
            line(delivery, |event: AttemptEnded| {
                ended(&event.attempt.unwrap_or_default())
            })
        })
        .or_else(|| {
            line(delivery, |event: VolumeChanged| {
                volume(&event.volume.unwrap_or_default())
            })
        })
        .or_else(|| {
            line(delivery, |event: VolumeFillChanged| {
                fill(&event.volume.unwrap_or_default())
            })
        })
        .or_else(|| {
            line(delivery, |event: SnapshotChanged| {
                snapshot(&event.snapshot.unwrap_or_default())
            })
        })
        .or_else(|| {
            line(delivery, |event: NodeChanged| {
                node(&event.node.unwrap_or_default())
            })
        })
        .or_else(|| {
            line(delivery, |event: EnvironmentChanged| {
                environment(event.deleted, &event.environment.unwrap_or_default())
            })
        })
        .or_else(|| {
            line(delivery, |event: PriceChanged| {
                price(&event.price.unwrap_or_default())
            })
        })
        .or_else(|| {
            line(delivery, |event: ApiKeyRevoked| {
                format!("API key {} was revoked", event.api_key_id)
            })
        });
    let known = known.or_else(|| people::line(delivery));
    let text = known.unwrap_or_else(|| format!("{} {}", short(&delivery.ce_type), delivery.about));
    text.chars()
        .filter(|letter| !letter.is_control())
        .take(LONGEST)
        .collect()
}

/// The line of an event whose content cannot be read here.
pub(crate) fn unreadable(kind: &str) -> String {
    let name: String = short(kind).chars().take(LONGEST).collect();
    format!("{name}: its content cannot be read by this version of Quire")
}

fn line<E: Event>(delivery: &Delivery, write: impl FnOnce(E) -> String) -> Option<String> {
    delivery.decode::<E>().ok().flatten().map(write)
}

fn short(kind: &str) -> &str {
    kind.rsplit('.').next().unwrap_or(kind)
}

/// `NOTEBOOK_STATE_RUNNING` without its prefix, in small letters.
fn word(name: &str, prefix: &str) -> String {
    name.trim_start_matches(prefix)
        .to_ascii_lowercase()
        .replace('_', " ")
}

/// `text`, or what stands for nothing.
fn because(reason: &str) -> String {
    if reason.is_empty() {
        String::new()
    } else {
        format!(": {reason}")
    }
}

fn environment(deleted: bool, environment: &Environment) -> String {
    let name = &environment.name;
    if deleted {
        return format!("environment {name:?} was deleted");
    }
    let state = word(environment.state().as_str_name(), "ENVIRONMENT_STATE_");
    let shared = if environment.shared {
        ", shared with all teams"
    } else {
        ""
    };
    format!(
        "environment {name:?} is {state}{shared}{}",
        because(&environment.reason)
    )
}

fn workload(workload: &Workload) -> String {
    let kind = workload.spec.as_ref().map_or("", |spec| spec.kind.as_str());
    let reason = because(&workload.reason);
    match (&workload.attempt, workload.state()) {
        (Some(attempt), WorkloadState::Active) => format!(
            "workload ({kind}): attempt {} is {} on {}{reason}",
            attempt.generation,
            word(attempt.state().as_str_name(), "ATTEMPT_STATE_"),
            attempt.node_id,
        ),
        (_, state) => format!(
            "workload ({kind}) is {}{reason}",
            word(state.as_str_name(), "WORKLOAD_STATE_")
        ),
    }
}

fn started(attempt: &Attempt) -> String {
    format!(
        "attempt {} answers on {}; it costs from now on, as {}",
        attempt.generation, attempt.node_id, attempt.machine_type
    )
}

fn ended(attempt: &Attempt) -> String {
    let end = word(attempt.end().as_str_name(), "ATTEMPT_END_");
    let cost = match billed(attempt.billable_from, attempt.billable_until) {
        Some(milliseconds) => format!(
            "it is billed for {}.{:03} s as {}",
            milliseconds / 1_000,
            milliseconds % 1_000,
            attempt.machine_type
        ),
        None => "it costs nothing".to_owned(),
    };
    format!(
        "attempt {} has ended, {end}{}; {cost}",
        attempt.generation,
        because(&attempt.reason)
    )
}

fn billed(from: Option<Timestamp>, until: Option<Timestamp>) -> Option<u64> {
    let from = from_wire_time("billable_from", from?).ok()?;
    let until = from_wire_time("billable_until", until?).ok()?;
    Some(milliseconds_between(from, until))
}

fn volume(volume: &Volume) -> String {
    let state = word(volume.state().as_str_name(), "VOLUME_STATE_");
    let holder = match &volume.attachment {
        Some(attachment) => format!("attached to {}", attachment.attempt_id),
        None => "attached to nothing".to_owned(),
    };
    let copied = match volume.copy_id.as_str() {
        "" => "",
        _ => "; its files are being copied",
    };
    format!("volume is {state}, {holder}{copied}")
}

fn fill(volume: &Volume) -> String {
    let (used, quota) = (
        bytes_text(volume.used_bytes),
        bytes_text(volume.quota_bytes),
    );
    let files = format!("files of volume {} take {used} of {quota}", volume.id);
    match volume.fill() {
        VolumeFill::NearlyFull => format!("{files}: nearly full"),
        VolumeFill::Full => format!("{files}: full"),
        VolumeFill::Room | VolumeFill::Unspecified => format!("{files}: there is room again"),
    }
}

fn snapshot(snapshot: &Snapshot) -> String {
    let state = word(snapshot.state().as_str_name(), "SNAPSHOT_STATE_");
    let name = &snapshot.name;
    format!("snapshot {name} is {state}{}", because(&snapshot.reason))
}

fn node(node: &Node) -> String {
    format!(
        "node {:?} is {}, {}",
        node.name,
        word(node.liveness().as_str_name(), "NODE_LIVENESS_"),
        word(node.schedulable().as_str_name(), "NODE_SCHEDULABLE_"),
    )
}

fn price(price: &Price) -> String {
    format!(
        "an hour of {} costs {} {} from now on (version {})",
        price.machine_type,
        NanosPerHour(price.nanos_per_hour),
        price.currency,
        price.version
    )
}

#[cfg(test)]
mod tests {
    use bus::Envelope;
    use contracts::notebook::v1::{Notebook, NotebookChanged};
    use contracts::scheduler::v1::{AttemptEnd, AttemptState, WorkloadSpec};
    use kernel::time::from_micros;

    use super::*;

    pub(super) fn line_of<E: Event>(event: &E) -> String {
        let envelope = Envelope::new(event, "xx-1", None, from_micros(0));
        let headers = envelope.headers();
        of(&Delivery::read(&envelope.subject, Some(&headers), envelope.payload.into()).unwrap())
    }

    fn at(seconds: i64) -> Option<Timestamp> {
        Some(Timestamp { seconds, nanos: 0 })
    }

    #[test]
    fn lines_say_what_where_why_and_what_it_costs() {
        let attempt = Attempt {
            generation: 2,
            node_id: "no-1".to_owned(),
            machine_type: "C3".to_owned(),
            state: AttemptState::Starting.into(),
            end: AttemptEnd::Stopped.into(),
            reason: "idle".to_owned(),
            billable_from: at(10),
            billable_until: at(22),
            ..Attempt::default()
        };
        let workload = Workload {
            state: WorkloadState::Active.into(),
            attempt: Some(attempt.clone()),
            spec: Some(WorkloadSpec {
                kind: "notebook".to_owned(),
                ..WorkloadSpec::default()
            }),
            ..Workload::default()
        };
        let queued = Workload {
            state: WorkloadState::Queued.into(),
            reason: "no room".to_owned(),
            ..workload.clone()
        };
        let cases = [
            (
                line_of(&WorkloadChanged {
                    workload: Some(workload),
                }),
                "workload (notebook): attempt 2 is starting on no-1",
            ),
            (
                line_of(&WorkloadChanged {
                    workload: Some(queued),
                }),
                "workload (notebook) is queued: no room",
            ),
            (
                line_of(&AttemptStarted {
                    attempt: Some(attempt.clone()),
                }),
                "attempt 2 answers on no-1; it costs from now on, as C3",
            ),
            (
                line_of(&AttemptEnded {
                    attempt: Some(attempt),
                }),
                "attempt 2 has ended, stopped: idle; it is billed for 12.000 s as C3",
            ),
            (
                line_of(&AttemptEnded {
                    attempt: Some(Attempt::default()),
                }),
                "attempt 0 has ended, unspecified; it costs nothing",
            ),
            (
                line_of(&PriceChanged {
                    price: Some(Price {
                        machine_type: "C3".to_owned(),
                        nanos_per_hour: 18_000_000,
                        currency: "USD".to_owned(),
                        version: 2,
                        ..Price::default()
                    }),
                }),
                "an hour of C3 costs 0.018 USD from now on (version 2)",
            ),
        ];
        for (line, expected) in cases {
            assert_eq!(line, expected);
        }
    }

    #[test]
    fn names_of_people_cannot_draw_on_a_terminal() {
        let line = line_of(&NotebookChanged {
            notebook: Some(Notebook {
                name: "\u{1b}[2J".to_owned(),
                reason: format!("a\nb{}", "x".repeat(1_000)),
                ..Notebook::default()
            }),
            deleted: false,
        });
        assert!(!line.chars().any(char::is_control), "{line:?}");
        assert!(line.chars().count() <= LONGEST);
    }
}
