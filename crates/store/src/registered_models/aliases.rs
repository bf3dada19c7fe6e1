//! Aliases: names for versions, which can be moved from one version to another.

use super::{hold, tell};
use crate::db::Tx;
use crate::error::Result;
use crate::model_versions;
use api::VersionNumber;
use api::validate::Alias;
use api::webhook_events::Change;

const SET: &str = "
    INSERT INTO registered_model_aliases (name, alias, version) VALUES ($1, $2, $3)
    ON CONFLICT (name, alias) DO UPDATE SET version = excluded.version";

/// Lets an alias stand for a version, whatever it stood for before.
///
/// # Errors
/// `RESOURCE_DOES_NOT_EXIST` for the version.
pub async fn set_alias(tx: &mut Tx<'_>, name: &str, alias: &Alias, version: &VersionNumber) -> Result<()> {
    model_versions::hold(tx, name, version).await?;
    tx.exec(SET, &[name.into(), alias.as_str().into(), version.get().into()]).await?;
    let (alias, version) = (alias.as_str().to_owned(), version.to_string());
    tell(tx, name, Change::AliasSet { name: name.to_owned(), alias, version }).await
}

const DELETE: &str = "DELETE FROM registered_model_aliases WHERE name = $1 AND alias = $2";

/// Removes an alias; one that is not there is fine.
///
/// # Errors
/// `RESOURCE_DOES_NOT_EXIST` for the model.
pub async fn delete_alias(tx: &mut Tx<'_>, name: &str, alias: &Alias) -> Result<()> {
    hold(tx, name).await?;
    tx.exec(DELETE, &[name.into(), alias.as_str().into()]).await?;
    tell(tx, name, Change::AliasDeleted { name: name.to_owned(), alias: alias.as_str().to_owned() }).await
}
