//! Runs: entity, requests and responses.

use crate::datasets::{DatasetInput, ModelInput, ModelOutput};
use crate::error::Result;
use crate::experiments::{Tag, ViewType, at_most};
use crate::metrics::{Metric, MetricInput};
use crate::number;
use crate::request::{
    Check::*, Field, Refusal, Request, field, from_body, may_hold_nul, missing_value, repeated,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// MLflow's `Run` message.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[expect(missing_docs, reason = "the fields are the wire's own")]
pub struct Run {
    pub info: RunInfo,
    pub data: RunData,
    pub inputs: RunInputs,
    /// `runs/create` answers without it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub outputs: Option<RunOutputs>,
}

/// MLflow's `RunInfo` message. `run_uuid` is the old name of `run_id`; clients read either.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[expect(missing_docs, reason = "the fields are the wire's own")]
pub struct RunInfo {
    pub run_uuid: String,
    pub experiment_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub run_name: Option<String>,
    pub user_id: String,
    pub status: RunStatus,
    /// Epoch milliseconds.
    pub start_time: i64,
    /// Epoch milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub end_time: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub artifact_uri: Option<String>,
    pub lifecycle_stage: String,
    pub run_id: String,
}

/// MLflow's `RunData` message: the latest metrics, the params and the tags.
#[derive(Debug, Clone, PartialEq, Serialize, Default)]
#[expect(missing_docs, reason = "the fields are the wire's own")]
pub struct RunData {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub metrics: Vec<Metric>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub params: Vec<Tag>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<Tag>,
}

/// MLflow's `RunInputs` message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Default)]
#[expect(missing_docs, reason = "the fields are the wire's own")]
pub struct RunInputs {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub dataset_inputs: Vec<DatasetInput>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub model_inputs: Vec<ModelInput>,
}

/// MLflow's `RunOutputs` message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Default)]
#[expect(missing_docs, reason = "the fields are the wire's own")]
pub struct RunOutputs {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub model_outputs: Vec<ModelOutput>,
}

/// MLflow's `RunStatus` enum, read from its names or numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "UPPERCASE")]
#[expect(missing_docs, reason = "the names are the wire's own")]
pub enum RunStatus {
    Running,
    Scheduled,
    Finished,
    Failed,
    Killed,
}

impl RunStatus {
    /// The name, as on the wire and in the `runs.status` column.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Running => "RUNNING",
            Self::Scheduled => "SCHEDULED",
            Self::Finished => "FINISHED",
            Self::Failed => "FAILED",
            Self::Killed => "KILLED",
        }
    }

    /// The status of this name.
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Running, Self::Scheduled, Self::Finished, Self::Failed, Self::Killed]
            .into_iter()
            .find(|s| s.as_str() == name)
    }
}

impl<'de> Deserialize<'de> for RunStatus {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> std::result::Result<Self, D::Error> {
        let value = Value::deserialize(d)?;
        let by_number = || match value.as_i64().or_else(|| value.as_str()?.parse().ok())? {
            1 => Some(Self::Running),
            2 => Some(Self::Scheduled),
            3 => Some(Self::Finished),
            4 => Some(Self::Failed),
            5 => Some(Self::Killed),
            _ => None,
        };
        value.as_str().and_then(Self::from_name).or_else(by_number).ok_or_else(|| {
            serde::de::Error::custom(format!(
                "status {value} is none of RUNNING, SCHEDULED, FINISHED, FAILED, KILLED"
            ))
        })
    }
}

/// The run a request names: `run_id`, or its old name `run_uuid`.
pub fn run_id_of(run_id: Option<String>, run_uuid: Option<String>) -> String {
    run_id.filter(|id| !id.is_empty()).or(run_uuid).unwrap_or_default()
}

/// `runs/create`
#[derive(Debug, Deserialize)]
#[expect(missing_docs, reason = "the fields are the wire's own")]
pub struct CreateRun {
    #[serde(default, alias = "experimentId", deserialize_with = "number::opt_experiment_id")]
    pub experiment_id: Option<String>,
    #[serde(default, alias = "userId")]
    pub user_id: Option<String>,
    #[serde(default, alias = "runName")]
    pub run_name: Option<String>,
    #[serde(default, alias = "startTime", deserialize_with = "number::opt_int64")]
    pub start_time: Option<i64>,
    #[serde(default, deserialize_with = "number::messages")]
    pub tags: Vec<Tag>,
}

