//! Experiments: entity, requests and responses.

use crate::error::invalid;
use crate::number;
use crate::request::{Check::*, Field, Refusal, Request, field, repeated};
use serde::{Deserialize, Serialize};

/// MLflow's `Experiment` message.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[expect(missing_docs, reason = "the fields are the wire's own")]
pub struct Experiment {
    pub experiment_id: String,
    pub name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub artifact_location: Option<String>,
    pub lifecycle_stage: String,
    /// Epoch milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_update_time: Option<i64>,
    /// Epoch milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub creation_time: Option<i64>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<Tag>,
}

/// A key and its value: `ExperimentTag`, `RunTag`, `Param`, `LoggedModelTag`, `LoggedModelParameter`, `InputTag`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Default)]
pub struct Tag {
    /// The key; empty when the request leaves it out.
    #[serde(default, deserialize_with = "text")]
    pub key: String,
    /// The value; empty when the request leaves it out.
    #[serde(default, deserialize_with = "text")]
    pub value: String,
}

/// A string where `null` and absence are the empty string, as in a protobuf message.
pub(crate) fn text<'de, D: serde::Deserializer<'de>>(d: D) -> Result<String, D::Error> {
    Ok(Option::<String>::deserialize(d)?.unwrap_or_default())
}

/// Which lifecycle stages a search sees. Deserialised from MLflow's names or numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[expect(missing_docs, reason = "the names are the wire's own")]
pub enum ViewType {
    #[default]
    ActiveOnly,
    DeletedOnly,
    All,
}

impl ViewType {
    /// The `lifecycle_stage` values this view shows.
    pub fn stages(self) -> &'static [&'static str] {
        match self {
            Self::ActiveOnly => &["active"],
            Self::DeletedOnly => &["deleted"],
            Self::All => &["active", "deleted"],
        }
    }
}

impl<'de> Deserialize<'de> for ViewType {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let value = serde_json::Value::deserialize(d)?;
        let number = value.as_i64().or_else(|| value.as_str()?.parse().ok());
        match (value.as_str(), number) {
            (Some("ACTIVE_ONLY"), _) | (_, Some(1)) => Ok(Self::ActiveOnly),
            (Some("DELETED_ONLY"), _) | (_, Some(2)) => Ok(Self::DeletedOnly),
            (Some("ALL"), _) | (_, Some(3)) => Ok(Self::All),
            _ => Err(serde::de::Error::custom("view type must be ACTIVE_ONLY, DELETED_ONLY or ALL")),
        }
    }
}

/// `experiments/create`
#[derive(Debug, Deserialize)]
#[expect(missing_docs, reason = "the fields are the wire's own")]
pub struct CreateExperiment {
    #[serde(default)]
    pub name: Option<String>,
    #[serde(default, alias = "artifactLocation")]
    pub artifact_location: Option<String>,
    #[serde(default, deserialize_with = "number::messages")]
    pub tags: Vec<Tag>,
}

impl Request for CreateExperiment {
    const FIELDS: &'static [Field] =
        &[field("name", &[Required, Str]), field("artifact_location", &[Str]), repeated("tags", &[Array])];
}

/// The response of `experiments/create`.
#[derive(Debug, Serialize)]
pub struct CreateExperimentResponse {
    /// The new experiment's id.
    pub experiment_id: String,
}

/// `experiments/get`, `experiments/delete` and `experiments/restore`
#[derive(Debug, Deserialize)]
pub struct ExperimentRef {
    /// The experiment meant.
    #[serde(default, alias = "experimentId", deserialize_with = "number::opt_experiment_id")]
    pub experiment_id: Option<String>,
}

impl Request for ExperimentRef {
    const FIELDS: &'static [Field] = &[field("experiment_id", &[Required, Str])];
}

/// `experiments/get-by-name`
#[derive(Debug, Deserialize)]
pub struct GetExperimentByName {
    /// The exact name.
    #[serde(default, alias = "experimentName")]
    pub experiment_name: Option<String>,
}

impl Request for GetExperimentByName {
    const FIELDS: &'static [Field] = &[field("experiment_name", &[Required, Str])];
}

/// The response of `experiments/get` and `experiments/get-by-name`.
#[derive(Debug, Serialize)]
pub struct GetExperimentResponse {
    /// The experiment, deleted or not.
    pub experiment: Experiment,
}

/// `experiments/update`
#[derive(Debug, Deserialize)]
#[expect(missing_docs, reason = "the fields are the wire's own")]
pub struct UpdateExperiment {
    #[serde(default, alias = "experimentId", deserialize_with = "number::opt_experiment_id")]
    pub experiment_id: Option<String>,
    #[serde(default, alias = "newName")]
    pub new_name: Option<String>,
}

