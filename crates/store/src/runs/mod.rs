//! Runs: create, read, update, delete, restore. Mirrors the run half of MLflow's `SqlAlchemyStore`.

pub mod ingest;
mod load;
pub mod log;
pub mod log_model;

mod search;

pub use load::load;
pub use search::search;

use crate::db::{Bulk, Column, Tx, Value};
use crate::error::{Error, Result};
use crate::experiments::{self, ExperimentId};
use crate::names;
use api::error::{invalid, not_found};
use api::{Run, RunData, RunInfo, RunInputs, RunStatus, Tag};

/// The tag that doubles as a run's name.
pub const RUN_NAME_TAG: &str = "mlflow.runName";

/// What `runs/create` makes.
#[derive(Clone)]
pub struct NewRun {
    /// Where the run goes.
    pub experiment_id: ExperimentId,
    /// Free text, empty where the client leaves it out.
    pub user_id: String,
    /// Epoch milliseconds; 0 where the client leaves it out.
    pub start_time: i64,
    /// Tags to begin with; `mlflow.runName` among them names the run.
    pub tags: Vec<Tag>,
    /// The name; where there is none, neither here nor in the tags, one is made up.
    pub run_name: String,
}

const INSERT: &str = "
    INSERT INTO runs (run_uuid, name, source_type, source_name, entry_point_name, user_id, status, start_time,
                      source_version, lifecycle_stage, artifact_uri, experiment_id)
    VALUES ($1, $2, 'UNKNOWN', '', '', $3, 'RUNNING', $4, '', 'active', $5, $6)";
const INSERT_TAGS: Bulk = Bulk { insert: "INSERT INTO tags (run_uuid, key, value)", then: "" };

/// Creates a run in an active experiment.
///
/// # Errors
/// `RESOURCE_DOES_NOT_EXIST` for the experiment; `INVALID_PARAMETER_VALUE` when it is deleted or when the two names differ.
pub async fn create(tx: &mut Tx<'_>, new: NewRun) -> Result<Run> {
    let root = experiments::artifact_location_of_active(tx, new.experiment_id).await?;
    let run_id = names::new_id();
    let artifact_uri = api::uri::append_to_uri_path(&root, &[&run_id, "artifacts"])?;
    let mut tags = new.tags;
    let tagged = tags.iter().find(|t| t.key == RUN_NAME_TAG).map(|t| t.value.clone()).unwrap_or_default();
    if !new.run_name.is_empty() && !tagged.is_empty() && new.run_name != tagged {
        return Err(invalid(format!(
            "Both 'run_name' argument and 'mlflow.runName' tag are specified, but with different values \
             (run_name='{}', mlflow.runName='{tagged}').",
            new.run_name
        ))
        .into());
    }
    let name =
        [new.run_name, tagged.clone()].into_iter().find(|n| !n.is_empty()).unwrap_or_else(names::random_name);
    if tagged.is_empty() {
        // An empty name tag is replaced: a key has one value.
        tags.retain(|t| t.key != RUN_NAME_TAG);
        tags.push(Tag { key: RUN_NAME_TAG.into(), value: name.clone() });
    }
    let args: [Value; 6] = [
        run_id.as_str().into(),
        name.as_str().into(),
        new.user_id.as_str().into(),
        new.start_time.into(),
        artifact_uri.as_str().into(),
        new.experiment_id.get().into(),
    ];
    tx.exec(INSERT, &args).await?;
    let columns = [
        Column::Texts(vec![run_id.clone(); tags.len()]),
        Column::Texts(tags.iter().map(|t| t.key.clone()).collect()),
        Column::Texts(tags.iter().map(|t| t.value.clone()).collect()),
    ];
    tx.insert_many(&INSERT_TAGS, &columns).await.map_err(|error| match error {
        error if error.is_unique_violation() => invalid("A tag key may be given only once.").into(),
        error => error,
    })?;
    Ok(Run {
        info: RunInfo {
            run_uuid: run_id.clone(),
            experiment_id: new.experiment_id.get().to_string(),
            run_name: Some(name),
            user_id: new.user_id,
            status: RunStatus::Running,
            start_time: new.start_time,
            end_time: None,
            artifact_uri: Some(artifact_uri),
            lifecycle_stage: "active".into(),
            run_id,
        },
        data: RunData { tags, ..RunData::default() },
        inputs: RunInputs::default(),
        outputs: None,
    })
}

