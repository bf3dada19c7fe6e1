//! MLflow's wire types: requests, responses, entities and errors. No I/O.

pub mod error;
pub mod uri;

pub use error::{Error, ErrorCode, Result};
