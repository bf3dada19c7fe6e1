//! HTTP: the route table, handlers, and the accept loop.

pub mod app;
pub mod download;
pub mod drain;
pub mod extract;
pub mod folder;
pub mod gate;
pub mod gc;
pub mod graphql;
pub mod handlers;
pub mod listen;
pub mod patience;
pub mod readiness;
pub mod respond;
pub mod routes;
pub mod security;
pub mod sources;
pub mod transfers;
pub mod ui;
pub mod webhooks;

pub use app::{App, Clock, Settings};
pub use gate::Gate;
pub use graphql::QueryLimits;
pub use routes::router;
pub use security::Security;
