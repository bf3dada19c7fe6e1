//! Experiments: create, read, rename, delete, restore, tags. Mirrors the experiment half of MLflow's `SqlAlchemyStore`.

use crate::db::{Bulk, Column, Row, Tx, Value};
use crate::error::{Error, Result};
use crate::search::experiments::{ExperimentQuery, compile};
use api::error::{already_exists, invalid, invalid_state, not_found};
use api::validate::{self, Limits};
use api::{Experiment, Tag};
use std::collections::HashMap;

/// An experiment's number. PostgreSQL keeps it in an INTEGER, so ids beyond its range cannot exist.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ExperimentId(i64);

impl ExperimentId {
    /// Reads an id. The empty text is the default experiment, as in MLflow.
    ///
    /// # Errors
    /// `RESOURCE_DOES_NOT_EXIST` for what cannot be an id.
    pub fn parse(text: &str) -> Result<Self> {
        if text.is_empty() {
            return Ok(Self(0));
        }
        match text.parse::<i32>() {
            Ok(id) => Ok(Self(id.into())),
            Err(_) => Err(not_found(format!("No Experiment with id={text} exists")).into()),
        }
    }

    /// The number.
    pub fn get(self) -> i64 {
        self.0
    }
}

/// The numbers of the experiments that a search looks in. One that does not exist finds nothing, however large it is.
///
/// # Errors
/// `INVALID_PARAMETER_VALUE` for what is no number.
pub fn numbers(ids: &[String]) -> Result<Vec<i64>> {
    let number = |id: &String| match id.trim() {
        text if !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit()) => {
            Ok(text.parse().unwrap_or(i64::MAX))
        }
        text => text
            .parse()
            .map_err(|_| invalid(format!("Invalid experiment ID: '{id}'. It must be a number.")).into()),
    };
    ids.iter().map(number).collect()
}

/// What `experiments/create` makes.
#[derive(Clone)]
pub struct NewExperiment {
    /// Checked by [`create`].
    pub name: String,
    /// Absolute already; where absent, a folder of `artifact_root`.
    pub artifact_location: Option<String>,
    /// Tags to begin with.
    pub tags: Vec<Tag>,
    /// `--default-artifact-root`.
    pub artifact_root: String,
    /// Epoch milliseconds.
    pub now_ms: i64,
    /// The operator's limits.
    pub limits: Limits,
}

const INSERT: &str = "
    INSERT INTO experiments (name, artifact_location, lifecycle_stage, creation_time, last_update_time)
    VALUES ($1, $2, 'active', $3, $4)
    ON CONFLICT (name) DO NOTHING
    RETURNING experiment_id";
const SET_LOCATION: &str = "UPDATE experiments SET artifact_location = $1 WHERE experiment_id = $2";
const STAGE_OF_NAME: &str = "SELECT lifecycle_stage FROM experiments WHERE name = $1";
const INSERT_TAGS: Bulk =
    Bulk { insert: "INSERT INTO experiment_tags (experiment_id, key, value)", then: "" };

/// Creates an experiment and answers its id.
///
/// # Errors
/// `RESOURCE_ALREADY_EXISTS` when the name is taken, by a deleted experiment, too; `INVALID_PARAMETER_VALUE`.
pub async fn create(tx: &mut Tx<'_>, new: &NewExperiment) -> Result<ExperimentId> {
    validate::experiment_name(&new.name)?;
    if let Some(location) = &new.artifact_location {
        validate::artifact_location_length(location, new.limits)?;
    }
    let args = [
        Value::from(new.name.as_str()),
        new.artifact_location.clone().into(),
        new.now_ms.into(),
        new.now_ms.into(),
    ];
    let Some(id) = tx.first(INSERT, &args, |row| row.int(0)).await? else {
        return Err(name_taken(tx, &new.name).await?);
    };
    if new.artifact_location.is_none() {
        let location = api::uri::append_to_uri_path(&new.artifact_root, &[&id.to_string()])?;
        tx.exec(SET_LOCATION, &[location.into(), id.into()]).await?;
    }
    let keys: Vec<_> = new.tags.iter().map(|t| t.key.clone()).collect();
    let values = new.tags.iter().map(|t| t.value.clone()).collect();
    tx.insert_many(
        &INSERT_TAGS,
        &[Column::Ints(vec![id; keys.len()]), Column::Texts(keys), Column::Texts(values)],
    )
    .await
    .map_err(|error| match error {
        error if error.is_unique_violation() => invalid("A tag key may be given only once.").into(),
        error => error,
    })?;
    Ok(ExperimentId(id))
}

async fn name_taken(tx: &mut Tx<'_>, name: &str) -> Result<Error> {
    let stage = tx.first(STAGE_OF_NAME, &[name.into()], |row| row.text(0)).await?;
    let hint = if stage.as_deref() == Some("deleted") {
        " It is deleted: restore it, or choose another name."
    } else {
        ""
    };
    Ok(already_exists(format!("Experiment(name={name}) already exists.{hint}")).into())
}

