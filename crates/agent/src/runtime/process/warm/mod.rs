//! Finished sandboxes that wait for notebooks, so that one starts without waiting for Python to import its server.
//!
//! A waiting sandbox is as every other, with walls, limits, a network, a user and a shim of its own, and nothing of anybody's
//! in it: a server of one environment that has everything imported ([`starter.py`](starter)) and waits for one message. An
//! attempt takes it over by moving its folder into its own: that is the claim, it is on the disk before anything else
//! happens, and nobody gives a sandbox back. The message can be sent by the agent alone that made it, which holds the only
//! connection: a waiting sandbox ends with its agent, and the next agent makes others.

mod demand;
mod metrics;
mod pool;
mod script;
mod take;
mod waiting;

pub(super) use self::pool::Pool;

/// Memory that one may take while it waits, in MiB. Counted against the node whether it is there or not.
pub(super) const MEMORY_MIB: u32 = 256;

/// The program that waits.
const STARTER: &str = include_str!("starter.py");
