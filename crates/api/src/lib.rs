//! MLflow's wire types: requests, responses, entities and errors. No I/O.

pub mod artifacts;
pub mod datasets;
pub mod error;
pub mod experiments;
pub mod graphql;
pub mod histories;
mod iso_time;
pub mod log_model;
pub mod logged_models;
pub mod metrics;
pub mod model_versions;
pub mod number;
pub mod promptlab;
pub mod registered_models;
pub mod request;
pub mod runs;
pub mod uri;
pub mod validate;
pub mod webhook_events;
pub mod webhooks;

pub use artifacts::*;
pub use datasets::*;
pub use error::{Error, ErrorCode, Result};
pub use experiments::*;
pub use graphql::GraphqlRequest;
pub use histories::*;
pub use logged_models::*;
pub use metrics::*;
pub use model_versions::*;
pub use promptlab::*;
pub use registered_models::*;
pub use runs::*;
pub use webhook_events::WebhookEvent;
pub use webhooks::*;
