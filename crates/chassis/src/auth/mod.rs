//! Who calls, and whether they may. Every call of every service passes through here.

mod access;
mod principal;
mod token;
mod user;

pub use access::{Access, AccessLayer, caller};
pub use principal::Principal;
pub use token::{Claims, KeySource, Signer, TOKEN_LIFETIME, Verifier};
pub use user::User;
