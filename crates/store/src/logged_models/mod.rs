//! Logged models: create, read, finalize, delete. Mirrors the logged-model part of MLflow's `SqlAlchemyStore`.

mod load;
pub(crate) mod metrics;
mod search;
mod tags_params;
mod versions;

pub use load::load;
pub use search::search;
pub use tags_params::{delete_tag, log_params, set_tags};
pub use versions::note_version;
pub(crate) use versions::origin;

use crate::db::{Tx, Value};
use crate::error::{Error, Result};
use crate::experiments::{self, ExperimentId};
use crate::names;
use api::error::not_found;
use api::{LoggedModel, LoggedModelStatus, Tag, validate};

/// What `logged-models` (POST) makes.
#[derive(Clone)]
#[expect(missing_docs, reason = "the fields are the wire's own")]
pub struct NewLoggedModel {
    pub experiment_id: ExperimentId,
    /// Where absent or empty, one is made up.
    pub name: Option<String>,
    pub model_type: String,
    pub source_run_id: String,
    pub params: Vec<Tag>,
    pub tags: Vec<Tag>,
    /// Epoch milliseconds.
    pub now_ms: i64,
}

const INSERT: &str = "
    INSERT INTO logged_models (model_id, experiment_id, name, artifact_location, creation_timestamp_ms,
                               last_updated_timestamp_ms, status, lifecycle_stage, model_type, source_run_id)
    VALUES ($1, $2, $3, $4, $5, $6, $7, 'active', $8, $9)";

/// Creates a model in an active experiment, pending until it is finalized.
///
/// # Errors
/// `RESOURCE_DOES_NOT_EXIST` for the experiment; `INVALID_PARAMETER_VALUE` when it is deleted or the name will not do;
/// `BAD_REQUEST` when a param or tag comes twice.
pub async fn create(tx: &mut Tx<'_>, new: NewLoggedModel) -> Result<LoggedModel> {
    let name = match new.name.filter(|name| !name.is_empty()) {
        Some(name) => {
            validate::logged_model_name(&name)?;
            name
        }
        None => names::random_name(),
    };
    let root = experiments::artifact_location_of_active(tx, new.experiment_id).await?;
    let model_id = format!("m-{}", names::new_id());
    let location = api::uri::append_to_uri_path(&root, &["models", &model_id, "artifacts"])?;
    let args: [Value; 9] = [
        model_id.as_str().into(),
        new.experiment_id.get().into(),
        name.into(),
        location.into(),
        new.now_ms.into(),
        new.now_ms.into(),
        LoggedModelStatus::Pending.number().into(),
        new.model_type.into(),
        new.source_run_id.into(),
    ];
    tx.exec(INSERT, &args).await?;
    let model = Model { model_id, experiment_id: new.experiment_id.get() };
    tags_params::insert_new(tx, &model, &new.params, &new.tags).await?;
    get(tx, &model.model_id).await
}

/// The model with this id, unless it is deleted.
///
/// # Errors
/// `RESOURCE_DOES_NOT_EXIST`.
pub async fn get(tx: &mut Tx<'_>, model_id: &str) -> Result<LoggedModel> {
    load::active(tx, model_id).await?.ok_or_else(|| no_model(model_id))
}

/// The model with this id, deleted or not.
///
/// # Errors
/// `RESOURCE_DOES_NOT_EXIST`.
pub async fn get_even_deleted(tx: &mut Tx<'_>, model_id: &str) -> Result<LoggedModel> {
    load(tx, &[model_id.to_owned()]).await?.pop().ok_or_else(|| no_model(model_id))
}

const ARTIFACT_LOCATION: &str =
    "SELECT artifact_location FROM logged_models WHERE model_id = $1 AND lifecycle_stage <> 'deleted'";

/// Where a model that is not deleted keeps its artifacts.
///
/// # Errors
/// `RESOURCE_DOES_NOT_EXIST`.
pub async fn artifact_location(tx: &mut Tx<'_>, model_id: &str) -> Result<String> {
    let found = tx.first(ARTIFACT_LOCATION, &[model_id.into()], |row| row.text(0)).await?;
    found.ok_or_else(|| no_model(model_id))
}

const FINALIZE: &str =
    "UPDATE logged_models SET status = $1, last_updated_timestamp_ms = $2 WHERE model_id = $3";

/// Sets the status of a model, deleted or not, and answers the model.
///
/// # Errors
/// `RESOURCE_DOES_NOT_EXIST`.
pub async fn finalize(
    tx: &mut Tx<'_>,
    model_id: &str,
    status: LoggedModelStatus,
    now_ms: i64,
) -> Result<LoggedModel> {
    tx.exec(FINALIZE, &[status.number().into(), now_ms.into(), model_id.into()]).await?;
    get_even_deleted(tx, model_id).await
}

const DELETE: &str = "
    UPDATE logged_models SET lifecycle_stage = 'deleted', last_updated_timestamp_ms = $1 WHERE model_id = $2";

/// Marks a model deleted; one that is deleted already gets a new time.
///
/// # Errors
/// `RESOURCE_DOES_NOT_EXIST`.
pub async fn delete(tx: &mut Tx<'_>, model_id: &str, now_ms: i64) -> Result<()> {
    match tx.exec(DELETE, &[now_ms.into(), model_id.into()]).await? {
        0 => Err(no_model(model_id)),
        _ => Ok(()),
    }
}

/// A model that exists, deleted or not: what the rows of its params and tags need.
struct Model {
    model_id: String,
    experiment_id: i64,
}

const EXPERIMENT: &str = "SELECT experiment_id FROM logged_models WHERE model_id = $1";

async fn find(tx: &mut Tx<'_>, model_id: &str) -> Result<Model> {
    let found = tx.first(EXPERIMENT, &[model_id.into()], |row| row.int(0)).await?;
    let experiment_id = found.ok_or_else(|| no_model(model_id))?;
    Ok(Model { model_id: model_id.to_owned(), experiment_id })
}

fn no_model(model_id: &str) -> Error {
    not_found(format!("Logged model with ID '{model_id}' not found.")).into()
}
