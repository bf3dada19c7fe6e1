//! Logged models: entity, requests and responses.

use crate::error::{Result, invalid};
use crate::experiments::{Tag, text};
use crate::metrics::Metric;
use crate::number;
use crate::request::{Check::*, Field, Request, field, repeated};
use crate::validate::python_repr;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// MLflow's `LoggedModel` message.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[expect(missing_docs, reason = "the fields are the wire's own")]
pub struct LoggedModel {
    pub info: LoggedModelInfo,
    pub data: LoggedModelData,
}

/// MLflow's `LoggedModelInfo` message. `creator_id`, `status_message` and `registrations` are not in it: MLflow's server
/// never sends them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[expect(missing_docs, reason = "the fields are the wire's own")]
pub struct LoggedModelInfo {
    pub model_id: String,
    pub experiment_id: String,
    pub name: String,
    pub creation_timestamp_ms: i64,
    pub last_updated_timestamp_ms: i64,
    pub artifact_uri: String,
    pub status: LoggedModelStatus,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model_type: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source_run_id: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<Tag>,
}

/// MLflow's `LoggedModelData` message.
#[derive(Debug, Clone, PartialEq, Serialize, Default)]
pub struct LoggedModelData {
    /// By key.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub params: Vec<Tag>,
    /// Every point that names the model, of all runs.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub metrics: Vec<Metric>,
}

/// MLflow's `LoggedModelStatus` enum, read from its names or numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[expect(missing_docs, reason = "the names are the wire's own")]
pub enum LoggedModelStatus {
    #[serde(rename = "LOGGED_MODEL_STATUS_UNSPECIFIED")]
    Unspecified,
    #[serde(rename = "LOGGED_MODEL_PENDING")]
    Pending,
    #[serde(rename = "LOGGED_MODEL_READY")]
    Ready,
    #[serde(rename = "LOGGED_MODEL_UPLOAD_FAILED")]
    UploadFailed,
}

impl LoggedModelStatus {
    /// The number, as in the `logged_models.status` column.
    pub fn number(self) -> i64 {
        match self {
            Self::Unspecified => 0,
            Self::Pending => 1,
            Self::Ready => 2,
            Self::UploadFailed => 3,
        }
    }

    /// The status of this number.
    pub fn from_number(number: i64) -> Option<Self> {
        [Self::Unspecified, Self::Pending, Self::Ready, Self::UploadFailed]
            .into_iter()
            .find(|s| s.number() == number)
    }

    fn from_name(name: &str) -> Option<Self> {
        match name {
            "LOGGED_MODEL_STATUS_UNSPECIFIED" => Some(Self::Unspecified),
            "LOGGED_MODEL_PENDING" => Some(Self::Pending),
            "LOGGED_MODEL_READY" => Some(Self::Ready),
            "LOGGED_MODEL_UPLOAD_FAILED" => Some(Self::UploadFailed),
            _ => None,
        }
    }
}

impl<'de> Deserialize<'de> for LoggedModelStatus {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> std::result::Result<Self, D::Error> {
        let value = Value::deserialize(d)?;
        let by_number = || Self::from_number(value.as_i64().or_else(|| value.as_str()?.parse().ok())?);
        value.as_str().and_then(Self::from_name).or_else(by_number).ok_or_else(|| {
            serde::de::Error::custom(format!(
                "status {value} is none of LOGGED_MODEL_PENDING, LOGGED_MODEL_READY, LOGGED_MODEL_UPLOAD_FAILED"
            ))
        })
    }
}

/// `logged-models` (POST)
#[derive(Debug, Deserialize)]
#[expect(missing_docs, reason = "the fields are the wire's own")]
pub struct CreateLoggedModel {
    #[serde(default, alias = "experimentId", deserialize_with = "number::opt_experiment_id")]
    pub experiment_id: Option<String>,
    #[serde(default)]
    pub name: Option<String>,
    #[serde(default, alias = "modelType", deserialize_with = "text")]
    pub model_type: String,
    #[serde(default, alias = "sourceRunId", deserialize_with = "text")]
    pub source_run_id: String,
    #[serde(default, deserialize_with = "number::messages")]
    pub params: Vec<Tag>,
    #[serde(default, deserialize_with = "number::messages")]
    pub tags: Vec<Tag>,
}

impl Request for CreateLoggedModel {
    const FIELDS: &'static [Field] = &[
        field("experiment_id", &[Str, Required]),
        field("name", &[Str]),
        field("model_type", &[Str]),
        field("source_run_id", &[Str]),
        repeated("params", &[Array]),
        repeated("tags", &[Array]),
    ];
}

