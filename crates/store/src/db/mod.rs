//! The database layer: the only code that knows which engine it talks to.

mod value;

pub use value::Value;
