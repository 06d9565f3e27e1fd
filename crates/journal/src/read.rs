//! Reading an event: whatever its type, by the contracts' own descriptors.

use bus::Delivery;
use chassis::{Error, Result};
use chrono::DateTime;
use kernel::Timestamp;
use kernel::id::ProjectId;
use prost_reflect::{DescriptorPool, DynamicMessage};

use crate::domain::content::{self, Content};
use crate::domain::entry::Entry;
use crate::summary;

/// Reads events by the contracts.
#[derive(Debug)]
pub(crate) struct Reader(DescriptorPool);

impl Reader {
    /// # Errors
    /// When the contracts' descriptors cannot be read.
    pub(crate) fn new() -> Result<Self> {
        let pool = DescriptorPool::decode(contracts::DESCRIPTORS)
            .map_err(|error| Error::internal("reading the contracts", error))?;
        Ok(Self(pool))
    }

    /// The event as the journal keeps it. What is unknown here, or cannot be read, is kept without its content.
    pub(crate) fn entry(&self, delivery: &Delivery, now: Timestamp) -> Entry {
        let content = self.content(delivery);
        let summary = match &content {
            Some(_) => summary::of(delivery),
            None => summary::unreadable(&delivery.ce_type),
        };
        let project = content.as_ref().map(|content| {
            // What is about a project itself need not say so twice.
            let itself = delivery.about.parse::<ProjectId>().is_ok();
            let of = if itself {
                &delivery.about
            } else {
                &content.project
            };
            of.clone()
        });
        let Content {
            data,
            revision,
            mut mentions,
            ..
        } = content.unwrap_or_default();
        mentions.insert(delivery.about.clone());
        let time = DateTime::parse_from_rfc3339(&delivery.time).map(|time| time.to_utc());
        Entry {
            id: delivery.id.clone(),
            time: time.unwrap_or(now),
            area: delivery.area().to_owned(),
            kind: delivery.ce_type.clone(),
            team: delivery.team().unwrap_or_default().to_owned(),
            project,
            object: delivery.about.clone(),
            revision,
            summary,
            data,
            mentions,
        }
    }

    fn content(&self, delivery: &Delivery) -> Option<Content> {
        let descriptor = self.0.get_message_by_name(&delivery.ce_type)?;
        let message = DynamicMessage::decode(descriptor, delivery.payload.clone()).ok()?;
        let json = serde_json::to_value(&message).ok()?;
        Some(content::take(json))
    }
}

#[cfg(test)]
mod tests {
    use bus::Envelope;
    use bytes::Bytes;
    use contracts::Event;
    use contracts::notebook::v1::{Notebook, NotebookChanged, NotebookState};
    use kernel::id::{NotebookId, TeamId, WorkloadId};
    use kernel::time::from_micros;

    use super::*;

    fn delivery<E: Event>(event: &E, about: &str, team: &str) -> Delivery {
        let envelope = Envelope::new(event, about, Some(team), from_micros(1_000_007));
        let headers = envelope.headers();
        Delivery::read(&envelope.subject, Some(&headers), envelope.payload.into()).unwrap()
    }

    #[test]
    fn an_event_is_read_by_its_descriptor() {
        let (notebook, team, workload) = (
            NotebookId::generate().to_string(),
            TeamId::generate().to_string(),
            WorkloadId::generate().to_string(),
        );
        let event = NotebookChanged {
            notebook: Some(Notebook {
                id: notebook.clone(),
                team_id: team.clone(),
                workload_id: workload.clone(),
                project_id: "pr-1".to_owned(),
                name: "first".to_owned(),
                state: NotebookState::Running.into(),
                token: "hunter2".to_owned(),
                revision: 3,
                ..Notebook::default()
            }),
            deleted: false,
        };
        let delivery = delivery(&event, &notebook, &team);
        let reader = Reader::new().unwrap();
        let entry = reader.entry(&delivery, from_micros(9));
        assert_eq!(entry.time, from_micros(1_000_007));
        assert_eq!((entry.area.as_str(), entry.team), ("notebook", team));
        assert_eq!((entry.revision, &entry.object), (3, &notebook));
        assert_eq!(entry.project.as_deref(), Some("pr-1"));
        assert!(entry.mentions.contains(&workload) && entry.mentions.contains(&notebook));
        assert!(
            entry.data.contains("NOTEBOOK_STATE_RUNNING"),
            "{}",
            entry.data
        );
        assert!(!entry.data.contains("hunter2"));
        assert_eq!(entry.summary, "notebook \"first\" is Running");

        let unknown = Delivery {
            ce_type: "quire.notebook.v1.NotebookDreamed".to_owned(),
            ..delivery.clone()
        };
        let broken = Delivery {
            payload: Bytes::from_static(&[0xff]),
            time: String::new(),
            ..delivery
        };
        for (opaque, time) in [(unknown, from_micros(1_000_007)), (broken, from_micros(9))] {
            let entry = reader.entry(&opaque, from_micros(9));
            assert_eq!((entry.data.as_str(), entry.time), ("", time));
            assert_eq!((entry.kind, entry.revision), (opaque.ce_type, 0));
            assert_eq!(entry.project, None);
            assert!(
                entry.summary.contains("cannot be read"),
                "{}",
                entry.summary
            );
            assert!(entry.mentions.contains(&notebook));
        }
    }
}