/// The response of `logged-models` (POST) and `logged-models/{model_id}` (GET and PATCH).
#[derive(Debug, Serialize)]
pub struct LoggedModelResponse {
    /// The model.
    pub model: LoggedModel,
}

/// `logged-models/{model_id}` (GET)
#[derive(Debug, Clone, Deserialize)]
pub struct GetLoggedModel {
    /// `true` in any case shows a deleted model; anything else is `false`.
    #[serde(default)]
    pub allow_deleted: Option<String>,
}

impl GetLoggedModel {
    /// Whether a deleted model may be shown.
    pub fn allows_deleted(&self) -> bool {
        self.allow_deleted.as_ref().is_some_and(|text| text.eq_ignore_ascii_case("true"))
    }
}

impl Request for GetLoggedModel {
    const FIELDS: &'static [Field] = &[];
}

/// `logged-models/{model_id}` (PATCH)
#[derive(Debug, Deserialize)]
#[expect(missing_docs, reason = "the fields are the wire's own")]
pub struct FinalizeLoggedModel {
    #[serde(default, alias = "modelId")]
    pub model_id: Option<String>,
    #[serde(default)]
    pub status: Option<LoggedModelStatus>,
}

impl Request for FinalizeLoggedModel {
    const FIELDS: &'static [Field] =
        &[field("model_id", &[Required, Str]), field("status", &[Required, IntLike])];
}

/// `logged-models/{model_id}/params`
#[derive(Debug, Deserialize)]
#[expect(missing_docs, reason = "the fields are the wire's own")]
pub struct LogLoggedModelParams {
    #[serde(default, alias = "modelId")]
    pub model_id: Option<String>,
    #[serde(default, deserialize_with = "number::messages")]
    pub params: Vec<Tag>,
}

impl Request for LogLoggedModelParams {
    const FIELDS: &'static [Field] = &[field("model_id", &[Str, Required]), repeated("params", &[Array])];
}

/// `logged-models/{model_id}/tags`
#[derive(Debug, Deserialize)]
#[expect(missing_docs, reason = "the fields are the wire's own")]
pub struct SetLoggedModelTags {
    #[serde(default, deserialize_with = "number::messages")]
    pub tags: Vec<Tag>,
}

impl Request for SetLoggedModelTags {
    const FIELDS: &'static [Field] = &[repeated("tags", &[Array])];
}

/// Refuses a body that names another model than its path does. MLflow updates the body's model, which may be one that
/// the caller's permissions, looked up for the path, do not cover.
///
/// # Errors
/// `INVALID_PARAMETER_VALUE`.
pub fn same_model_id(path: &str, body: Option<&str>) -> Result<()> {
    match body {
        Some(body) if body != path => Err(invalid(format!(
            "The request's model_id {} is not the one of its path, {}.",
            python_repr(body),
            python_repr(path)
        ))),
        _ => Ok(()),
    }
}

/// `logged-models/search`
#[derive(Debug, Clone, Deserialize)]
#[expect(missing_docs, reason = "the fields are the wire's own")]
pub struct SearchLoggedModels {
    #[serde(default, alias = "experimentIds", deserialize_with = "number::experiment_ids")]
    pub experiment_ids: Vec<String>,
    #[serde(default)]
    pub filter: Option<String>,
    #[serde(default, deserialize_with = "number::messages")]
    pub datasets: Vec<LoggedModelDataset>,
    /// 50 where absent (protobuf's default), 100 for 0 (the store's).
    #[serde(default, alias = "maxResults", deserialize_with = "number::opt_int32")]
    pub max_results: Option<i64>,
    #[serde(default, alias = "orderBy", deserialize_with = "number::messages")]
    pub order_by: Vec<LoggedModelOrderBy>,
    #[serde(default, alias = "pageToken")]
    pub page_token: Option<String>,
}

impl Request for SearchLoggedModels {
    const FIELDS: &'static [Field] = &[
        repeated("experiment_ids", &[Array, Strings, Required]),
        field("filter", &[Str]),
        repeated("datasets", &[Array]),
        field("max_results", &[IntLike]),
        repeated("order_by", &[Array]),
        field("page_token", &[Str]),
    ];
}

/// A data set whose metrics a search looks at, MLflow's `SearchLoggedModels.Dataset`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[expect(missing_docs, reason = "the fields are the wire's own")]
pub struct LoggedModelDataset {
    #[serde(default, alias = "datasetName", deserialize_with = "text")]
    pub dataset_name: String,
    /// Any digest where absent or empty.
    #[serde(default, alias = "datasetDigest")]
    pub dataset_digest: Option<String>,
}

