//! Names on the bus, as functions: no subject is written out anywhere else.

/// Areas that publish events: one stream each.
pub const AREAS: [&str; 6] = [
    "identity",
    "inventory",
    "volume",
    "scheduler",
    "notebook",
    "billing",
];

/// The bucket of routes.
pub(crate) const ROUTES: &str = "routes";

/// Stands where the event's name stands while an event comes again; no event has this name.
pub(crate) const AGAIN: &str = "Again";

/// Stream of an area.
pub fn stream_name(area: &str) -> String {
    format!("QUIRE_{}", area.to_uppercase())
}

/// Everything that an area publishes.
pub fn stream_subjects(area: &str) -> String {
    format!("quire.{area}.v1.>")
}

/// Subject of one event; `team` is `None` where there is none.
pub fn event_subject(area: &str, event: &str, team: Option<&str>) -> String {
    format!("quire.{area}.v1.{event}.{}", team.unwrap_or("_"))
}

/// Stream of what could not be handled.
pub(crate) const DEAD_STREAM: &str = "QUIRE_DEAD";

/// Everything that could not be handled.
pub(crate) const DEAD_SUBJECTS: &str = "quire.dead.>";

/// Subject on which an event of `area` comes again to the one consumer that had parked it.
pub(crate) fn again(area: &str, consumer: &str) -> String {
    format!("quire.{area}.v1.{AGAIN}.{consumer}")
}

/// The consumer that a subject of [`again`] is for; `None` for the subject of an event that everybody gets.
pub(crate) fn again_for(subject: &str) -> Option<&str> {
    let (_, consumer) = subject.split_once(".v1.")?.1.split_once('.')?;
    (part(subject, 3) == Some(AGAIN)).then_some(consumer)
}

/// Area of an event's subject.
pub(crate) fn area_of(subject: &str) -> Option<&str> {
    part(subject, 1)
}

/// Team of an event's subject; `None` where there is none.
pub(crate) fn team_of(subject: &str) -> Option<&str> {
    part(subject, 4).filter(|team| *team != "_")
}

fn part(subject: &str, number: usize) -> Option<&str> {
    subject.split('.').nth(number)
}

/// Durable name of `subscriber`'s consumer of `area`'s events.
pub fn consumer_name(subscriber: &str, area: &str) -> String {
    format!("{subscriber}-{area}")
}

/// The area whose events the consumer of this name handles.
pub(crate) fn consumed_area(consumer: &str) -> Option<&'static str> {
    let (_, area) = consumer.rsplit_once('-')?;
    AREAS.into_iter().find(|known| *known == area)
}

/// Subject of what `consumer` could not handle.
pub fn dead_letters(consumer: &str) -> String {
    format!("quire.dead.{consumer}")
}

/// The consumer whose dead letters have this subject.
pub(crate) fn parked_by(subject: &str) -> Option<&str> {
    subject.strip_prefix("quire.dead.")
}

/// Plain subject on which edges say which notebooks had traffic.
pub fn edge_activity_subject() -> String {
    "quire.live.edge.activity".to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn subjects_read_back() {
        let event = event_subject("volume", "VolumeChanged", Some("te-1"));
        assert_eq!(
            (area_of(&event), team_of(&event)),
            (Some("volume"), Some("te-1"))
        );
        assert_eq!(
            team_of(&event_subject("volume", "VolumeChanged", None)),
            None
        );
        assert_eq!(again_for(&event), None);

        let consumer = consumer_name("billing", "scheduler");
        assert_eq!(consumed_area(&consumer), Some("scheduler"));
        assert_eq!(consumed_area("billing-nothing"), None);
        assert_eq!(
            parked_by(&dead_letters(&consumer)),
            Some("billing-scheduler")
        );
        let again = again("scheduler", &consumer);
        assert_eq!(again_for(&again), Some("billing-scheduler"));
        assert!(again.starts_with(stream_subjects("scheduler").trim_end_matches('>')));
    }
}
