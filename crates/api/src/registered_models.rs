//! Registered models: entity, requests and responses. Prompts are registered models with a tag.

use crate::experiments::{Tag, at_most};
use crate::model_versions::ModelVersion;
use crate::number;
use crate::request::{Check::*, Field, Request, field, repeated};
use serde::{Deserialize, Serialize};

/// The tag that makes a registered model, and each of its versions, a prompt.
pub const IS_PROMPT: &str = "mlflow.prompt.is_prompt";

/// MLflow's `RegisteredModel` message. `user_id` and what belongs to deployment jobs are not in it: MLflow's server never
/// sends them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[expect(missing_docs, reason = "the fields are the wire's own")]
pub struct RegisteredModel {
    pub name: String,
    /// Epoch milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub creation_timestamp: Option<i64>,
    /// Epoch milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_updated_timestamp: Option<i64>,
    /// Left out where it is empty.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// The newest version of each stage, without their aliases.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub latest_versions: Vec<ModelVersion>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<Tag>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub aliases: Vec<RegisteredModelAlias>,
}

/// A name for one version of a registered model, MLflow's `RegisteredModelAlias`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[expect(missing_docs, reason = "the fields are the wire's own")]
pub struct RegisteredModelAlias {
    pub alias: String,
    pub version: String,
}

/// Whether tags of a request make what it creates a prompt: their values do not matter to MLflow.
pub fn has_prompt_tag(tags: &[Tag]) -> bool {
    tags.iter().any(|tag| tag.key == IS_PROMPT)
}

/// `registered-models/create`
#[derive(Debug, Deserialize)]
#[expect(missing_docs, reason = "the fields are the wire's own")]
pub struct CreateRegisteredModel {
    #[serde(default)]
    pub name: Option<String>,
    #[serde(default, deserialize_with = "number::messages")]
    pub tags: Vec<Tag>,
    #[serde(default)]
    pub description: Option<String>,
}

impl Request for CreateRegisteredModel {
    const FIELDS: &'static [Field] =
        &[field("name", &[Str, Required]), repeated("tags", &[Array]), field("description", &[Str])];
}

/// The response of `registered-models/{create,get,rename,update}`.
#[derive(Debug, Serialize)]
pub struct RegisteredModelResponse {
    /// The model.
    pub registered_model: RegisteredModel,
}

/// `registered-models/get` and `registered-models/delete`
#[derive(Debug, Deserialize)]
pub struct RegisteredModelRef {
    /// The model meant.
    #[serde(default)]
    pub name: Option<String>,
}

impl Request for RegisteredModelRef {
    const FIELDS: &'static [Field] = &[field("name", &[Str, Required])];
}

/// `registered-models/rename`
#[derive(Debug, Deserialize)]
#[expect(missing_docs, reason = "the fields are the wire's own")]
pub struct RenameRegisteredModel {
    #[serde(default)]
    pub name: Option<String>,
    #[serde(default, alias = "newName")]
    pub new_name: Option<String>,
}

impl Request for RenameRegisteredModel {
    const FIELDS: &'static [Field] = &[field("name", &[Str, Required]), field("new_name", &[Str, Required])];
}

/// `registered-models/update`
#[derive(Debug, Deserialize)]
#[expect(missing_docs, reason = "the fields are the wire's own")]
pub struct UpdateRegisteredModel {
    #[serde(default)]
    pub name: Option<String>,
    /// Empty where absent: the description goes.
    #[serde(default)]
    pub description: Option<String>,
}

impl Request for UpdateRegisteredModel {
    const FIELDS: &'static [Field] = &[field("name", &[Str, Required]), field("description", &[Str])];
}

/// `registered-models/search`
#[derive(Debug, Deserialize)]
#[expect(missing_docs, reason = "the fields are the wire's own")]
pub struct SearchRegisteredModels {
    #[serde(default)]
    pub filter: Option<String>,
    /// 100 where absent.
    #[serde(default, alias = "maxResults", deserialize_with = "number::opt_int64")]
    pub max_results: Option<i64>,
    #[serde(default, alias = "orderBy", deserialize_with = "number::list")]
    pub order_by: Vec<String>,
    #[serde(default, alias = "pageToken")]
    pub page_token: Option<String>,
}

impl Request for SearchRegisteredModels {
    const FIELDS: &'static [Field] = &[
        field("filter", &[Str]),
        field("max_results", &[IntLike, Also(at_most::<1000>)]),
        repeated("order_by", &[Array, Strings]),
        field("page_token", &[Str]),
    ];
}

/// The response of `registered-models/search`.
#[derive(Debug, Serialize)]
pub struct SearchRegisteredModelsResponse {
    /// One page, in the order asked for.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub registered_models: Vec<RegisteredModel>,
    /// Set while there is more.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_page_token: Option<String>,
}

/// `registered-models/get-latest-versions`
#[derive(Debug, Deserialize)]
#[expect(missing_docs, reason = "the fields are the wire's own")]
pub struct GetLatestVersions {
    #[serde(default)]
    pub name: Option<String>,
    /// All stages where there are none.
    #[serde(default, deserialize_with = "number::list")]
    pub stages: Vec<String>,
}

impl Request for GetLatestVersions {
    const FIELDS: &'static [Field] =
        &[field("name", &[Str, Required]), repeated("stages", &[Array, Strings])];
}

/// `registered-models/set-tag`
#[derive(Debug, Deserialize)]
#[expect(missing_docs, reason = "the fields are the wire's own")]
pub struct SetRegisteredModelTag {
    #[serde(default)]
    pub name: Option<String>,
    #[serde(default)]
    pub key: Option<String>,
    #[serde(default)]
    pub value: Option<String>,
}

impl Request for SetRegisteredModelTag {
    const FIELDS: &'static [Field] =
        &[field("name", &[Str, Required]), field("key", &[Str, Required]), field("value", &[Str])];
}

/// `registered-models/delete-tag`
#[derive(Debug, Deserialize)]
#[expect(missing_docs, reason = "the fields are the wire's own")]
pub struct DeleteRegisteredModelTag {
    #[serde(default)]
    pub name: Option<String>,
    #[serde(default)]
    pub key: Option<String>,
}

impl Request for DeleteRegisteredModelTag {
    const FIELDS: &'static [Field] = &[field("name", &[Str, Required]), field("key", &[Str, Required])];
}

/// `registered-models/alias` (POST)
#[derive(Debug, Deserialize)]
#[expect(missing_docs, reason = "the fields are the wire's own")]
pub struct SetRegisteredModelAlias {
    #[serde(default)]
    pub name: Option<String>,
    #[serde(default)]
    pub alias: Option<String>,
    #[serde(default)]
    pub version: Option<String>,
}

impl Request for SetRegisteredModelAlias {
    const FIELDS: &'static [Field] = &[
        field("name", &[Str, Required]),
        field("alias", &[Str, Required]),
        field("version", &[Str, Required]),
    ];
}

/// `registered-models/alias` (GET and DELETE)
#[derive(Debug, Deserialize)]
#[expect(missing_docs, reason = "the fields are the wire's own")]
pub struct RegisteredModelAliasRef {
    #[serde(default)]
    pub name: Option<String>,
    #[serde(default)]
    pub alias: Option<String>,
}

impl Request for RegisteredModelAliasRef {
    const FIELDS: &'static [Field] = &[field("name", &[Str, Required]), field("alias", &[Str, Required])];
}
