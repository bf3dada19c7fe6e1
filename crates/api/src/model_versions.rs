//! Versions of registered models: entity, requests and responses.

use crate::error::{Result, invalid};
use crate::experiments::{Tag, at_most, text};
use crate::number;
use crate::request::{Check::*, Field, Request, field, repeated};
use serde::{Deserialize, Serialize};
use std::fmt;

/// MLflow's `ModelVersion` message. `model_id`, params, metrics and the state of deployment jobs are not in it: MLflow's
/// server never sends them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[expect(missing_docs, reason = "the fields are the wire's own")]
pub struct ModelVersion {
    pub name: String,
    pub version: String,
    /// Epoch milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub creation_timestamp: Option<i64>,
    /// Epoch milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_updated_timestamp: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub current_stage: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub run_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<String>,
    /// Left out where it is empty.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status_message: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<Tag>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub run_link: Option<String>,
    /// Where a version comes by itself; as a part of a list MLflow leaves them out.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub aliases: Vec<String>,
}

/// The number of a version as a request writes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VersionNumber {
    text: String,
    number: i32,
}

impl VersionNumber {
    /// Reads what Python's `int` reads. A number that is larger than any version can be is one that no version has.
    ///
    /// # Errors
    /// `INVALID_PARAMETER_VALUE`.
    pub fn parse(text: &str) -> Result<Self> {
        let digits = text.trim();
        let digits = digits.strip_prefix(['+', '-']).unwrap_or(digits);
        let is_integer =
            digits.split('_').all(|part| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit()));
        if !is_integer {
            return Err(invalid(format!("Parameter 'version' must be an integer, got '{text}'.")));
        }
        let number = text.trim().replace('_', "").parse().unwrap_or(-1);
        Ok(Self { text: text.to_owned(), number })
    }

    /// The number.
    pub fn get(&self) -> i64 {
        self.number.into()
    }
}

impl From<i32> for VersionNumber {
    fn from(number: i32) -> Self {
        Self { text: number.to_string(), number }
    }
}

impl fmt::Display for VersionNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// The stages that a version can be in. (A deleted version stays in the database, in a stage that no request can name.)
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names are the wire's own")]
pub enum Stage {
    None,
    Staging,
    Production,
    Archived,
}

impl Stage {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::None, Self::Staging, Self::Production, Self::Archived];

    /// Reads a stage in any case.
    ///
    /// # Errors
    /// `INVALID_PARAMETER_VALUE`.
    pub fn parse(text: &str) -> Result<Self> {
        let found = Self::ALL.into_iter().find(|stage| stage.name().eq_ignore_ascii_case(text));
        found.ok_or_else(|| {
            let names = Self::ALL.map(Self::name).join(", ");
            invalid(format!("Invalid Model Version stage: {text}. Value must be one of {names}."))
        })
    }

    /// Its name on the wire and in the database.
    pub fn name(self) -> &'static str {
        match self {
            Self::None => "None",
            Self::Staging => "Staging",
            Self::Production => "Production",
            Self::Archived => "Archived",
        }
    }

    /// Whether versions in it are in use: moving one there may archive the others.
    pub fn is_active(self) -> bool {
        matches!(self, Self::Staging | Self::Production)
    }
}

/// `model-versions/create`
#[derive(Debug, Clone, Deserialize)]
#[expect(missing_docs, reason = "the fields are the wire's own")]
pub struct CreateModelVersion {
    #[serde(default)]
    pub name: Option<String>,
    #[serde(default)]
    pub source: Option<String>,
    #[serde(default, alias = "runId", deserialize_with = "text")]
    pub run_id: String,
    #[serde(default, deserialize_with = "number::messages")]
    pub tags: Vec<Tag>,
    #[serde(default, alias = "runLink", deserialize_with = "text")]
    pub run_link: String,
    #[serde(default, deserialize_with = "text")]
    pub description: String,
    #[serde(default, alias = "modelId", deserialize_with = "text")]
    pub model_id: String,
}

impl Request for CreateModelVersion {
    const FIELDS: &'static [Field] = &[
        field("name", &[Str, Required]),
        field("source", &[Str, Required]),
        field("run_id", &[Str]),
        repeated("tags", &[Array]),
        field("run_link", &[Str]),
        field("description", &[Str]),
        field("model_id", &[Str]),
    ];
}

/// The response of calls that answer one version.
#[derive(Debug, Serialize)]
pub struct ModelVersionResponse {
    /// The version.
    pub model_version: ModelVersion,
}

/// `model-versions/get` and `model-versions/delete`
#[derive(Debug, Deserialize)]
#[expect(missing_docs, reason = "the fields are the wire's own")]
pub struct ModelVersionRef {
    #[serde(default)]
    pub name: Option<String>,
    #[serde(default)]
    pub version: Option<String>,
}

impl Request for ModelVersionRef {
    const FIELDS: &'static [Field] = &[field("name", &[Str, Required]), field("version", &[Str, Required])];
}

/// `model-versions/update`
#[derive(Debug, Deserialize)]
#[expect(missing_docs, reason = "the fields are the wire's own")]
pub struct UpdateModelVersion {
    #[serde(default)]
    pub name: Option<String>,
    #[serde(default)]
    pub version: Option<String>,
    /// Where absent, the description goes.
    #[serde(default)]
    pub description: Option<String>,
}

