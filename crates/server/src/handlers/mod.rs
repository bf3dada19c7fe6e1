//! One file per noun; every handler reads its message, calls one store function and wraps the answer.

pub mod artifact_proxy;
pub mod artifacts;
pub mod datasets;
pub mod experiments;
pub mod gateway;
pub mod graphql;
pub mod health;
pub mod logged_models;
pub mod metrics;
pub mod model_versions;
pub mod multipart;
pub mod promptlab;
pub mod registered_models;
pub mod runs;
pub mod traces;
pub mod webhooks;
