//! The ground floor: words that every room of the house uses, and nothing that does I/O.

pub mod code;
pub mod id;
pub mod money;
pub mod resources;
pub mod size;
pub mod text;
pub mod time;

pub use code::Code;
pub use money::{Micros, NanosPerHour};
pub use resources::Resources;
pub use time::{Clock, Timestamp};
