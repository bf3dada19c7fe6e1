//! Reads model versions with their tags in a constant number of statements.

use crate::db::{Row, Tx, Value};
use crate::error::Result;
use api::{ModelVersion, Tag};
use std::collections::HashMap;

/// A model's name and a version's number.
pub(crate) type Key = (String, i64);

const ONE: &str = "
    SELECT name, version, creation_time, last_updated_time, user_id, current_stage, description, source, run_id, status,
           status_message, run_link
    FROM model_versions WHERE name = $1 AND version = $2 AND current_stage <> 'Deleted_Internal'";
const THESE: &str = "
    SELECT name, version, creation_time, last_updated_time, user_id, current_stage, description, source, run_id, status,
           status_message, run_link
    FROM model_versions WHERE (name, version)";
/// The stages of a model in the order of their oldest versions, in which MLflow lists them where its database keeps the
/// order of the versions.
const LATEST: &str = "
    SELECT v.name, v.version, v.creation_time, v.last_updated_time, v.user_id, v.current_stage, v.description, v.source,
           v.run_id, v.status, v.status_message, v.run_link
    FROM model_versions v JOIN (
        SELECT name, MAX(version) AS newest, MIN(version) AS oldest FROM model_versions
        WHERE current_stage <> 'Deleted_Internal' AND name";
const LATEST_OF_EACH_STAGE: &str =
    "GROUP BY name, current_stage) s ON s.name = v.name AND s.newest = v.version ORDER BY v.name, s.oldest";
const TAGS: &str = "SELECT name, version, key, value FROM model_version_tags WHERE (name, version)";
const ALIASES: &str = "SELECT version, alias FROM registered_model_aliases WHERE name = $1 ORDER BY alias";

/// The version with this number, unless it is deleted, with its aliases.
pub(super) async fn one(tx: &mut Tx<'_>, name: &str, version: i64) -> Result<Option<ModelVersion>> {
    let found = tx.all(ONE, &[name.into(), version.into()], model_version).await?;
    let found = with_tags(tx, found).await?;
    Ok(with_aliases(tx, name, found).await?.pop())
}

/// Versions in this order, without their aliases. Those that are not there are left out.
pub(super) async fn these(tx: &mut Tx<'_>, keys: &[Key]) -> Result<Vec<ModelVersion>> {
    let sql = tx.dialect().in_pairs(THESE, 1, "");
    let args = [pairs(keys.iter().map(|(name, version)| (name.as_str(), *version)))];
    let found = tx.all(&sql, &args, |row| Ok(((row.text(0)?, row.int(1)?), model_version(row)?))).await?;
    let mut by_key: HashMap<Key, ModelVersion> = found.into_iter().collect();
    with_tags(tx, keys.iter().filter_map(|key| by_key.remove(key)).collect()).await
}

/// The newest version of each stage of these models, without their aliases.
///
/// # Errors
/// Of the database.
pub(crate) async fn latest(tx: &mut Tx<'_>, names: &[String]) -> Result<Vec<ModelVersion>> {
    let sql = tx.dialect().in_texts(LATEST, 1, LATEST_OF_EACH_STAGE);
    let found = tx.all(&sql, &[Value::Texts(names.to_vec())], model_version).await?;
    with_tags(tx, found).await
}

/// Adds their aliases to versions of one model.
pub(super) async fn with_aliases(
    tx: &mut Tx<'_>,
    name: &str,
    mut versions: Vec<ModelVersion>,
) -> Result<Vec<ModelVersion>> {
    if versions.is_empty() {
        return Ok(versions);
    }
    let aliases = tx.all(ALIASES, &[name.into()], |row| Ok((row.int(0)?.to_string(), row.text(1)?))).await?;
    for (version, alias) in aliases {
        if let Some(found) = versions.iter_mut().find(|v| v.version == version) {
            found.aliases.push(alias);
        }
    }
    Ok(versions)
}

/// Adds their tags, sorted, so that both engines answer alike.
async fn with_tags(tx: &mut Tx<'_>, mut versions: Vec<ModelVersion>) -> Result<Vec<ModelVersion>> {
    if versions.is_empty() {
        return Ok(versions);
    }
    let keys = versions.iter().map(|v| (v.name.as_str(), v.version.parse().unwrap_or_default()));
    let sql = tx.dialect().in_pairs(TAGS, 1, "ORDER BY key");
    let tag = |row: &Row| {
        Ok(((row.text(0)?, row.int(1)?.to_string()), Tag { key: row.text(2)?, value: row.text(3)? }))
    };
    let rows = tx.all(&sql, &[pairs(keys)], tag).await?;
    let mut tags: HashMap<(String, String), Vec<Tag>> = HashMap::new();
    for (key, tag) in rows {
        tags.entry(key).or_default().push(tag);
    }
    for version in &mut versions {
        let key = (version.name.clone(), version.version.clone());
        version.tags = tags.remove(&key).unwrap_or_default();
    }
    Ok(versions)
}

/// The parameter of `in_pairs`.
fn pairs<'k>(keys: impl Iterator<Item = (&'k str, i64)>) -> Value {
    Value::Texts(keys.map(|key| serde_json::json!(key).to_string()).collect())
}

fn model_version(row: &Row) -> Result<ModelVersion> {
    Ok(ModelVersion {
        name: row.text(0)?,
        version: row.int(1)?.to_string(),
        creation_timestamp: row.opt_int(2)?,
        last_updated_timestamp: row.opt_int(3)?,
        user_id: row.opt_text(4)?,
        current_stage: row.opt_text(5)?,
        description: row.opt_text(6)?,
        source: row.opt_text(7)?,
        run_id: row.opt_text(8)?,
        status: row.opt_text(9)?,
        status_message: row.opt_text(10)?.filter(|text| !text.is_empty()),
        tags: Vec::new(),
        run_link: row.opt_text(11)?,
        aliases: Vec::new(),
    })
}
