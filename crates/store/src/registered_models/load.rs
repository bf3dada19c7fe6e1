//! Reads registered models with all that belongs to them in a constant number of statements.

use crate::db::{Row, Tx, Value};
use crate::error::Result;
use crate::grouped::grouped;
use crate::model_versions;
use api::{ModelVersion, RegisteredModel, RegisteredModelAlias, Tag};
use std::collections::HashMap;

const THESE: &str = "
    SELECT name, creation_time, last_updated_time, description FROM registered_models WHERE name";
const TAGS: &str = "SELECT name, key, value FROM registered_model_tags WHERE name";
const ALIASES: &str = "SELECT name, alias, version FROM registered_model_aliases WHERE name";

/// The models with these names, in this order; names without a model are left out.
///
/// # Errors
/// Of the database.
pub async fn load(tx: &mut Tx<'_>, names: &[String]) -> Result<Vec<RegisteredModel>> {
    let sql = tx.dialect().in_texts(THESE, 1, "");
    let found = tx.all(&sql, &[Value::Texts(names.to_vec())], model).await?;
    if found.is_empty() {
        return Ok(found);
    }
    let mut by_name: HashMap<String, RegisteredModel> =
        found.into_iter().map(|model| (model.name.clone(), model)).collect();
    let tags = |row: &Row| Ok(Tag { key: row.text(1)?, value: row.text(2)? });
    let aliases =
        |row: &Row| Ok(RegisteredModelAlias { alias: row.text(1)?, version: row.int(2)?.to_string() });
    let mut tags = grouped(tx, TAGS, names, tags).await?;
    let mut aliases = grouped(tx, ALIASES, names, aliases).await?;
    let mut versions: HashMap<String, Vec<ModelVersion>> = HashMap::new();
    for version in model_versions::latest(tx, names).await? {
        versions.entry(version.name.clone()).or_default().push(version);
    }
    // Sorted, so that both engines answer alike.
    let complete = |mut model: RegisteredModel| {
        model.tags = tags.remove(&model.name).unwrap_or_default();
        model.tags.sort_by(|a, b| a.key.cmp(&b.key));
        model.aliases = aliases.remove(&model.name).unwrap_or_default();
        model.aliases.sort_by(|a, b| a.alias.cmp(&b.alias));
        model.latest_versions = versions.remove(&model.name).unwrap_or_default();
        model
    };
    Ok(names.iter().filter_map(|name| by_name.remove(name)).map(complete).collect())
}

fn model(row: &Row) -> Result<RegisteredModel> {
    Ok(RegisteredModel {
        name: row.text(0)?,
        creation_timestamp: row.opt_int(1)?,
        last_updated_timestamp: row.opt_int(2)?.filter(|time| *time != 0),
        description: row.opt_text(3)?.filter(|text| !text.is_empty()),
        latest_versions: Vec::new(),
        tags: Vec::new(),
        aliases: Vec::new(),
    })
}
