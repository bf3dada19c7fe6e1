//! Traces: what a search asks for, and the two shapes in which it answers.

use crate::assessments::Assessment;
use crate::error::Result;
use crate::experiments::{Tag, at_most};
use crate::iso_time::{duration, timestamp};
use crate::number;
use crate::request::{Check::*, Field, Request, field, repeated};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// How many traces a search answers that does not say.
pub const DEFAULT_TRACES: i64 = 100;
const MOST_TRACES: i64 = 500;

/// How far a trace has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub enum TraceState {
    Unspecified,
    Ok,
    Error,
    InProgress,
}

impl TraceState {
    /// The state of this name in the column `trace_info.status`.
    pub fn from_name(name: &str) -> Self {
        match name {
            "OK" => Self::Ok,
            "ERROR" => Self::Error,
            "IN_PROGRESS" => Self::InProgress,
            _ => Self::Unspecified,
        }
    }

    /// Its name in MLflow's older messages.
    fn v2(self) -> &'static str {
        match self {
            Self::Unspecified => "TRACE_STATUS_UNSPECIFIED",
            state => state.v3(),
        }
    }

    fn v3(self) -> &'static str {
        match self {
            Self::Unspecified => "STATE_UNSPECIFIED",
            Self::Ok => "OK",
            Self::Error => "ERROR",
            Self::InProgress => "IN_PROGRESS",
        }
    }
}

/// What is known of a trace without its spans.
#[derive(Debug, Clone, PartialEq)]
pub struct TraceInfo {
    /// The trace's id.
    pub trace_id: String,
    /// The experiment it belongs to.
    pub experiment_id: String,
    /// When it began, in epoch milliseconds.
    pub request_time: i64,
    /// How long it took, in milliseconds, once it has ended.
    pub execution_duration: Option<i64>,
    /// How far it has come.
    pub state: TraceState,
    /// The client's own name for the request.
    pub client_request_id: Option<String>,
    /// The beginning of what went in.
    pub request_preview: Option<String>,
    /// The beginning of what came out.
    pub response_preview: Option<String>,
    /// What is fixed when it is made. A value may be missing in databases that others wrote to.
    pub metadata: Vec<(String, Option<String>)>,
    /// What may be changed later.
    pub tags: Vec<(String, Option<String>)>,
    /// What people and judges said of it; empty where nobody asked for it.
    pub assessments: Vec<Assessment>,
}

/// MLflow's older `TraceInfo` message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[expect(missing_docs, reason = "the fields are the wire's own")]
pub struct TraceInfoV2 {
    pub request_id: String,
    pub experiment_id: String,
    pub timestamp_ms: i64,
    /// 0 while the trace has not ended.
    pub execution_time_ms: i64,
    pub status: &'static str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub request_metadata: Vec<Tag>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<Tag>,
}

/// MLflow's `TraceInfoV3` message.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[expect(missing_docs, reason = "the fields are the wire's own")]
pub struct TraceInfoV3 {
    pub trace_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_request_id: Option<String>,
    pub trace_location: TraceLocation,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request_preview: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub response_preview: Option<String>,
    pub request_time: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub execution_duration: Option<String>,
    pub state: &'static str,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub trace_metadata: BTreeMap<String, String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub assessments: Vec<Assessment>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub tags: BTreeMap<String, String>,
}

/// Where a trace is kept. Ferroflow, as any server but Databricks', has experiments for that.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TraceLocation {
    /// Which kind of place it is; only written.
    #[serde(rename = "type", skip_deserializing, default = "in_experiment")]
    pub kind: &'static str,
    /// The experiment, where it is one.
    #[serde(default, alias = "mlflowExperiment")]
    pub mlflow_experiment: Option<ExperimentLocation>,
}

/// The place of traces in an experiment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(expecting = "an object")]
pub struct ExperimentLocation {
    /// The experiment's id.
    #[serde(default, alias = "experimentId", deserialize_with = "experiment_id")]
    pub experiment_id: String,
}

fn in_experiment() -> &'static str {
    "MLFLOW_EXPERIMENT"
}

