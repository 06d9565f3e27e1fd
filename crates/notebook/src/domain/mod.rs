//! The rules of notebooks, pure: what state people see, which machine is chosen, when one is idle, which repositories and
//! templates it can be made with.

pub(crate) mod choice;
pub(crate) mod idle;
pub(crate) mod origin;
pub(crate) mod policy;
pub(crate) mod repository;
pub(crate) mod selection;
pub(crate) mod state;
pub(crate) mod template;