const BY_ID: &str = "
    SELECT experiment_id, name, artifact_location, lifecycle_stage, last_update_time, creation_time
    FROM experiments WHERE experiment_id = $1";
const BY_NAME: &str = "
    SELECT experiment_id, name, artifact_location, lifecycle_stage, last_update_time, creation_time
    FROM experiments WHERE name = $1";
const TAGS_OF: &str = "SELECT experiment_id, key, value FROM experiment_tags WHERE experiment_id";

fn experiment(row: &Row) -> Result<Experiment> {
    Ok(Experiment {
        experiment_id: row.int(0)?.to_string(),
        name: row.text(1)?,
        artifact_location: row.opt_text(2)?,
        lifecycle_stage: row.text(3)?,
        last_update_time: row.opt_int(4)?,
        creation_time: row.opt_int(5)?,
        tags: Vec::new(),
    })
}

/// The experiment with this id, deleted or not.
///
/// # Errors
/// `RESOURCE_DOES_NOT_EXIST`.
pub async fn get(tx: &mut Tx<'_>, id: ExperimentId) -> Result<Experiment> {
    let found = tx.first(BY_ID, &[id.0.into()], experiment).await?.ok_or_else(|| no_experiment(id))?;
    with_tags(tx, vec![found]).await?.pop().ok_or_else(|| no_experiment(id))
}

/// The experiment with this name, deleted or not.
///
/// # Errors
/// `RESOURCE_DOES_NOT_EXIST`.
pub async fn get_by_name(tx: &mut Tx<'_>, name: &str) -> Result<Experiment> {
    let missing = || Error::from(not_found(format!("Could not find experiment with name '{name}'")));
    let found = tx.first(BY_NAME, &[name.into()], experiment).await?.ok_or_else(missing)?;
    with_tags(tx, vec![found]).await?.pop().ok_or_else(missing)
}

const BY_IDS: &str = "
    SELECT experiment_id, name, artifact_location, lifecycle_stage, last_update_time, creation_time
    FROM experiments WHERE experiment_id";

/// One page of experiments, and the token of the next.
///
/// # Errors
/// `INVALID_PARAMETER_VALUE`, in MLflow's words.
pub async fn search(tx: &mut Tx<'_>, query: &ExperimentQuery) -> Result<(Vec<Experiment>, Option<String>)> {
    let compiled = compile(tx.dialect(), query)?;
    let rows = tx.all_once(&compiled.sql.text, &compiled.sql.args, |row| compiled.row(row)).await?;
    let page = compiled.int_ids(rows);
    let sql = tx.dialect().in_ints(BY_IDS, 1, "");
    let found = tx.all(&sql, &[Value::Ints(page.ids.clone())], experiment).await?;
    let mut by_id: HashMap<_, _> = found.into_iter().map(|e| (e.experiment_id.clone(), e)).collect();
    let ordered = page.ids.iter().filter_map(|id| by_id.remove(&id.to_string())).collect();
    Ok((with_tags(tx, ordered).await?, page.next_page_token))
}

/// Adds their tags to experiments, in one statement for all.
async fn with_tags(tx: &mut Tx<'_>, mut experiments: Vec<Experiment>) -> Result<Vec<Experiment>> {
    let ids: Vec<i64> = experiments.iter().filter_map(|e| e.experiment_id.parse().ok()).collect();
    let sql = tx.dialect().in_ints(TAGS_OF, 1, "");
    let rows = tx
        .all(&sql, &[Value::Ints(ids)], |row| {
            Ok((row.int(0)?, Tag { key: row.text(1)?, value: row.text(2)? }))
        })
        .await?;
    let mut tags: HashMap<String, Vec<Tag>> = HashMap::new();
    for (id, tag) in rows {
        tags.entry(id.to_string()).or_default().push(tag);
    }
    for experiment in &mut experiments {
        experiment.tags = tags.remove(&experiment.experiment_id).unwrap_or_default();
    }
    Ok(experiments)
}

fn no_experiment(id: ExperimentId) -> Error {
    not_found(format!("No Experiment with id={} exists", id.0)).into()
}

const STAGE: &str = "SELECT lifecycle_stage FROM experiments WHERE experiment_id = $1";

async fn stage(tx: &mut Tx<'_>, id: ExperimentId) -> Result<String> {
    tx.first(STAGE, &[id.0.into()], |row| row.text(0)).await?.ok_or_else(|| no_experiment(id))
}

const ARTIFACT_LOCATION: &str =
    "SELECT lifecycle_stage, artifact_location FROM experiments WHERE experiment_id = $1";

