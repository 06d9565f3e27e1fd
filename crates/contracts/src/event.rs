//! What makes a message an event: the name of its type and where it is published.

use prost::Message;

use crate::{billing, identity, inventory, notebook, scheduler, volume};

/// A message in the past tense that a service publishes.
pub trait Event: Message + Default {
    /// Area that owns it: the service's noun.
    const AREA: &'static str;
    /// Name of the message.
    const NAME: &'static str;

    /// `ce-type`: the full name of the message.
    fn ce_type() -> String {
        format!("quire.{}.v1.{}", Self::AREA, Self::NAME)
    }
}

macro_rules! events {
    ($($area:ident :: $name:ident),* $(,)?) => {$(
        impl Event for $area::v1::$name {
            const AREA: &'static str = stringify!($area);
            const NAME: &'static str = stringify!($name);
        }
    )*};
}

events! {
    identity::ApiKeyRevoked,
    identity::TeamChanged,
    identity::MemberChanged,
    identity::ProjectChanged,
    identity::ProjectMemberChanged,
    identity::ApiKeyChanged,
    identity::SshKeyChanged,
    inventory::NodeChanged,
    inventory::EnvironmentChanged,
    volume::VolumeChanged,
    volume::SnapshotChanged,
    volume::VolumeFillChanged,
    scheduler::WorkloadChanged,
    scheduler::AttemptStarted,
    scheduler::AttemptEnded,
    notebook::NotebookChanged,
    notebook::NotebookIdleWarned,
    notebook::NotebookExtended,
    notebook::NotebookReconfigured,
    notebook::NotebookShared,
    notebook::TemplateChanged,
    billing::PriceChanged,
}