fn experiment_id<'de, D: serde::Deserializer<'de>>(d: D) -> std::result::Result<String, D::Error> {
    Ok(number::opt_experiment_id(d)?.unwrap_or_default())
}

impl From<TraceInfo> for TraceInfoV2 {
    fn from(trace: TraceInfo) -> Self {
        let pairs =
            |cut: Vec<(String, String)>| cut.into_iter().map(|(key, value)| Tag { key, value }).collect();
        Self {
            request_id: trace.trace_id,
            experiment_id: trace.experiment_id,
            timestamp_ms: trace.request_time,
            execution_time_ms: trace.execution_duration.unwrap_or_default(),
            status: trace.state.v2(),
            request_metadata: pairs(cut(trace.metadata, METADATA_CHARS)),
            tags: pairs(cut(trace.tags, TAG_CHARS)),
        }
    }
}

impl From<TraceInfo> for TraceInfoV3 {
    fn from(trace: TraceInfo) -> Self {
        let experiment = ExperimentLocation { experiment_id: trace.experiment_id };
        Self {
            trace_id: trace.trace_id,
            client_request_id: trace.client_request_id,
            trace_location: TraceLocation { kind: in_experiment(), mlflow_experiment: Some(experiment) },
            request_preview: trace.request_preview,
            response_preview: trace.response_preview,
            request_time: timestamp(trace.request_time),
            execution_duration: trace.execution_duration.map(duration),
            state: trace.state.v3(),
            trace_metadata: cut(trace.metadata, METADATA_CHARS).into_iter().collect(),
            assessments: trace.assessments,
            tags: cut(trace.tags, TAG_CHARS).into_iter().collect(),
        }
    }
}

/// How long keys and values are in answers, whatever the database holds: MLflow's `MAX_CHARS_IN_TRACE_INFO_METADATA` and
/// `MAX_CHARS_IN_TRACE_INFO_TAGS_*`.
const METADATA_CHARS: (usize, usize) = (250, 250);
const TAG_CHARS: (usize, usize) = (250, 4096);

/// Keys and values as they are answered: cut, and "None" for a value that is not there, as in MLflow.
fn cut(pairs: Vec<(String, Option<String>)>, (key, value): (usize, usize)) -> Vec<(String, String)> {
    let first = |text: String, chars: usize| match text.char_indices().nth(chars) {
        Some((end, _)) => text[..end].to_owned(),
        None => text,
    };
    let none = || "None".to_owned();
    pairs.into_iter().map(|(k, v)| (first(k, key), first(v.unwrap_or_else(none), value))).collect()
}

/// `GET 2.0/mlflow/traces`
#[derive(Debug, Deserialize)]
#[expect(missing_docs, reason = "the fields are the wire's own")]
pub struct SearchTracesV2 {
    #[serde(default, alias = "experimentIds", deserialize_with = "number::experiment_ids")]
    pub experiment_ids: Vec<String>,
    #[serde(default)]
    pub filter: Option<String>,
    #[serde(default, alias = "maxResults", deserialize_with = "number::opt_int32")]
    pub max_results: Option<i64>,
    #[serde(default, alias = "orderBy", deserialize_with = "number::list")]
    pub order_by: Vec<String>,
    #[serde(default, alias = "pageToken")]
    pub page_token: Option<String>,
}

impl Request for SearchTracesV2 {
    const FIELDS: &'static [Field] = &[
        repeated("experiment_ids", &[Array, Strings, Required]),
        field("filter", &[Str]),
        field("max_results", &[IntLike, Also(at_most::<MOST_TRACES>)]),
        repeated("order_by", &[Array, Strings]),
        field("page_token", &[Str]),
    ];
}

/// The response of `GET 2.0/mlflow/traces`.
#[derive(Debug, Serialize)]
pub struct SearchTracesV2Response {
    /// One page, in the order asked for.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub traces: Vec<TraceInfoV2>,
    /// Set while there may be more.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_page_token: Option<String>,
}