/// One key of a search's order, MLflow's `SearchLoggedModels.OrderBy`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[expect(missing_docs, reason = "the fields are the wire's own")]
pub struct LoggedModelOrderBy {
    /// A column, or `metrics.<name>`.
    #[serde(default, alias = "fieldName", deserialize_with = "text")]
    pub field_name: String,
    /// Ascending where absent.
    #[serde(default)]
    pub ascending: Option<bool>,
    #[serde(default, alias = "datasetName")]
    pub dataset_name: Option<String>,
    #[serde(default, alias = "datasetDigest")]
    pub dataset_digest: Option<String>,
}

/// The response of `logged-models/search`.
#[derive(Debug, Serialize)]
pub struct SearchLoggedModelsResponse {
    /// One page, in the order asked for.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub models: Vec<LoggedModel>,
    /// Set while there is more.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_page_token: Option<String>,
}

/// `logged-models/{model_id}/artifacts/directories`
#[derive(Debug, Deserialize)]
pub struct ListLoggedModelArtifacts {
    /// The folder to list, relative to the model's; the model's own where absent.
    #[serde(default, alias = "artifactDirectoryPath")]
    pub artifact_directory_path: Option<String>,
}

impl Request for ListLoggedModelArtifacts {
    const FIELDS: &'static [Field] = &[field("artifact_directory_path", &[ArtifactPath])];
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::request::{from_body, from_query};
    use serde_json::json;

    fn finalize(body: Value) -> Result<FinalizeLoggedModel> {
        from_body(body.to_string().as_bytes())
    }

    #[test]
    fn a_status_has_a_name_and_a_number() {
        for status in [json!("LOGGED_MODEL_UPLOAD_FAILED"), json!(3), json!("3")] {
            let request = finalize(json!({"model_id": "m", "status": status})).unwrap();
            assert_eq!(request.status, Some(LoggedModelStatus::UploadFailed));
        }
        let unknown = finalize(json!({"model_id": "m", "status": 7})).unwrap_err().message;
        assert!(unknown.contains("status 7 is none of LOGGED_MODEL_PENDING"), "{unknown}");
        assert_eq!(
            finalize(json!({"model_id": "m", "status": "ready"})).unwrap_err().message,
            "Invalid value \"ready\" for parameter 'status' supplied:  Hint: Value was of type 'str'. See the API docs \
             for more information about request parameters."
        );
    }

    #[test]
    fn finalize_needs_both_fields() {
        let missing = |body| finalize(body).unwrap_err().message;
        assert!(missing(json!({"status": 2})).starts_with("Missing value for required parameter 'model_id'"));
        assert!(
            missing(json!({"model_id": "m"})).starts_with("Missing value for required parameter 'status'")
        );
    }

    #[test]
    fn path_and_body_name_one_model() {
        assert_eq!(same_model_id("m-1", Some("m-1")), Ok(()));
        assert_eq!(same_model_id("m-1", None), Ok(()));
        assert_eq!(
            same_model_id("m-1", Some("m-2")).unwrap_err().message,
            "The request's model_id 'm-2' is not the one of its path, 'm-1'."
        );
    }

    #[test]
    fn only_the_word_true_allows_deleted_models() {
        for (text, expected) in
            [("TRUE", true), ("true", true), ("1", false), ("yes", false), ("false", false)]
        {
            let pairs = [("allow_deleted".to_owned(), text.to_owned())];
            let request: GetLoggedModel = from_query(pairs.into_iter()).unwrap();
            assert_eq!(request.allows_deleted(), expected, "{text}");
        }
    }

    #[test]
    fn absent_lists_are_empty_in_answers() {
        let info = LoggedModelInfo {
            model_id: "m-1".into(),
            experiment_id: "0".into(),
            name: "n".into(),
            creation_timestamp_ms: 1,
            last_updated_timestamp_ms: 2,
            artifact_uri: "a".into(),
            status: LoggedModelStatus::Pending,
            model_type: Some(String::new()),
            source_run_id: None,
            tags: Vec::new(),
        };
        let response = LoggedModelResponse { model: LoggedModel { info, data: LoggedModelData::default() } };
        assert_eq!(
            serde_json::to_string(&response).unwrap(),
            r#"{"model":{"info":{"model_id":"m-1","experiment_id":"0","name":"n","creation_timestamp_ms":1,"last_updated_timestamp_ms":2,"artifact_uri":"a","status":"LOGGED_MODEL_PENDING","model_type":""},"data":{}}}"#
        );
    }
}