impl Request for CreateRun {
    const FIELDS: &'static [Field] =
        &[field("experiment_id", &[Str]), field("start_time", &[IntLike]), field("run_name", &[Str])];
}

/// The response of `runs/create` and `runs/get`.
#[derive(Debug, Serialize)]
pub struct RunResponse {
    /// The run.
    pub run: Run,
}

/// `runs/get`, `runs/delete` and `runs/restore`
#[derive(Debug, Deserialize)]
#[expect(missing_docs, reason = "the fields are the wire's own")]
pub struct RunRef {
    #[serde(default, alias = "runId")]
    pub run_id: Option<String>,
    #[serde(default, alias = "runUuid")]
    pub run_uuid: Option<String>,
}

impl Request for RunRef {
    const FIELDS: &'static [Field] = &[field("run_id", &[Required, Str])];
}

/// `runs/update`
#[derive(Debug, Deserialize)]
#[expect(missing_docs, reason = "the fields are the wire's own")]
pub struct UpdateRun {
    #[serde(default, alias = "runId")]
    pub run_id: Option<String>,
    #[serde(default, alias = "runUuid")]
    pub run_uuid: Option<String>,
    #[serde(default)]
    pub status: Option<RunStatus>,
    #[serde(default, alias = "endTime", deserialize_with = "number::opt_int64")]
    pub end_time: Option<i64>,
    #[serde(default, alias = "runName")]
    pub run_name: Option<String>,
}

impl Request for UpdateRun {
    const FIELDS: &'static [Field] = &[
        field("run_id", &[Required, Str]),
        field("end_time", &[IntLike]),
        field("status", &[Str]),
        field("run_name", &[Str]),
    ];
}

/// The response of `runs/update`.
#[derive(Debug, Serialize)]
pub struct UpdateRunResponse {
    /// The run's info after the update.
    pub run_info: RunInfo,
}

/// `runs/log-metric`
#[derive(Debug, Deserialize)]
#[expect(missing_docs, reason = "the fields are the wire's own")]
pub struct LogMetric {
    #[serde(default, alias = "runId")]
    pub run_id: Option<String>,
    #[serde(default, alias = "runUuid")]
    pub run_uuid: Option<String>,
    #[serde(flatten)]
    pub metric: MetricInput,
}

impl Request for LogMetric {
    const FIELDS: &'static [Field] = &[
        field("run_id", &[Required, Str]),
        field("key", &[Required, Str]),
        field("value", &[Required, FloatLike]),
        field("timestamp", &[IntLike, Required]),
        field("step", &[IntLike]),
        field("model_id", &[Str]),
        field("dataset_name", &[Str]),
        field("dataset_digest", &[Str]),
    ];
}

/// `runs/log-parameter` and `runs/set-tag`
#[derive(Debug, Deserialize)]
#[expect(missing_docs, reason = "the fields are the wire's own")]
pub struct LogKeyValue {
    #[serde(default, alias = "runId")]
    pub run_id: Option<String>,
    #[serde(default, alias = "runUuid")]
    pub run_uuid: Option<String>,
    #[serde(flatten)]
    pub pair: Tag,
}

impl Request for LogKeyValue {
    const FIELDS: &'static [Field] =
        &[field("run_id", &[Required, Str]), field("key", &[Required, Str]), field("value", &[Str])];
}

/// `runs/delete-tag`
#[derive(Debug, Deserialize)]
#[expect(missing_docs, reason = "the fields are the wire's own")]
pub struct DeleteTag {
    #[serde(default, alias = "runId")]
    pub run_id: Option<String>,
    #[serde(default)]
    pub key: Option<String>,
}

impl Request for DeleteTag {
    const FIELDS: &'static [Field] = &[field("run_id", &[Required, Str]), field("key", &[Required, Str])];
}