/// `POST 3.0/mlflow/traces/search`
#[derive(Debug, Deserialize)]
#[expect(missing_docs, reason = "the fields are the wire's own")]
pub struct SearchTracesV3 {
    #[serde(default, deserialize_with = "number::messages")]
    pub locations: Vec<TraceLocation>,
    #[serde(default)]
    pub filter: Option<String>,
    #[serde(default, alias = "maxResults", deserialize_with = "number::opt_int32")]
    pub max_results: Option<i64>,
    #[serde(default, alias = "orderBy", deserialize_with = "number::list")]
    pub order_by: Vec<String>,
    #[serde(default, alias = "pageToken")]
    pub page_token: Option<String>,
}

impl SearchTracesV3 {
    /// The experiments among the locations. There are no traces elsewhere.
    pub fn experiment_ids(&self) -> Vec<String> {
        let experiments = self.locations.iter().filter_map(|location| location.mlflow_experiment.as_ref());
        experiments.map(|experiment| experiment.experiment_id.clone()).collect()
    }
}

impl Request for SearchTracesV3 {
    const FIELDS: &'static [Field] = &[
        repeated("locations", &[Array, Required]),
        field("filter", &[Str]),
        field("max_results", &[IntLike, Also(at_most::<MOST_TRACES>)]),
        repeated("order_by", &[Array, Strings]),
        field("page_token", &[Str]),
    ];
}

/// The response of `POST 3.0/mlflow/traces/search`.
#[derive(Debug, Serialize)]
pub struct SearchTracesV3Response {
    /// One page, in the order asked for.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub traces: Vec<TraceInfoV3>,
    /// Set while there may be more.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_page_token: Option<String>,
}

/// Refuses what cannot be the id of an experiment: a dot makes it the name of a table elsewhere.
///
/// # Errors
/// `INVALID_PARAMETER_VALUE`.
pub fn check_locations(ids: &[String]) -> Result<()> {
    let wrong: Vec<&str> = ids.iter().map(String::as_str).filter(|id| id.contains('.')).collect();
    if wrong.is_empty() {
        return Ok(());
    }
    let wrong = wrong.join(", ");
    let shown = match wrong.char_indices().nth(SHOWN_LOCATIONS) {
        Some((end, _)) => format!("{}...", &wrong[..end]),
        None => wrong,
    };
    Err(crate::error::invalid(format!(
        "Locations must be a list of experiment IDs. Found invalid experiment IDs: {shown}."
    )))
}

const SHOWN_LOCATIONS: usize = 20;

#[cfg(test)]
mod tests {
    use super::*;

    fn trace() -> TraceInfo {
        TraceInfo {
            trace_id: "tr-1".into(),
            experiment_id: "7".into(),
            request_time: 1_700_000_000_120,
            execution_duration: None,
            state: TraceState::Unspecified,
            client_request_id: None,
            request_preview: None,
            response_preview: None,
            metadata: vec![("k".into(), Some("é".repeat(300)))],
            tags: vec![("t".into(), None)],
            assessments: vec![],
        }
    }

    #[test]
    fn a_trace_has_two_shapes() {
        let v2 = serde_json::to_value(TraceInfoV2::from(trace())).unwrap();
        assert_eq!(v2["execution_time_ms"], 0);
        assert_eq!(v2["status"], "TRACE_STATUS_UNSPECIFIED");
        assert_eq!(v2["request_metadata"][0]["value"], "é".repeat(250));
        assert_eq!(v2["tags"][0]["value"], "None");
        let v3 = serde_json::to_value(TraceInfoV3::from(trace())).unwrap();
        assert_eq!(v3["request_time"], "2023-11-14T22:13:20.120Z");
        assert_eq!(v3["state"], "STATE_UNSPECIFIED");
        assert_eq!(v3["trace_location"]["mlflow_experiment"]["experiment_id"], "7");
        assert!(v3.get("execution_duration").is_none());
    }

    #[test]
    fn a_table_is_no_location() {
        assert_eq!(check_locations(&["1".into()]), Ok(()));
        let error =
            check_locations(&["a.b.c".into(), "2".into(), "catalog.schema.table".into()]).unwrap_err();
        assert_eq!(
            error.message,
            "Locations must be a list of experiment IDs. Found invalid experiment IDs: a.b.c, catalog.schem...."
        );
    }
}
