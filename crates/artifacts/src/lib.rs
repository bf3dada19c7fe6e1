//! The bytes of artifacts: which paths are safe, where they are stored, and streaming them both ways.

mod cloud;
mod cloud_client;
mod cloud_error;
mod cloud_http;
mod cloud_open;
mod cloud_uri;
mod cloud_write;
mod environment;
mod error;
mod leftovers;
mod local;
mod local_read;
mod local_walk;
mod local_write;
pub mod mime;
pub mod multipart;
mod open_azure;
mod open_gcs;
mod open_s3;
mod path;
pub mod proxied;
mod signing;
mod store;
mod stores;
mod zip;

pub use cloud::CloudStore;
pub use cloud_error::{CloudError, Fault};
pub use cloud_uri::Container;
pub use environment::Environment;
pub use error::{Error, Result};
pub use leftovers::ABANDONED_AFTER;
pub use local::LocalStore;
pub use path::ArtifactPath;
pub use store::{ByteRange, Download, FileMeta, FoundFile, Store};
pub use stores::Stores;
pub use zip::zip;
