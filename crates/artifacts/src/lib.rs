//! The bytes of artifacts: which paths are safe, where they are stored, and streaming them both ways.

mod error;
mod leftovers;
mod local;
mod local_read;
mod local_walk;
mod local_write;
pub mod mime;
mod path;
pub mod proxied;
mod store;
mod zip;

pub use error::{Error, Result};
pub use leftovers::ABANDONED_AFTER;
pub use local::LocalStore;
pub use path::ArtifactPath;
pub use store::{ByteRange, Download, FileMeta, FoundFile, Store};
pub use zip::zip;
