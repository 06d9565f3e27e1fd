//! The rules of volumes: who may write, and when the files go.

pub(crate) mod volume;
