//! The gateway against small real gRPC servers that play the services behind it.

mod billing;
mod client;
mod house;
mod identity;
mod inventory;
mod keys;
mod limits;
mod link;
mod notebook;
mod openapi;
mod passage;
mod rest;
mod rest_own;
mod stop;
