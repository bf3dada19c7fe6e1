//! `/graphql`: the envelope of a query.

use crate::request::Check::{Required, Str};
use crate::request::{Field, Request, field};
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};

/// A GraphQL request. Fields that are not here, such as `extensions`, are ignored.
#[derive(Debug, Deserialize)]
pub struct GraphqlRequest {
    /// The text.
    #[serde(default)]
    pub query: Option<String>,
    /// By their names, without the `$`.
    #[serde(default, deserialize_with = "object")]
    pub variables: Map<String, Value>,
    #[serde(default, rename = "operationName")]
    operation_name: Option<Value>,
}

impl GraphqlRequest {
    /// Which of several operations to execute.
    pub fn operation_name(&self) -> Option<String> {
        match &self.operation_name {
            None | Some(Value::Null) => None,
            Some(Value::String(name)) => Some(name.clone()),
            Some(other) => Some(other.to_string()),
        }
    }
}

impl Request for GraphqlRequest {
    const FIELDS: &'static [Field] = &[field("query", &[Required, Str])];
}

/// An object; `null` is an empty one.
fn object<'de, D: Deserializer<'de>>(d: D) -> Result<Map<String, Value>, D::Error> {
    Ok(Option::<Map<String, Value>>::deserialize(d)?.unwrap_or_default())
}
