//! Where the files of a version are.

use super::no_version;
use crate::db::{Row, Tx, Value};
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

/// Where the files of a version are, and the run that it names.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub struct VersionArtifacts {
    pub location: String,
    pub run_id: String,
}

/// Where the files of a version are, and the run that it names.
///
/// # Errors
/// `RESOURCE_DOES_NOT_EXIST`.
pub async fn artifacts(tx: &mut Tx<'_>, name: &str, version: &VersionNumber) -> Result<VersionArtifacts> {
    let found = |row: &Row| Ok(VersionArtifacts { location: row.text(0)?, run_id: row.text(1)? });
    let found = tx.first(LOCATION, &[name.into(), version.get().into()], found).await?;
    found.ok_or_else(|| no_version(name, version))
}

const OF_RUN: &str = "SELECT artifact_uri FROM runs WHERE run_uuid = $1 AND artifact_uri IS NOT NULL";
const OF_MODELS: &str = "SELECT artifact_location FROM logged_models WHERE model_id";

/// Where the run of a version, and the logged models that its location names, keep their files: a folder of the server's machine
/// that is below none of these is nobody's. This is what the tracking database knows; the registry may be in another one.
///
/// # Errors
/// Of the database.
pub async fn owners(tx: &mut Tx<'_>, version: &VersionArtifacts) -> Result<Vec<String>> {
    let mut owners = tx.all(OF_RUN, &[version.run_id.as_str().into()], |row| row.text(0)).await?;
    let segments = version.location.split('/').filter(|segment| segment.starts_with("m-"));
    let sql = tx.dialect().in_texts(OF_MODELS, 1, "");
    let ids = Value::Texts(segments.map(str::to_owned).collect());
    owners.extend(tx.all(&sql, &[ids], |row| row.text(0)).await?);
    Ok(owners)
}