/// `runs/log-batch`
#[derive(Debug, Deserialize)]
#[expect(missing_docs, reason = "the fields are the wire's own")]
pub struct LogBatch {
    #[serde(default)]
    pub run_id: Option<String>,
    #[serde(default, deserialize_with = "number::messages")]
    pub metrics: Vec<MetricInput>,
    #[serde(default, deserialize_with = "number::messages")]
    pub params: Vec<Tag>,
    #[serde(default, deserialize_with = "number::messages")]
    pub tags: Vec<Tag>,
}

impl LogBatch {
    /// Reads a batch straight into its type, without a JSON tree between; only a batch that fails its checks is read
    /// again the slow way, for the message that names the culprit.
    ///
    /// # Errors
    /// As [`from_body`].
    pub fn from_body(body: &[u8]) -> Result<Self> {
        match serde_json::from_slice::<Self>(body) {
            Ok(batch) if batch.is_complete() && !may_hold_nul(body) => Ok(batch),
            _ => from_body(body),
        }
    }

    fn is_complete(&self) -> bool {
        self.run_id.as_ref().is_some_and(|id| !id.is_empty())
            && self.metrics.iter().all(|m| !m.key.is_empty() && m.value.is_some() && m.timestamp.is_some())
            && self.params.iter().chain(&self.tags).all(|pair| !pair.key.is_empty())
    }
}

impl Request for LogBatch {
    const FIELDS: &'static [Field] = &[
        field("run_id", &[Str, Required]),
        repeated("metrics", &[Array, Also(metrics_have_fields)]),
        repeated("params", &[Array, Also(params_have_keys)]),
        repeated("tags", &[Array, Also(tags_have_keys)]),
    ];
}

fn metrics_have_fields(value: &Value) -> std::result::Result<(), Refusal> {
    items_have(value, "metrics", &["key", "value", "timestamp"])
}

fn params_have_keys(value: &Value) -> std::result::Result<(), Refusal> {
    items_have(value, "params", &["key"])
}

fn tags_have_keys(value: &Value) -> std::result::Result<(), Refusal> {
    items_have(value, "tags", &["key"])
}

fn items_have(value: &Value, name: &str, fields: &[&str]) -> std::result::Result<(), Refusal> {
    for (index, item) in value.as_array().into_iter().flatten().enumerate() {
        for field in fields {
            let present = item.get(field).is_some_and(|v| !v.is_null() && v != "");
            if !present {
                return Err(Refusal::Message(missing_value(&format!("{name}[{index}].{field}"))));
            }
        }
    }
    Ok(())
}

/// `runs/log-model`
#[derive(Debug, Deserialize)]
#[expect(missing_docs, reason = "the fields are the wire's own")]
pub struct LogModel {
    #[serde(default, alias = "runId")]
    pub run_id: Option<String>,
    /// The `MLmodel` file as JSON text.
    #[serde(default, alias = "modelJson")]
    pub model_json: Option<String>,
}

impl Request for LogModel {
    const FIELDS: &'static [Field] =
        &[field("run_id", &[Str, Required]), field("model_json", &[Str, Required])];
}

/// `runs/search`
#[derive(Debug, Deserialize)]
#[expect(missing_docs, reason = "the fields are the wire's own")]
pub struct SearchRuns {
    #[serde(default, alias = "experimentIds", deserialize_with = "number::experiment_ids")]
    pub experiment_ids: Vec<String>,
    #[serde(default)]
    pub filter: Option<String>,
    #[serde(default, alias = "runViewType")]
    pub run_view_type: Option<ViewType>,
    /// 1,000 where absent, 50,000 at most.
    #[serde(default, alias = "maxResults", deserialize_with = "number::opt_int32")]
    pub max_results: Option<i64>,
    #[serde(default, alias = "orderBy", deserialize_with = "number::list")]
    pub order_by: Vec<String>,
    #[serde(default, alias = "pageToken")]
    pub page_token: Option<String>,
}

impl Request for SearchRuns {
    const FIELDS: &'static [Field] = &[
        repeated("experiment_ids", &[Array]),
        field("filter", &[Str]),
        field("max_results", &[IntLike, Also(at_most::<50_000>)]),
        repeated("order_by", &[Array, Strings]),
    ];
}

/// The response of `runs/search`.
#[derive(Debug, Serialize)]
pub struct SearchRunsResponse {
    /// One page, in the order asked for.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub runs: Vec<Run>,
    /// Set while there may be more.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_page_token: Option<String>,
}
