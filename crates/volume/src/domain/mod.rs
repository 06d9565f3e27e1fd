//! The rules of volumes: who may write, how much, what is copied when, and when the files go.

pub(crate) mod copy;
pub(crate) mod quota;
pub(crate) mod snapshot;
pub(crate) mod volume;