impl Request for UpdateModelVersion {
    const FIELDS: &'static [Field] =
        &[field("name", &[Str, Required]), field("version", &[Str, Required]), field("description", &[Str])];
}

/// `model-versions/transition-stage`
#[derive(Debug, Deserialize)]
#[expect(missing_docs, reason = "the fields are the wire's own")]
pub struct TransitionModelVersionStage {
    #[serde(default)]
    pub name: Option<String>,
    #[serde(default)]
    pub version: Option<String>,
    #[serde(default)]
    pub stage: Option<String>,
    #[serde(default, alias = "archiveExistingVersions")]
    pub archive_existing_versions: Option<bool>,
}

impl Request for TransitionModelVersionStage {
    const FIELDS: &'static [Field] = &[
        field("name", &[Str, Required]),
        field("version", &[Str, Required]),
        field("stage", &[Str, Required]),
        field("archive_existing_versions", &[Bool]),
    ];
}

/// `model-versions/get-download-uri`, whose fields MLflow's handler does not check; its store does.
#[derive(Debug, Deserialize)]
#[expect(missing_docs, reason = "the fields are the wire's own")]
pub struct GetModelVersionDownloadUri {
    #[serde(default, deserialize_with = "text")]
    pub name: String,
    #[serde(default, deserialize_with = "text")]
    pub version: String,
}

impl Request for GetModelVersionDownloadUri {
    const FIELDS: &'static [Field] = &[];
}

/// The response of `model-versions/get-download-uri`.
#[derive(Debug, Serialize)]
pub struct GetModelVersionDownloadUriResponse {
    /// Where the version's files are.
    pub artifact_uri: String,
}

/// `model-versions/search`
#[derive(Debug, Deserialize)]
#[expect(missing_docs, reason = "the fields are the wire's own")]
pub struct SearchModelVersions {
    #[serde(default)]
    pub filter: Option<String>,
    /// 200,000 where absent.
    #[serde(default, alias = "maxResults", deserialize_with = "number::opt_int64")]
    pub max_results: Option<i64>,
    #[serde(default, alias = "orderBy", deserialize_with = "number::list")]
    pub order_by: Vec<String>,
    #[serde(default, alias = "pageToken")]
    pub page_token: Option<String>,
}

impl Request for SearchModelVersions {
    const FIELDS: &'static [Field] = &[
        field("filter", &[Str]),
        field("max_results", &[IntLike, Also(at_most::<200_000>)]),
        repeated("order_by", &[Array, Strings]),
        field("page_token", &[Str]),
    ];
}

/// The response of `model-versions/search`.
#[derive(Debug, Serialize)]
pub struct SearchModelVersionsResponse {
    /// One page, in the order asked for, without aliases.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub model_versions: Vec<ModelVersion>,
    /// Set while there is more.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_page_token: Option<String>,
}

/// `model-versions/set-tag`
#[derive(Debug, Deserialize)]
#[expect(missing_docs, reason = "the fields are the wire's own")]
pub struct SetModelVersionTag {
    #[serde(default)]
    pub name: Option<String>,
    #[serde(default)]
    pub version: Option<String>,
    #[serde(default)]
    pub key: Option<String>,
    #[serde(default)]
    pub value: Option<String>,
}

impl Request for SetModelVersionTag {
    const FIELDS: &'static [Field] = &[
        field("name", &[Str, Required]),
        field("version", &[Str, Required]),
        field("key", &[Str, Required]),
        field("value", &[Str]),
    ];
}

/// `model-versions/delete-tag`
#[derive(Debug, Deserialize)]
#[expect(missing_docs, reason = "the fields are the wire's own")]
pub struct DeleteModelVersionTag {
    #[serde(default)]
    pub name: Option<String>,
    #[serde(default)]
    pub version: Option<String>,
    #[serde(default)]
    pub key: Option<String>,
}

impl Request for DeleteModelVersionTag {
    const FIELDS: &'static [Field] = &[
        field("name", &[Str, Required]),
        field("version", &[Str, Required]),
        field("key", &[Str, Required]),
    ];
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_versions_are_pythons_integers() {
        for (text, number) in
            [("1", 1), (" 12 ", 12), ("+3", 3), ("-4", -4), ("007", 7), ("1_000", 1000), ("99999999999", -1)]
        {
            let parsed = VersionNumber::parse(text).unwrap();
            assert_eq!((parsed.get(), parsed.to_string()), (number, text.to_owned()));
        }
        for text in ["", " ", "x", "1.0", "1_", "_1", "1__0", "+", "- 1", "0x1", "None", "latest"] {
            assert_eq!(
                VersionNumber::parse(text).unwrap_err().message,
                format!("Parameter 'version' must be an integer, got '{text}'.")
            );
        }
    }

    #[test]
    fn stages_are_read_in_any_case() {
        assert_eq!(Stage::parse("pRODUCTION"), Ok(Stage::Production));
        assert_eq!(Stage::parse("none"), Ok(Stage::None));
        assert_eq!(
            Stage::parse("Deleted_Internal").unwrap_err().message,
            "Invalid Model Version stage: Deleted_Internal. Value must be one of None, Staging, Production, Archived."
        );
    }
}
