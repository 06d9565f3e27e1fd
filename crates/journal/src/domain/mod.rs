//! The rules of the journal, without input or output.

pub(crate) mod content;
pub(crate) mod entry;
pub(crate) mod filter;
pub(crate) mod place;
