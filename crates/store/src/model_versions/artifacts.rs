//! Where the files of a version are.

use super::no_version;
use crate::db::{Tx, Value};
use crate::error::Result;
use api::VersionNumber;

const LOCATION: &str = "
    SELECT COALESCE(NULLIF(storage_location, ''), source), run_id FROM model_versions
    WHERE name = $1 AND version = $2 AND current_stage <> 'Deleted_Internal'";

/// Where the files of a version are: what its source was found to mean, or the source itself.
///
/// # Errors
/// `RESOURCE_DOES_NOT_EXIST`.
pub async fn download_uri(tx: &mut Tx<'_>, name: &str, version: &VersionNumber) -> Result<String> {
    let found = tx.first(LOCATION, &[name.into(), version.get().into()], |row| row.text(0)).await?;
    found.ok_or_else(|| no_version(name, version))
}

/// Where the files of a version are, and whose they can be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VersionArtifacts {
    /// Where they are.
    pub location: String,
    /// Where its run, and the logged models that the location names, keep theirs. A folder of the server's machine that is below
    /// none of these is nobody's.
    pub owners: Vec<String>,
}

const OF_RUN: &str = "SELECT artifact_uri FROM runs WHERE run_uuid = $1 AND artifact_uri IS NOT NULL";
const OF_MODELS: &str = "SELECT artifact_location FROM logged_models WHERE model_id";

/// Where the files of a version are, and whose they can be.
///
/// # Errors
/// `RESOURCE_DOES_NOT_EXIST`.
pub async fn artifacts(tx: &mut Tx<'_>, name: &str, version: &VersionNumber) -> Result<VersionArtifacts> {
    let args = [name.into(), version.get().into()];
    let found = tx.first(LOCATION, &args, |row| Ok((row.text(0)?, row.text(1)?))).await?;
    let (location, run_id) = found.ok_or_else(|| no_version(name, version))?;
    let mut owners = tx.all(OF_RUN, &[run_id.into()], |row| row.text(0)).await?;
    let ids = location.split('/').filter(|segment| segment.starts_with("m-")).map(str::to_owned).collect();
    let sql = tx.dialect().in_texts(OF_MODELS, 1, "");
    owners.extend(tx.all(&sql, &[Value::Texts(ids)], |row| row.text(0)).await?);
    Ok(VersionArtifacts { location, owners })
}