/// The artifact location of an experiment that takes new runs and models.
///
/// # Errors
/// `RESOURCE_DOES_NOT_EXIST`; `INVALID_PARAMETER_VALUE` when it is deleted.
pub async fn artifact_location_of_active(tx: &mut Tx<'_>, id: ExperimentId) -> Result<String> {
    let row = tx.first(ARTIFACT_LOCATION, &[id.0.into()], |row| Ok((row.text(0)?, row.text(1)?))).await?;
    let (stage, location) = row.ok_or_else(|| no_experiment(id))?;
    check_active(id, &stage)?;
    Ok(location)
}

fn check_active(id: ExperimentId, stage: &str) -> Result<()> {
    if stage == "active" {
        return Ok(());
    }
    Err(invalid(format!("The experiment {} must be in the 'active' state. Current state is {stage}.", id.0))
        .into())
}

const SET_STAGE: &str = "
    UPDATE experiments SET lifecycle_stage = $1, last_update_time = $2
    WHERE experiment_id = $3 AND lifecycle_stage = $4";
const SET_STAGE_OF_RUNS: &str =
    "UPDATE runs SET lifecycle_stage = $1, deleted_time = $2 WHERE experiment_id = $3";

/// Marks an active experiment and all its runs deleted.
///
/// # Errors
/// `RESOURCE_DOES_NOT_EXIST`, for a deleted one, too.
pub async fn delete(tx: &mut Tx<'_>, id: ExperimentId, now_ms: i64) -> Result<()> {
    change_stage(tx, id, "active", "deleted", now_ms, Some(now_ms)).await
}

/// Brings a deleted experiment and all its runs back.
///
/// # Errors
/// `RESOURCE_DOES_NOT_EXIST`, for an active one, too.
pub async fn restore(tx: &mut Tx<'_>, id: ExperimentId, now_ms: i64) -> Result<()> {
    change_stage(tx, id, "deleted", "active", now_ms, None).await
}

async fn change_stage(
    tx: &mut Tx<'_>,
    id: ExperimentId,
    from: &str,
    to: &str,
    now_ms: i64,
    deleted_time: Option<i64>,
) -> Result<()> {
    let changed = tx.exec(SET_STAGE, &[to.into(), now_ms.into(), id.0.into(), from.into()]).await?;
    if changed == 0 {
        return Err(no_experiment(id));
    }
    tx.exec(SET_STAGE_OF_RUNS, &[to.into(), deleted_time.into(), id.0.into()]).await?;
    Ok(())
}

const RENAME: &str = "UPDATE experiments SET name = $1, last_update_time = $2 WHERE experiment_id = $3";

/// Gives an active experiment another name.
///
/// # Errors
/// `RESOURCE_DOES_NOT_EXIST`; `INVALID_STATE` when it is deleted; `RESOURCE_ALREADY_EXISTS` when the name is taken.
pub async fn rename(tx: &mut Tx<'_>, id: ExperimentId, name: &str, now_ms: i64) -> Result<()> {
    if stage(tx, id).await? != "active" {
        return Err(invalid_state("Cannot rename a non-active experiment.").into());
    }
    match tx.exec(RENAME, &[name.into(), now_ms.into(), id.0.into()]).await {
        Err(error) if error.is_unique_violation() => {
            Err(already_exists(format!("Experiment(name={name}) already exists.")).into())
        }
        other => other.map(drop),
    }
}

const SET_TAG: &str = "
    INSERT INTO experiment_tags (experiment_id, key, value) VALUES ($1, $2, $3)
    ON CONFLICT (key, experiment_id) DO UPDATE SET value = excluded.value";

/// Sets a tag of an active experiment.
///
/// # Errors
/// `RESOURCE_DOES_NOT_EXIST`, `INVALID_PARAMETER_VALUE`.
pub async fn set_tag(tx: &mut Tx<'_>, id: ExperimentId, tag: Tag, limits: Limits) -> Result<()> {
    validate::experiment_tag(&tag)?;
    let tag = validate::tag(tag, "", limits)?;
    let stage = stage(tx, id).await?;
    check_active(id, &stage)?;
    tx.exec(SET_TAG, &[id.0.into(), tag.key.into(), tag.value.into()]).await?;
    Ok(())
}

const DELETE_TAG: &str = "DELETE FROM experiment_tags WHERE experiment_id = $1 AND key = $2";

/// Removes a tag of an active experiment.
///
/// # Errors
/// `RESOURCE_DOES_NOT_EXIST` for the experiment or the tag, `INVALID_PARAMETER_VALUE`.
pub async fn delete_tag(tx: &mut Tx<'_>, id: ExperimentId, key: &str) -> Result<()> {
    let stage = stage(tx, id).await?;
    check_active(id, &stage)?;
    if tx.exec(DELETE_TAG, &[id.0.into(), key.into()]).await? == 0 {
        return Err(not_found(format!("No tag with name: {key} in experiment with id {}", id.0)).into());
    }
    Ok(())
}
