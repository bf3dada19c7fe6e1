//! HTTP: the route table, handlers, and the accept loop.

pub mod app;
pub mod extract;
pub mod handlers;
pub mod listen;
pub mod respond;
pub mod routes;

pub use app::{App, Clock, Settings};
pub use routes::router;
