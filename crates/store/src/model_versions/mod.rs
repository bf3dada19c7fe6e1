//! Versions of registered models: read, describe, move between stages, delete. Mirrors the half of MLflow's registry
//! `SqlAlchemyStore` that is about versions.

mod artifacts;
mod create;
mod load;
mod origin;
mod search;
mod stages;
mod tags;

pub use artifacts::{VersionArtifacts, artifacts, download_uri, owners};
pub use create::{NewModelVersion, create};
pub(crate) use load::latest;
pub use origin::{Origin, origin};
pub use search::search;
pub use stages::transition;
pub use tags::{delete_tag, set_tag};

use crate::db::Tx;
use crate::error::{Error, Result};
use crate::registered_models;
use api::error::{invalid, not_found};
use api::validate::Alias;
use api::{ModelVersion, Stage, VersionNumber};

/// The version with this number.
///
/// # Errors
/// `RESOURCE_DOES_NOT_EXIST`.
pub async fn get(tx: &mut Tx<'_>, name: &str, version: &VersionNumber) -> Result<ModelVersion> {
    load::one(tx, name, version.get()).await?.ok_or_else(|| no_version(name, version))
}

/// The newest version of each of these stages, or of all where none is named, with their aliases.
///
/// # Errors
/// `RESOURCE_DOES_NOT_EXIST` for the model; `INVALID_PARAMETER_VALUE` for a stage that is none.
pub async fn get_latest(tx: &mut Tx<'_>, name: &str, stages: &[String]) -> Result<Vec<ModelVersion>> {
    registered_models::check_exists(tx, name).await?;
    let wanted: Vec<Stage> = match stages {
        [] => Stage::ALL.to_vec(),
        stages => stages.iter().map(|stage| Stage::parse(stage)).collect::<api::Result<_>>()?,
    };
    let mut versions = latest(tx, &[name.to_owned()]).await?;
    let is_wanted = |stage: &str| wanted.iter().any(|wanted| wanted.name() == stage);
    versions.retain(|version| version.current_stage.as_deref().is_some_and(is_wanted));
    load::with_aliases(tx, name, versions).await
}

const OF_ALIAS: &str = "SELECT version FROM registered_model_aliases WHERE name = $1 AND alias = $2";

/// The version that an alias stands for; `latest` is the newest of all. (MLflow takes the newest of whichever stage its
/// database names first.)
///
/// # Errors
/// `RESOURCE_DOES_NOT_EXIST`; `INVALID_PARAMETER_VALUE` for an alias that is not there.
pub async fn get_by_alias(tx: &mut Tx<'_>, name: &str, alias: &Alias) -> Result<ModelVersion> {
    if alias.is_latest() {
        let versions = get_latest(tx, name, &[]).await?;
        let newest = versions.into_iter().max_by_key(|v| v.version.parse::<i64>().unwrap_or_default());
        return newest.ok_or_else(|| not_found(format!("Latest version not found for model {name}.")).into());
    }
    let found = tx.first(OF_ALIAS, &[name.into(), alias.as_str().into()], |row| row.int(0)).await?;
    let version =
        found.ok_or_else(|| invalid(format!("Registered model alias {} not found.", alias.as_str())))?;
    get(tx, name, &VersionNumber::parse(&version.to_string())?).await
}

const DESCRIBE: &str = "
    UPDATE model_versions SET description = $1, last_updated_time = $2
    WHERE name = $3 AND version = $4 AND current_stage <> 'Deleted_Internal'";

/// Sets the description and answers the version. Its model does not count as changed by it, as in MLflow.
///
/// # Errors
/// `RESOURCE_DOES_NOT_EXIST`.
pub async fn update(
    tx: &mut Tx<'_>,
    name: &str,
    version: &VersionNumber,
    description: Option<String>,
    now_ms: i64,
) -> Result<ModelVersion> {
    get(tx, name, version).await?;
    tx.exec(DESCRIBE, &[description.into(), now_ms.into(), name.into(), version.get().into()]).await?;
    get(tx, name, version).await
}

/// The row stays, so that its number is not used again; what it says of its origin goes.
const DELETE: &str = "
    UPDATE model_versions
    SET current_stage = 'Deleted_Internal', last_updated_time = $1, description = NULL, user_id = NULL,
        source = 'REDACTED-SOURCE-PATH', run_id = 'REDACTED-RUN-ID', run_link = 'REDACTED-RUN-LINK', status_message = NULL
    WHERE name = $2 AND version = $3 AND current_stage <> 'Deleted_Internal'";
const DELETE_ALIASES: &str = "DELETE FROM registered_model_aliases WHERE name = $1 AND version = $2";

/// Deletes a version and its aliases. (MLflow's server leaves the aliases, since it compares numbers with texts; they then
/// stand for a version that is not there.)
///
/// # Errors
/// `RESOURCE_DOES_NOT_EXIST`.
pub async fn delete(tx: &mut Tx<'_>, name: &str, version: &VersionNumber, now_ms: i64) -> Result<()> {
    touch_model(tx, name, version, now_ms).await?;
    if tx.exec(DELETE, &[now_ms.into(), name.into(), version.get().into()]).await? == 0 {
        return Err(no_version(name, version));
    }
    tx.exec(DELETE_ALIASES, &[name.into(), version.get().into()]).await?;
    Ok(())
}

/// Notes that the model has changed. It comes first, as wherever versions change, so that two changes lock rows in one order;
/// where there is no model, there is no version either.
async fn touch_model(tx: &mut Tx<'_>, name: &str, version: &VersionNumber, now_ms: i64) -> Result<()> {
    registered_models::touch(tx, name, now_ms).await.map_err(|error| match error {
        Error::Api(_) => no_version(name, version),
        error => error,
    })
}

/// Changes nothing, but locks the row.
const HOLD: &str = "
    UPDATE model_versions SET status = status
    WHERE name = $1 AND version = $2 AND current_stage <> 'Deleted_Internal'";

/// Keeps the version from being deleted until the transaction ends.
///
/// # Errors
/// `RESOURCE_DOES_NOT_EXIST`.
pub(crate) async fn hold(tx: &mut Tx<'_>, name: &str, version: &VersionNumber) -> Result<()> {
    match tx.exec(HOLD, &[name.into(), version.get().into()]).await? {
        0 => Err(no_version(name, version)),
        _ => Ok(()),
    }
}

fn no_version(name: &str, version: &VersionNumber) -> Error {
    not_found(format!("Model Version (name={name}, version={version}) not found")).into()
}
