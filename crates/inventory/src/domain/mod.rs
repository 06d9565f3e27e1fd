//! The rules of inventory: who may join, what a node may say, when it is silent and when it goes, what can be launched.

pub(crate) mod departure;
pub(crate) mod edge;
pub(crate) mod environment;
pub(crate) mod join;
pub(crate) mod lock;
pub(crate) mod machine_type;
pub(crate) mod node;
pub(crate) mod requirements;
pub(crate) mod silence;
