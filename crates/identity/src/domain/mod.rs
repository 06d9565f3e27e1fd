//! The rules of identity: what keys look like, who may give which role.

pub(crate) mod key;
pub(crate) mod role;
