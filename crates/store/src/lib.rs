//! MLflow's tracking data in PostgreSQL and SQLite: one function per operation, its SQL above it.

pub mod db;
pub mod error;
pub mod experiments;
pub mod metrics;
pub mod names;
pub mod page_token;
pub mod runs;
pub mod schema;
pub mod uri;

pub use error::{Error, Result};
