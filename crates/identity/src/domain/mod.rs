//! The rules of identity: what keys look like, who may give which role, what a text names.

pub(crate) mod key;
pub(crate) mod role;
pub(crate) mod ssh_key;
