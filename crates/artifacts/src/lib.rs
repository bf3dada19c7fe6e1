//! Where the bytes of artifacts live.

pub mod mime;
