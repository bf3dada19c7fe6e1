//! Data sets as inputs of runs, and the models that runs take in and put out.

use crate::experiments::{Tag, text};
use crate::number;
use crate::request::{Check::*, Field, Request, field, repeated};
use serde::{Deserialize, Serialize};

/// MLflow's `Dataset` message. Absent text is empty, as an unset protobuf field reads.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Default)]
#[expect(missing_docs, reason = "the fields are the wire's own")]
pub struct Dataset {
    #[serde(default, deserialize_with = "text")]
    pub name: String,
    #[serde(default, deserialize_with = "text")]
    pub digest: String,
    #[serde(default, alias = "sourceType", deserialize_with = "text")]
    pub source_type: String,
    #[serde(default, deserialize_with = "text")]
    pub source: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schema: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub profile: Option<String>,
}

/// A data set with the tags of its use in one run (`mlflow.data.context` among them).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the fields are the wire's own")]
pub struct DatasetInput {
    #[serde(default, deserialize_with = "number::messages", skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<Tag>,
    #[serde(default)]
    pub dataset: Option<Dataset>,
}

/// A logged model that a run reads.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModelInput {
    /// The logged model's id.
    #[serde(default, alias = "modelId", deserialize_with = "text")]
    pub model_id: String,
}

/// A logged model that a run made, at one of its steps.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModelOutput {
    /// The logged model's id.
    #[serde(default, alias = "modelId", deserialize_with = "text")]
    pub model_id: String,
    /// 0 where the request leaves it out.
    #[serde(default, deserialize_with = "step")]
    pub step: i64,
}

fn step<'de, D: serde::Deserializer<'de>>(d: D) -> Result<i64, D::Error> {
    Ok(number::opt_int64(d)?.unwrap_or_default())
}

/// `runs/log-inputs`
#[derive(Debug, Deserialize)]
#[expect(missing_docs, reason = "the fields are the wire's own")]
pub struct LogInputs {
    #[serde(default, alias = "runId")]
    pub run_id: Option<String>,
    #[serde(default, deserialize_with = "number::messages")]
    pub datasets: Vec<DatasetInput>,
    #[serde(default, deserialize_with = "number::messages")]
    pub models: Vec<ModelInput>,
}

impl Request for LogInputs {
    const FIELDS: &'static [Field] =
        &[field("run_id", &[Required, Str]), repeated("datasets", &[Array]), repeated("models", &[Array])];
}

/// `runs/outputs`
#[derive(Debug, Deserialize)]
#[expect(missing_docs, reason = "the fields are the wire's own")]
pub struct LogOutputs {
    #[serde(default, alias = "runId")]
    pub run_id: Option<String>,
    #[serde(default, deserialize_with = "number::messages")]
    pub models: Vec<ModelOutput>,
}

impl Request for LogOutputs {
    const FIELDS: &'static [Field] =
        &[field("run_id", &[Required, Str]), repeated("models", &[Required, Array])];
}
