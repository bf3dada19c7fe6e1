//! MLflow's tracking data in PostgreSQL and SQLite: one function per operation, its SQL above it.

pub mod checkup;
pub mod datasets;
pub mod db;
pub mod error;
pub mod experiments;
pub mod gc;
mod grouped;
pub mod logged_models;
pub mod metrics;
pub mod model_versions;
pub mod names;
pub mod readiness;
pub mod registered_models;
pub mod runs;
pub mod schema;
pub mod search;
pub mod spans;
pub mod traces;
pub mod uri;
pub mod way;
pub mod webhooks;

pub use error::{Error, Result};
