//! An event as the journal keeps it.

use std::collections::BTreeSet;

use kernel::Timestamp;

/// An event as the journal keeps it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    /// Identifier of the event: what makes writing it twice harmless.
    pub(crate) id: String,
    /// When it happened.
    pub(crate) time: Timestamp,
    /// Who said so.
    pub(crate) area: String,
    /// Full name of its type.
    pub(crate) kind: String,
    /// Owner; empty where there is none.
    pub(crate) team: String,
    /// Project inside the team; empty where there is none, `None` where nobody knows.
    pub(crate) project: Option<String>,
    /// What it is about.
    pub(crate) object: String,
    /// Revision of that; 0 = not told.
    pub(crate) revision: u64,
    /// One line for people.
    pub(crate) summary: String,
    /// JSON; empty where the content cannot be read.
    pub(crate) data: String,
    /// Everything that it names.
    pub(crate) mentions: BTreeSet<String>,
}

/// An entry with its place: the count of entries before it, in the order in which they were written down.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Written {
    pub(crate) seq: u64,
    pub(crate) entry: Entry,
}
