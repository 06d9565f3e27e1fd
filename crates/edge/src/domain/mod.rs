//! The rules of the door: which notebook a request is for, who may enter, what is passed on. Pure: no I/O, no clock.

pub(crate) mod credential;
pub(crate) mod grant;
pub(crate) mod headers;
pub(crate) mod origin;
pub(crate) mod query;
pub(crate) mod table;
pub(crate) mod usage;
pub(crate) mod view;
