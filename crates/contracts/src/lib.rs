//! The contracts of the house: messages, clients and servers generated from `proto/`, who may make each call, and the way
//! between wire types and kernel types.

mod access;
mod convert;
mod event;

pub use access::{ACCESS, MethodAccess, access_of};
pub use convert::{InvalidField, from_wire_time, to_wire_time};
pub use event::Event;

/// The encoded descriptors of all contracts, for reflection and for the check against the frozen ones.
pub const DESCRIPTORS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/descriptors.bin"));

#[allow(
    missing_docs,
    missing_debug_implementations,
    unreachable_pub,
    unused_qualifications,
    clippy::all,
    clippy::unwrap_used,
    clippy::large_futures,
    clippy::disallowed_methods,
    reason = "generated code; the proto files carry the documentation"
)]
mod generated {
    include!(concat!(env!("OUT_DIR"), "/modules.rs"));
}

pub use generated::{
    agent, billing, common, identity, inventory, journal, notebook, scheduler, volume,
};
