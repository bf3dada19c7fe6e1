//! Registered models: create, read, rename, update, delete. Mirrors the half of MLflow's registry `SqlAlchemyStore` that is not
//! about versions. Prompts are registered models with a tag.

mod aliases;
mod load;
mod search;
mod tags;

pub use aliases::{delete_alias, set_alias};
pub use load::load;
pub use search::search;
pub use tags::{delete_tag, set_tag};

use crate::db::{Bulk, Column, Tx};
use crate::error::{Error, Result};
use crate::webhooks::queue;
use api::error::{already_exists, not_found};
use api::validate::{self, python_repr};
use api::webhook_events::{Change, Subject};
use api::{IS_PROMPT, RegisteredModel, Tag};
use std::collections::BTreeMap;

/// What `registered-models/create` makes.
#[derive(Clone)]
#[expect(missing_docs, reason = "the fields are the wire's own")]
pub struct NewRegisteredModel {
    pub name: String,
    pub tags: Vec<Tag>,
    pub description: String,
    /// Epoch milliseconds.
    pub now_ms: i64,
}

const INSERT: &str = "
    INSERT INTO registered_models (name, creation_time, last_updated_time, description) VALUES ($1, $2, $3, $4)
    ON CONFLICT (name) DO NOTHING";
const INSERT_TAGS: Bulk = Bulk { insert: "INSERT INTO registered_model_tags (name, key, value)", then: "" };

/// Creates a model, or a prompt, and answers it. Of equal tags the last one counts.
///
/// # Errors
/// `RESOURCE_ALREADY_EXISTS` when a model or a prompt has the name; `INVALID_PARAMETER_VALUE`.
pub async fn create(tx: &mut Tx<'_>, new: NewRegisteredModel) -> Result<RegisteredModel> {
    for tag in &new.tags {
        validate::registered_model_tag(tag)?;
    }
    let times = new.now_ms;
    let args = [new.name.as_str().into(), times.into(), times.into(), new.description.as_str().into()];
    if tx.exec(INSERT, &args).await? == 0 {
        return Err(name_taken(tx, &new).await?);
    }
    let created = Change::Created {
        name: new.name.clone(),
        tags: new.tags.clone(),
        description: new.description.clone(),
    };
    let subject = if api::has_prompt_tag(&new.tags) { Subject::Prompt } else { Subject::Model };
    queue::add(tx, created, subject).await?;
    let tags: BTreeMap<String, String> = new.tags.into_iter().map(|tag| (tag.key, tag.value)).collect();
    let (keys, values): (Vec<_>, Vec<_>) = tags.into_iter().unzip();
    let names = vec![new.name.clone(); keys.len()];
    let columns = [Column::Texts(names), Column::Texts(keys), Column::Texts(values)];
    tx.insert_many(&INSERT_TAGS, &columns).await?;
    get(tx, &new.name).await
}

const HAS_TAG: &str = "SELECT 1 FROM registered_model_tags WHERE key = $1 AND name = $2";

/// Tells a prompt from a model by the mere presence of the tag, as MLflow does here.
async fn name_taken(tx: &mut Tx<'_>, new: &NewRegisteredModel) -> Result<Error> {
    let args = [IS_PROMPT.into(), new.name.as_str().into()];
    let old_is_prompt = tx.first(HAS_TAG, &args, |_| Ok(())).await?.is_some();
    let kind = |is_prompt| if is_prompt { "Prompt" } else { "Registered Model" };
    let (old, wanted) = (kind(old_is_prompt), kind(api::has_prompt_tag(&new.tags)));
    let message = if old == wanted {
        format!("{wanted} (name={}) already exists.", new.name)
    } else {
        format!(
            "Tried to create a {} with name {}, but the name is already taken by a {}. MLflow does not allow creating a \
             model and a prompt with the same name.",
            wanted.to_lowercase(),
            python_repr(&new.name),
            old.to_lowercase()
        )
    };
    Ok(already_exists(message).into())
}

/// The model with this name.
///
/// # Errors
/// `RESOURCE_DOES_NOT_EXIST`.
pub async fn get(tx: &mut Tx<'_>, name: &str) -> Result<RegisteredModel> {
    load(tx, &[name.to_owned()]).await?.pop().ok_or_else(|| no_model(name))
}

const PROMPT_TAG: &str = "SELECT value FROM registered_model_tags WHERE key = $1 AND name = $2";

/// Whether this is a prompt, as events see it: its tag says true.
///
/// # Errors
/// Of the database.
pub async fn is_prompt(tx: &mut Tx<'_>, name: &str) -> Result<bool> {
    let value = tx.first(PROMPT_TAG, &[IS_PROMPT.into(), name.into()], |row| row.text(0)).await?;
    Ok(value.is_some_and(|value| value.eq_ignore_ascii_case("true")))
}

