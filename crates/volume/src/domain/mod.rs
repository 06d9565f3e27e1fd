//! The rules of volumes: who may write, what is copied when, and when the files go.

pub(crate) mod copy;
pub(crate) mod snapshot;
pub(crate) mod volume;