impl Request for UpdateExperiment {
    const FIELDS: &'static [Field] =
        &[field("experiment_id", &[Required, Str]), field("new_name", &[Str, Required])];
}

/// `experiments/set-experiment-tag`
#[derive(Debug, Deserialize)]
#[expect(missing_docs, reason = "the fields are the wire's own")]
pub struct SetExperimentTag {
    #[serde(default, alias = "experimentId", deserialize_with = "number::opt_experiment_id")]
    pub experiment_id: Option<String>,
    #[serde(default)]
    pub key: Option<String>,
    #[serde(default)]
    pub value: Option<String>,
}

impl Request for SetExperimentTag {
    const FIELDS: &'static [Field] =
        &[field("experiment_id", &[Required, Str]), field("key", &[Required, Str]), field("value", &[Str])];
}

/// `experiments/delete-experiment-tag`
#[derive(Debug, Deserialize)]
#[expect(missing_docs, reason = "the fields are the wire's own")]
pub struct DeleteExperimentTag {
    #[serde(default, alias = "experimentId", deserialize_with = "number::opt_experiment_id")]
    pub experiment_id: Option<String>,
    #[serde(default)]
    pub key: Option<String>,
}

impl Request for DeleteExperimentTag {
    const FIELDS: &'static [Field] =
        &[field("experiment_id", &[Required, Str]), field("key", &[Required, Str])];
}

/// `experiments/search`
#[derive(Debug, Deserialize)]
#[expect(missing_docs, reason = "the fields are the wire's own")]
pub struct SearchExperiments {
    /// Absent is 0, which the search refuses, as MLflow's does.
    #[serde(default, alias = "maxResults", deserialize_with = "number::opt_int64")]
    pub max_results: Option<i64>,
    #[serde(default, alias = "pageToken")]
    pub page_token: Option<String>,
    #[serde(default)]
    pub filter: Option<String>,
    #[serde(default, alias = "orderBy", deserialize_with = "number::list")]
    pub order_by: Vec<String>,
    #[serde(default, alias = "viewType")]
    pub view_type: Option<ViewType>,
}

impl Request for SearchExperiments {
    const FIELDS: &'static [Field] = &[
        field("view_type", &[IntLike]),
        field("max_results", &[IntLike]),
        repeated("order_by", &[Array]),
        field("filter", &[Str]),
        field("page_token", &[Str]),
    ];
}

/// The response of `experiments/search`.
#[derive(Debug, Serialize)]
pub struct SearchExperimentsResponse {
    /// One page, in the order asked for.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub experiments: Vec<Experiment>,
    /// Set while there is more.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_page_token: Option<String>,
}

/// `experiments/search-datasets`
#[derive(Debug, Deserialize)]
pub struct SearchDatasets {
    /// 1 to 20 experiments.
    #[serde(default, alias = "experimentIds", deserialize_with = "number::experiment_ids")]
    pub experiment_ids: Vec<String>,
}

impl Request for SearchDatasets {
    const FIELDS: &'static [Field] = &[];
}

const MAX_EXPERIMENT_IDS_PER_REQUEST: usize = 20;

impl SearchDatasets {
    /// The experiments to look in.
    ///
    /// # Errors
    /// `INVALID_PARAMETER_VALUE` for none and for too many.
    pub fn experiment_ids(self) -> crate::Result<Vec<String>> {
        match self.experiment_ids.len() {
            0 => Err(invalid("SearchDatasets request must specify at least one experiment_id.")),
            1..=MAX_EXPERIMENT_IDS_PER_REQUEST => Ok(self.experiment_ids),
            n => Err(invalid(format!(
                "SearchDatasets request cannot specify more than {MAX_EXPERIMENT_IDS_PER_REQUEST} experiment_ids. \
                 Received {n} experiment_ids."
            ))),
        }
    }
}

/// A data set that runs of an experiment used, MLflow's `DatasetSummary`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[expect(missing_docs, reason = "the fields are the wire's own")]
pub struct DatasetSummary {
    pub experiment_id: String,
    pub name: String,
    pub digest: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub context: Option<String>,
}

/// The response of `experiments/search-datasets`.
#[derive(Debug, Serialize)]
pub struct SearchDatasetsResponse {
    /// At most 1,000.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub dataset_summaries: Vec<DatasetSummary>,
}

/// A check that a number is at most `LIMIT`, worded as MLflow words a failed comparison.
pub(crate) fn at_most<const LIMIT: i64>(value: &serde_json::Value) -> Result<(), Refusal> {
    let number = value.as_f64().or_else(|| value.as_str()?.trim().parse().ok());
    match number {
        Some(n) if n > LIMIT as f64 => Err(Refusal::InvalidValue),
        _ => Ok(()),
    }
}
