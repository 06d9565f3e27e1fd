//! Who calls, and whether they may. Every call of every service passes through here.

mod access;
mod principal;
mod token;

pub use access::{Access, AccessLayer, caller};
pub use principal::{Principal, User};
pub use token::{Claims, KeySource, Signer, TOKEN_LIFETIME, Verifier};
