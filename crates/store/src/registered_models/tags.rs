//! Tags of registered models.

use super::{hold, tell};
use crate::db::Tx;
use crate::error::Result;
use api::webhook_events::Change;
use api::{Tag, validate};

const SET: &str = "
    INSERT INTO registered_model_tags (name, key, value) VALUES ($1, $2, $3)
    ON CONFLICT (key, name) DO UPDATE SET value = excluded.value";

/// Sets a tag. The model does not count as changed by it, as in MLflow.
///
/// # Errors
/// `RESOURCE_DOES_NOT_EXIST`, `INVALID_PARAMETER_VALUE`.
pub async fn set_tag(tx: &mut Tx<'_>, name: &str, tag: &Tag) -> Result<()> {
    validate::registered_model_tag(tag)?;
    hold(tx, name).await?;
    tx.exec(SET, &[name.into(), tag.key.as_str().into(), tag.value.as_str().into()]).await?;
    let set = Change::TagSet { name: name.to_owned(), key: tag.key.clone(), value: tag.value.clone() };
    tell(tx, name, set).await
}

const DELETE: &str = "DELETE FROM registered_model_tags WHERE key = $1 AND name = $2";

/// Removes a tag; one that is not there is fine.
///
/// # Errors
/// `RESOURCE_DOES_NOT_EXIST` for the model, `INVALID_PARAMETER_VALUE`.
pub async fn delete_tag(tx: &mut Tx<'_>, name: &str, key: &str) -> Result<()> {
    validate::registry_tag_key(key)?;
    hold(tx, name).await?;
    tx.exec(DELETE, &[key.into(), name.into()]).await?;
    tell(tx, name, Change::TagDeleted { name: name.to_owned(), key: key.to_owned() }).await
}
