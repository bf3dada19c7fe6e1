//! Metrics: entity, and the requests that read their histories.

use crate::experiments::text;
use crate::number;
use crate::request::{Check::*, Field, Refusal, Request, field, repeated};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// MLflow's `Metric` message: one point, or the latest of a key.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[expect(missing_docs, reason = "the fields are the wire's own")]
pub struct Metric {
    pub key: String,
    #[serde(serialize_with = "number::write_double")]
    pub value: f64,
    /// Epoch milliseconds.
    pub timestamp: i64,
    pub step: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dataset_name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dataset_digest: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub run_id: Option<String>,
}

/// A metric as a request carries it: anything may be absent.
#[derive(Debug, Clone, Default, Deserialize)]
#[expect(missing_docs, reason = "the fields are the wire's own")]
pub struct MetricInput {
    #[serde(default, deserialize_with = "text")]
    pub key: String,
    #[serde(default, deserialize_with = "number::opt_double")]
    pub value: Option<f64>,
    #[serde(default, deserialize_with = "number::opt_int64")]
    pub timestamp: Option<i64>,
    #[serde(default, deserialize_with = "number::opt_int64")]
    pub step: Option<i64>,
    #[serde(default, alias = "modelId")]
    pub model_id: Option<String>,
    #[serde(default, alias = "datasetName")]
    pub dataset_name: Option<String>,
    #[serde(default, alias = "datasetDigest")]
    pub dataset_digest: Option<String>,
}

impl From<MetricInput> for Metric {
    /// Absent numbers become 0, as unset protobuf fields read.
    fn from(m: MetricInput) -> Self {
        let set = |text: Option<String>| text.filter(|t| !t.is_empty());
        Self {
            key: m.key,
            value: m.value.unwrap_or_default(),
            timestamp: m.timestamp.unwrap_or_default(),
            step: m.step.unwrap_or_default(),
            dataset_name: set(m.dataset_name),
            dataset_digest: set(m.dataset_digest),
            model_id: set(m.model_id),
            run_id: None,
        }
    }
}

/// `metrics/get-history`
#[derive(Debug, Deserialize)]
#[expect(missing_docs, reason = "the fields are the wire's own")]
pub struct GetMetricHistory {
    #[serde(default, alias = "runId")]
    pub run_id: Option<String>,
    #[serde(default, alias = "runUuid")]
    pub run_uuid: Option<String>,
    #[serde(default, alias = "metricKey")]
    pub metric_key: Option<String>,
    #[serde(default, alias = "pageToken")]
    pub page_token: Option<String>,
    /// Absent or 0 is everything.
    #[serde(default, alias = "maxResults", deserialize_with = "number::opt_int32")]
    pub max_results: Option<i64>,
}

impl Request for GetMetricHistory {
    const FIELDS: &'static [Field] = &[
        field("run_id", &[Str, Required]),
        field("metric_key", &[Str, Required]),
        field("page_token", &[Str]),
    ];
}

/// The most runs of one `metrics/get-history-bulk-interval`.
pub const MAX_RUNS_GET_METRIC_HISTORY_BULK: usize = 100;
/// The most sampled steps of one `metrics/get-history-bulk-interval`.
pub const MAX_RESULTS_PER_RUN: i64 = 2500;
/// The most points of one run in one `metrics/get-history-bulk-interval`.
pub const MAX_RESULTS_GET_METRIC_HISTORY: i64 = 25_000;

/// `metrics/get-history-bulk-interval`
#[derive(Debug, Deserialize)]
#[expect(missing_docs, reason = "the fields are the wire's own")]
pub struct GetMetricHistoryBulkInterval {
    #[serde(default, alias = "runIds", deserialize_with = "number::list")]
    pub run_ids: Vec<String>,
    #[serde(default, alias = "metricKey")]
    pub metric_key: Option<String>,
    /// Given together with `end_step`, or not at all.
    #[serde(default, alias = "startStep", deserialize_with = "number::opt_int64")]
    pub start_step: Option<i64>,
    #[serde(default, alias = "endStep", deserialize_with = "number::opt_int64")]
    pub end_step: Option<i64>,
    /// Sampled steps, 1 to 2,500.
    #[serde(default, alias = "maxResults", deserialize_with = "number::opt_int32")]
    pub max_results: Option<i64>,
}

impl Request for GetMetricHistoryBulkInterval {
    const FIELDS: &'static [Field] = &[
        repeated("run_ids", &[Required, Array, Strings, Also(not_too_many_runs)]),
        field("metric_key", &[Required, Str]),
        field("start_step", &[IntLike]),
        field("end_step", &[IntLike]),
        field("max_results", &[IntLike, Also(max_results_in_range)]),
    ];
}

fn not_too_many_runs(value: &Value) -> Result<(), Refusal> {
    let count = value.as_array().map_or(0, Vec::len);
    if count <= MAX_RUNS_GET_METRIC_HISTORY_BULK {
        return Ok(());
    }
    Err(Refusal::Message(format!(
        "GetMetricHistoryBulkInterval request must specify at most {MAX_RUNS_GET_METRIC_HISTORY_BULK} run_ids. \
         Received {count} run_ids."
    )))
}

fn max_results_in_range(value: &Value) -> Result<(), Refusal> {
    let number = value.as_i64().or_else(|| value.as_str()?.trim().parse().ok());
    match number {
        Some(n) if (1..=MAX_RESULTS_PER_RUN).contains(&n) => Ok(()),
        _ => Err(Refusal::Message(format!("max_results must be between 1 and {MAX_RESULTS_PER_RUN}."))),
    }
}