/// The run with this id, deleted or not, with everything that belongs to it.
///
/// # Errors
/// `RESOURCE_DOES_NOT_EXIST`.
pub async fn get(tx: &mut Tx<'_>, run_id: &str) -> Result<Run> {
    load::whole(tx, run_id).await?.ok_or_else(|| no_run(run_id))
}

/// The info of the run with this id, deleted or not.
///
/// # Errors
/// `RESOURCE_DOES_NOT_EXIST`.
pub async fn info(tx: &mut Tx<'_>, run_id: &str) -> Result<RunInfo> {
    load::info_of(tx, run_id).await?.ok_or_else(|| no_run(run_id))
}

fn no_run(run_id: &str) -> Error {
    not_found(format!("Run with id={run_id} not found")).into()
}

/// A run that exists and takes data: what every logging function needs first.
pub struct ActiveRun {
    /// Its id.
    pub run_id: String,
    /// Its experiment.
    pub experiment_id: i64,
}

const STAGE: &str = "SELECT lifecycle_stage, experiment_id FROM runs WHERE run_uuid = $1";

/// Finds a run and makes sure that it is not deleted.
///
/// # Errors
/// `RESOURCE_DOES_NOT_EXIST`; `INVALID_PARAMETER_VALUE` when it is deleted.
pub async fn active(tx: &mut Tx<'_>, run_id: &str) -> Result<ActiveRun> {
    let row = tx.first(STAGE, &[run_id.into()], |row| Ok((row.text(0)?, row.int(1)?))).await?;
    let (stage, experiment_id) = row.ok_or_else(|| no_run(run_id))?;
    must_be_active(run_id, &stage)?;
    Ok(ActiveRun { run_id: run_id.to_owned(), experiment_id })
}

fn must_be_active(run_id: &str, stage: &str) -> Result<()> {
    if stage == "active" {
        return Ok(());
    }
    let text = format!("The run {run_id} must be in the 'active' state. Current state is {stage}.");
    Err(invalid(text).into())
}

/// What `runs/update` changes; absent is unchanged.
#[derive(Clone, Default)]
#[expect(missing_docs, reason = "the fields are the wire's own")]
pub struct RunUpdate {
    pub status: Option<RunStatus>,
    /// Epoch milliseconds.
    pub end_time: Option<i64>,
    /// The empty name changes nothing, as in MLflow.
    pub run_name: Option<String>,
}

const UPDATE: &str = "
    UPDATE runs SET status = COALESCE($1, status), end_time = COALESCE($2, end_time), name = COALESCE($3, name)
    WHERE run_uuid = $4";

/// Updates an active run and answers its info.
///
/// # Errors
/// `RESOURCE_DOES_NOT_EXIST`, `INVALID_PARAMETER_VALUE`.
pub async fn update(tx: &mut Tx<'_>, run_id: &str, change: RunUpdate) -> Result<RunInfo> {
    let run = active(tx, run_id).await?;
    let name = change.run_name.filter(|name| !name.is_empty());
    let args: [Value; 4] = [
        change.status.map(RunStatus::as_str).map(str::to_owned).into(),
        change.end_time.into(),
        name.clone().into(),
        run_id.into(),
    ];
    tx.exec(UPDATE, &args).await?;
    if let Some(name) = name {
        log::upsert_tag(tx, &run, RUN_NAME_TAG, &name).await?;
    }
    info(tx, run_id).await
}

const SET_STAGE: &str = "UPDATE runs SET lifecycle_stage = $1, deleted_time = $2 WHERE run_uuid = $3";

/// Marks a run deleted; one that is deleted already gets a new time.
///
/// # Errors
/// `RESOURCE_DOES_NOT_EXIST`.
pub async fn delete(tx: &mut Tx<'_>, run_id: &str, now_ms: i64) -> Result<()> {
    set_stage(tx, run_id, "deleted", Some(now_ms)).await
}

/// Brings a deleted run back.
///
/// # Errors
/// `RESOURCE_DOES_NOT_EXIST`.
pub async fn restore(tx: &mut Tx<'_>, run_id: &str) -> Result<()> {
    set_stage(tx, run_id, "active", None).await
}

async fn set_stage(tx: &mut Tx<'_>, run_id: &str, stage: &str, deleted_time: Option<i64>) -> Result<()> {
    match tx.exec(SET_STAGE, &[stage.into(), deleted_time.into(), run_id.into()]).await? {
        0 => Err(no_run(run_id)),
        _ => Ok(()),
    }
}
