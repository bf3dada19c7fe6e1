//! Tags and params of logged models.

use super::{Model, find};
use crate::db::{Bulk, Column, Tx, Value};
use crate::error::Result;
use api::error::not_found;
use api::validate::python_repr;
use api::{Error, ErrorCode, Tag};
use std::collections::{BTreeMap, BTreeSet, HashMap};

const UPSERT_TAGS: Bulk = Bulk {
    insert: "INSERT INTO logged_model_tags (model_id, experiment_id, tag_key, tag_value)",
    then: "ON CONFLICT (model_id, tag_key) DO UPDATE SET tag_value = excluded.tag_value",
};

/// Sets tags, the last of equal keys, in the order of the keys.
///
/// # Errors
/// `RESOURCE_DOES_NOT_EXIST`.
pub async fn set_tags(tx: &mut Tx<'_>, model_id: &str, tags: &[Tag]) -> Result<()> {
    let model = find(tx, model_id).await?;
    let last: BTreeMap<&str, &Tag> = tags.iter().map(|t| (t.key.as_str(), t)).collect();
    tx.insert_many(&UPSERT_TAGS, &columns(&model, &last.into_values().collect::<Vec<_>>())).await?;
    Ok(())
}

const DELETE_TAG: &str = "DELETE FROM logged_model_tags WHERE model_id = $1 AND tag_key = $2";

/// Removes a tag.
///
/// # Errors
/// `RESOURCE_DOES_NOT_EXIST` for the model or the tag.
pub async fn delete_tag(tx: &mut Tx<'_>, model_id: &str, key: &str) -> Result<()> {
    find(tx, model_id).await?;
    match tx.exec(DELETE_TAG, &[Value::from(model_id), key.into()]).await? {
        0 => {
            let (key, model) = (python_repr(key), python_repr(model_id));
            Err(not_found(format!("No tag with key {key} found for model with ID {model}.")).into())
        }
        _ => Ok(()),
    }
}

const INSERT_PARAMS: Bulk = Bulk {
    insert: "INSERT INTO logged_model_params (model_id, experiment_id, param_key, param_value)",
    then: "ON CONFLICT DO NOTHING",
};
const PARAMS_OF: &str = "SELECT param_key, param_value FROM logged_model_params WHERE model_id = $1";

/// Logs params; the same value again is fine, another one is refused. (MLflow refuses both.)
///
/// # Errors
/// `RESOURCE_DOES_NOT_EXIST`; `BAD_REQUEST` when a param has another value already.
pub async fn log_params(tx: &mut Tx<'_>, model_id: &str, params: &[Tag]) -> Result<()> {
    let model = find(tx, model_id).await?;
    if insert_params(tx, &model, params).await? == params.len() as u64 {
        return Ok(());
    }
    let rows = tx.all(PARAMS_OF, &[model_id.into()], |row| Ok((row.text(0)?, row.text(1)?))).await?;
    let present: HashMap<String, String> = rows.into_iter().collect();
    match params.iter().find(|p| present.get(&p.key) != Some(&p.value)) {
        None => Ok(()),
        Some(p) => Err(bad_request(format!(
            "Changing param values is not allowed. Param with key={} was already logged with value={} for logged \
             model ID={}. Attempted logging new value {}.",
            python_repr(&p.key),
            python_repr(present.get(&p.key).map_or("", String::as_str)),
            python_repr(model_id),
            python_repr(&p.value)
        ))
        .into()),
    }
}

/// Inserts the params and tags of a new model.
///
/// # Errors
/// `BAD_REQUEST` when a key comes twice.
pub(super) async fn insert_new(tx: &mut Tx<'_>, model: &Model, params: &[Tag], tags: &[Tag]) -> Result<()> {
    keys_unique("param", params)?;
    keys_unique("tag", tags)?;
    insert_params(tx, model, params).await?;
    tx.insert_many(&UPSERT_TAGS, &columns(model, &tags.iter().collect::<Vec<_>>())).await?;
    Ok(())
}

/// In the order of the keys, so that two requests for one model lock its rows in one order.
async fn insert_params(tx: &mut Tx<'_>, model: &Model, params: &[Tag]) -> Result<u64> {
    let mut sorted: Vec<&Tag> = params.iter().collect();
    sorted.sort_by(|a, b| a.key.cmp(&b.key));
    tx.insert_many(&INSERT_PARAMS, &columns(model, &sorted)).await
}

fn keys_unique(what: &str, pairs: &[Tag]) -> Result<()> {
    let mut seen = BTreeSet::new();
    match pairs.iter().find(|p| !seen.insert(&p.key)) {
        None => Ok(()),
        Some(p) => {
            let key = python_repr(&p.key);
            Err(bad_request(format!("The {what} {key} is given more than once; give it once.")).into())
        }
    }
}

fn bad_request(message: String) -> Error {
    Error::new(ErrorCode::BadRequest, message)
}

fn columns(model: &Model, pairs: &[&Tag]) -> [Column; 4] {
    [
        Column::Texts(vec![model.model_id.clone(); pairs.len()]),
        Column::Ints(vec![model.experiment_id; pairs.len()]),
        Column::Texts(pairs.iter().map(|p| p.key.clone()).collect()),
        Column::Texts(pairs.iter().map(|p| p.value.clone()).collect()),
    ]
}