/// Queues a change for the webhooks that want to know of it.
///
/// # Errors
/// Of the database.
pub(crate) async fn tell(tx: &mut Tx<'_>, name: &str, change: Change) -> Result<()> {
    let subject = if is_prompt(tx, name).await? { Subject::Prompt } else { Subject::Model };
    queue::add(tx, change, subject).await?;
    Ok(())
}

const UPDATE: &str = "UPDATE registered_models SET description = $1, last_updated_time = $2 WHERE name = $3";

/// Sets the description and answers the model.
///
/// # Errors
/// `RESOURCE_DOES_NOT_EXIST`.
pub async fn update(tx: &mut Tx<'_>, name: &str, description: &str, now_ms: i64) -> Result<RegisteredModel> {
    hold(tx, name).await?;
    tx.exec(UPDATE, &[description.into(), now_ms.into(), name.into()]).await?;
    get(tx, name).await
}

/// Versions, tags and aliases follow by the schema's cascades.
const RENAME: &str = "UPDATE registered_models SET name = $1 WHERE name = $2";
const TOUCH_VERSIONS: &str = "UPDATE model_versions SET last_updated_time = $1 WHERE name = $2";

/// Gives a model another name, and all its versions with it, and answers the model.
///
/// # Errors
/// `RESOURCE_DOES_NOT_EXIST`; `RESOURCE_ALREADY_EXISTS` when the name is taken.
pub async fn rename(tx: &mut Tx<'_>, name: &str, new_name: &str, now_ms: i64) -> Result<RegisteredModel> {
    touch(tx, name, now_ms).await?;
    match tx.exec(RENAME, &[new_name.into(), name.into()]).await {
        Err(error) if error.is_unique_violation() => {
            return Err(already_exists(format!("Registered Model (name={new_name}) already exists.")).into());
        }
        other => other?,
    };
    tx.exec(TOUCH_VERSIONS, &[now_ms.into(), new_name.into()]).await?;
    get(tx, new_name).await
}

/// Locks the model's row, so that no version comes in meanwhile.
const TOUCH: &str = "UPDATE registered_models SET last_updated_time = $1 WHERE name = $2";
const DELETE: [&str; 5] = [
    "DELETE FROM model_version_tags WHERE name = $1",
    "DELETE FROM model_versions WHERE name = $1",
    "DELETE FROM registered_model_aliases WHERE name = $1",
    "DELETE FROM registered_model_tags WHERE name = $1",
    "DELETE FROM registered_models WHERE name = $1",
];

/// Deletes a model with its versions, tags and aliases, for good. Artifacts stay.
///
/// # Errors
/// `RESOURCE_DOES_NOT_EXIST`.
pub async fn delete(tx: &mut Tx<'_>, name: &str, now_ms: i64) -> Result<()> {
    touch(tx, name, now_ms).await?;
    for sql in DELETE {
        tx.exec(sql, &[name.into()]).await?;
    }
    Ok(())
}

/// Notes that the model has changed, and keeps others from changing its versions until the transaction ends.
///
/// # Errors
/// `RESOURCE_DOES_NOT_EXIST`.
pub(crate) async fn touch(tx: &mut Tx<'_>, name: &str, now_ms: i64) -> Result<()> {
    match tx.exec(TOUCH, &[now_ms.into(), name.into()]).await? {
        0 => Err(no_model(name)),
        _ => Ok(()),
    }
}

/// Changes nothing, but locks the row. A change to a row that is not there must be refused before PostgreSQL sees the new
/// value: with some of its plans it complains of a value's length even where there is no row to change.
const HOLD: &str = "UPDATE registered_models SET description = description WHERE name = $1";

/// Keeps the model from being deleted until the transaction ends.
///
/// # Errors
/// `RESOURCE_DOES_NOT_EXIST`.
async fn hold(tx: &mut Tx<'_>, name: &str) -> Result<()> {
    match tx.exec(HOLD, &[name.into()]).await? {
        0 => Err(no_model(name)),
        _ => Ok(()),
    }
}

const EXISTS: &str = "SELECT 1 FROM registered_models WHERE name = $1";

/// Refuses the name of a model that is not there.
///
/// # Errors
/// `RESOURCE_DOES_NOT_EXIST`.
pub(crate) async fn check_exists(tx: &mut Tx<'_>, name: &str) -> Result<()> {
    let found = tx.first(EXISTS, &[name.into()], |_| Ok(())).await?;
    found.ok_or_else(|| no_model(name))
}

fn no_model(name: &str) -> Error {
    not_found(format!("Registered Model with name={name} not found")).into()
}
