//! Tags of model versions.

use super::hold;
use crate::db::Tx;
use crate::error::Result;
use crate::registered_models::tell;
use api::webhook_events::Change;
use api::{Tag, VersionNumber, validate};

const SET: &str = "
    INSERT INTO model_version_tags (name, version, key, value) VALUES ($1, $2, $3, $4)
    ON CONFLICT (key, name, version) DO UPDATE SET value = excluded.value";

/// Sets a tag. The version does not count as changed by it, as in MLflow.
///
/// # Errors
/// `RESOURCE_DOES_NOT_EXIST`, `INVALID_PARAMETER_VALUE`.
pub async fn set_tag(tx: &mut Tx<'_>, name: &str, version: &VersionNumber, tag: &Tag) -> Result<()> {
    validate::model_version_tag(tag)?;
    hold(tx, name, version).await?;
    let args = [name.into(), version.get().into(), tag.key.as_str().into(), tag.value.as_str().into()];
    tx.exec(SET, &args).await?;
    let (name_of, version, key, value) =
        (name.to_owned(), version.to_string(), tag.key.clone(), tag.value.clone());
    tell(tx, name, Change::VersionTagSet { name: name_of, version, key, value }).await
}

const DELETE: &str = "DELETE FROM model_version_tags WHERE key = $1 AND name = $2 AND version = $3";

/// Removes a tag; one that is not there is fine.
///
/// # Errors
/// `RESOURCE_DOES_NOT_EXIST` for the version, `INVALID_PARAMETER_VALUE`.
pub async fn delete_tag(tx: &mut Tx<'_>, name: &str, version: &VersionNumber, key: &str) -> Result<()> {
    validate::registry_tag_key(key)?;
    hold(tx, name, version).await?;
    tx.exec(DELETE, &[key.into(), name.into(), version.get().into()]).await?;
    let (name_of, version, key) = (name.to_owned(), version.to_string(), key.to_owned());
    tell(tx, name, Change::VersionTagDeleted { name: name_of, version, key }).await
}
