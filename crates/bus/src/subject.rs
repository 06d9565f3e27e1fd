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

/// Subject of what `consumer` could not handle.
pub fn dead_letters(consumer: &str) -> String {
    format!("quire.dead.{consumer}")
}

/// Plain subject on which edges say which notebooks had traffic.
pub fn edge_activity_subject() -> String {
    "quire.live.edge.activity".to_owned()
}
