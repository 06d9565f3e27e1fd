//! The door with real NATS, a played agent and played notebooks.

mod access;
mod activity;
mod client;
mod drain;
mod house;
mod limits;
mod pages;
mod passing;
mod routes;
mod websocket;
