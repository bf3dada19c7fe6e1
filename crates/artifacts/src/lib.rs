//! The bytes of artifacts: which paths are safe, where they are stored, and streaming them both ways.

mod error;
pub mod mime;
mod path;

pub use error::{Error, Result};
pub use path::ArtifactPath;
