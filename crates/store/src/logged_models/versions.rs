//! What registered model versions have to do with the logged models that they are made from.

use super::no_model;
use crate::db::Tx;
use crate::error::Result;
use serde_json::{Value as Json, json};

const ORIGIN: &str = "
    SELECT artifact_location, source_run_id FROM logged_models WHERE model_id = $1 AND lifecycle_stage <> 'deleted'";

/// Where a model that is not deleted keeps its artifacts, and the run that made it; empty for none.
///
/// # Errors
/// `RESOURCE_DOES_NOT_EXIST`.
pub(crate) async fn origin(tx: &mut Tx<'_>, model_id: &str) -> Result<(String, String)> {
    let found = tx.first(ORIGIN, &[model_id.into()], |row| Ok((row.text(0)?, row.text(1)?))).await?;
    found.ok_or_else(|| no_model(model_id))
}

/// Changes nothing, but locks the row, so that versions that are made at the same time are all noted.
const HOLD: &str =
    "UPDATE logged_models SET name = name WHERE model_id = $1 AND lifecycle_stage <> 'deleted'";
const NOTED: &str =
    "SELECT tag_value FROM logged_model_tags WHERE model_id = $1 AND tag_key = 'mlflow.modelVersions'";
const NOTE: &str = "
    INSERT INTO logged_model_tags (model_id, experiment_id, tag_key, tag_value)
    SELECT model_id, experiment_id, 'mlflow.modelVersions', $1 FROM logged_models WHERE model_id = $2
    ON CONFLICT (model_id, tag_key) DO UPDATE SET tag_value = excluded.tag_value";

/// Notes a version in the tag of its logged model that MLflow keeps for it: `[{"name": "n", "version": 1}]`.
///
/// # Errors
/// `RESOURCE_DOES_NOT_EXIST`.
pub async fn note_version(tx: &mut Tx<'_>, model_id: &str, name: &str, version: i64) -> Result<()> {
    if tx.exec(HOLD, &[model_id.into()]).await? == 0 {
        return Err(no_model(model_id));
    }
    let noted = tx.first(NOTED, &[model_id.into()], |row| row.text(0)).await?;
    // Anybody may have set the tag to anything.
    let mut versions: Vec<Json> = noted.and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default();
    let new = json!({"name": name, "version": version});
    if !versions.contains(&new) {
        versions.push(new);
    }
    tx.exec(NOTE, &[python_json(&Json::Array(versions)).into(), model_id.into()]).await?;
    Ok(())
}

/// JSON as Python's `json.dumps` writes it: with blanks after commas and colons, and nothing outside ASCII.
fn python_json(value: &Json) -> String {
    match value {
        Json::Array(items) => format!("[{}]", items.iter().map(python_json).collect::<Vec<_>>().join(", ")),
        Json::Object(fields) => {
            let fields: Vec<_> =
                fields.iter().map(|(name, item)| format!("{}: {}", ascii(name), python_json(item))).collect();
            format!("{{{}}}", fields.join(", "))
        }
        Json::String(text) => ascii(text),
        other => other.to_string(),
    }
}

fn ascii(text: &str) -> String {
    let mut out = String::new();
    for c in json!(text).to_string().chars() {
        let mut units = [0; 2];
        match c {
            c if c.is_ascii() => out.push(c),
            c => out.extend(c.encode_utf16(&mut units).iter().map(|unit| format!("\\u{unit:04x}"))),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_is_written_as_python_writes_it() {
        let versions = json!([{"name": "é\"🚀", "version": 1}, {"name": "b", "version": "2"}]);
        assert_eq!(
            python_json(&versions),
            r#"[{"name": "\u00e9\"\ud83d\ude80", "version": 1}, {"name": "b", "version": "2"}]"#
        );
    }
}
