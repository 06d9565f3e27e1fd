//! Attempts: the rule of their life, their files, the task that drives each, and what all of them show to the outside.

mod board;
mod driver;
mod ending;
mod folder;
mod kept;
mod life;
mod notice;
mod ready;
mod supervisor;

pub(crate) use self::board::{Board, Entry};
pub(crate) use self::folder::{Folder, attempts, homes, waiting};
pub(crate) use self::kept::Kept;
pub(crate) use self::life::Phase;
pub(crate) use self::notice::Notice;
pub(crate) use self::supervisor::{Order, Supervisor};
