//! Anything as an artifact path: `cargo +nightly fuzz run artifact_path`.

#![no_main]

#[path = "../checks/artifact_path.rs"]
mod check;

libfuzzer_sys::fuzz_target!(|data: &[u8]| check::artifact_path(data));
