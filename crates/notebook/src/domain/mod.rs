//! The rules of notebooks, pure: what state people see, which machine is chosen, when one is idle.

pub(crate) mod choice;
pub(crate) mod idle;
pub(crate) mod origin;
pub(crate) mod policy;
pub(crate) mod state;
