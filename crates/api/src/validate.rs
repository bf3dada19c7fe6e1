//! What names and values may be: the rules and texts of MLflow's `utils/validation.py`.

mod registry;

pub use registry::{Alias, model_version_tag, registered_model_tag, registry_tag_key};

use crate::datasets::Dataset;
use crate::error::{Error, Result, invalid};
use crate::experiments::Tag;
use crate::metrics::Metric;
use crate::request::{invalid_value, missing_value};
use serde_json::Value;

const MAX_ENTITY_KEY_LENGTH: usize = 250;
const MAX_PARAM_VAL_LENGTH: usize = 6000;
const MAX_TAG_VAL_LENGTH: usize = 8000;
const MAX_EXPERIMENT_TAG_VAL_LENGTH: usize = 5000;
const MAX_EXPERIMENT_NAME_LENGTH: usize = 500;
const MAX_DATASET_NAME_SIZE: usize = 500;
const MAX_DATASET_DIGEST_SIZE: usize = 36;
const MAX_DATASET_SOURCE_SIZE: usize = 65_535;
const MAX_DATASET_SCHEMA_SIZE: usize = 1_048_575;
const MAX_DATASET_PROFILE_SIZE: usize = 16_777_215;
const MAX_INPUT_TAG_KEY_SIZE: usize = 255;
const MAX_INPUT_TAG_VALUE_SIZE: usize = 500;
const MAX_PARAMS_TAGS_PER_BATCH: usize = 100;
const MAX_METRICS_PER_BATCH: usize = 1000;
const MAX_ENTITIES_PER_BATCH: usize = 1000;

/// What the operator may set about limits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// `MLFLOW_TRUNCATE_LONG_VALUES`: cut too long param and tag values instead of refusing them.
    pub truncate_long_values: bool,
    /// `MLFLOW_ARTIFACT_LOCATION_MAX_LENGTH`, in characters.
    pub artifact_location_max_length: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { truncate_long_values: true, artifact_location_max_length: 2048 }
    }
}

/// Checks a metric; `path` is where it stands in the request (`metrics[3]`, or nothing).
///
/// # Errors
/// `INVALID_PARAMETER_VALUE`.
pub fn metric(m: &Metric, path: &str) -> Result<()> {
    if m.dataset_name.is_some() != m.dataset_digest.is_some() {
        return Err(invalid("Both dataset_name and dataset_digest must be provided if one is provided"));
    }
    entity_name(&m.key, &join(path, "name"))?;
    if m.timestamp < 0 {
        let why = format!(
            "metric '{}' (value={}). Timestamp must be a nonnegative long (64-bit integer) ",
            m.key,
            python_float(m.value)
        );
        return Err(invalid(invalid_value(&join(path, "timestamp"), &m.timestamp.into(), &why)));
    }
    at_most("Metric name", MAX_ENTITY_KEY_LENGTH, &m.key)
}

/// Checks a param and cuts its value where that is wanted.
///
/// # Errors
/// `INVALID_PARAMETER_VALUE`.
pub fn param(mut p: Tag, path: &str, limits: Limits) -> Result<Tag> {
    entity_name(&p.key, &join(path, "key"))?;
    at_most("Param key", MAX_ENTITY_KEY_LENGTH, &p.key)?;
    cut("Param value", MAX_PARAM_VAL_LENGTH, &mut p.value, limits)?;
    Ok(p)
}

/// Checks a run's tag and cuts its value where that is wanted.
///
/// # Errors
/// `INVALID_PARAMETER_VALUE`.
pub fn tag(mut t: Tag, path: &str, limits: Limits) -> Result<Tag> {
    entity_name(&t.key, &join(path, "key"))?;
    at_most(&join(path, "key"), MAX_ENTITY_KEY_LENGTH, &t.key)?;
    cut(&join(path, "value"), MAX_TAG_VAL_LENGTH, &mut t.value, limits)?;
    Ok(t)
}

/// Checks an experiment's tag. Its value is never cut.
///
/// # Errors
/// `INVALID_PARAMETER_VALUE`.
pub fn experiment_tag(t: &Tag) -> Result<()> {
    entity_name(&t.key, "key")?;
    at_most("key", MAX_ENTITY_KEY_LENGTH, &t.key)?;
    at_most("value", MAX_EXPERIMENT_TAG_VAL_LENGTH, &t.value)
}

/// Checks an experiment's name.
///
/// # Errors
/// `INVALID_PARAMETER_VALUE`.
pub fn experiment_name(name: &str) -> Result<()> {
    if name.is_empty() {
        return Err(invalid("Invalid experiment name: ''"));
    }
    at_most("name", MAX_EXPERIMENT_NAME_LENGTH, name)
}

/// Checks the name that a logged model is given.
///
/// # Errors
/// `INVALID_PARAMETER_VALUE`.
pub fn logged_model_name(name: &str) -> Result<()> {
    if !name.is_empty() && !name.contains(['/', ':', '.', '%', '"', '\'']) {
        return Ok(());
    }
    Err(invalid(format!(
        "Invalid model name ({}) provided. Model name must be a non-empty string and cannot contain the following \
         characters: ('/', ':', '.', '%', '\"', \"'\")",
        python_repr(name)
    )))
}

/// Checks a data set that a run logs as its input, and the tags of its use.
///
/// # Errors
/// `INVALID_PARAMETER_VALUE`.
pub fn dataset_input(dataset: &Dataset, tags: &[Tag]) -> Result<()> {
    at_most("name", MAX_DATASET_NAME_SIZE, &dataset.name)?;
    at_most("digest", MAX_DATASET_DIGEST_SIZE, &dataset.digest)?;
    at_most("source", MAX_DATASET_SOURCE_SIZE, &dataset.source)?;
    at_most("schema", MAX_DATASET_SCHEMA_SIZE, dataset.schema.as_deref().unwrap_or_default())?;
    at_most("profile", MAX_DATASET_PROFILE_SIZE, dataset.profile.as_deref().unwrap_or_default())?;
    for tag in tags {
        at_most("key", MAX_INPUT_TAG_KEY_SIZE, &tag.key)?;
        at_most("value", MAX_INPUT_TAG_VALUE_SIZE, &tag.value)?;
    }
    Ok(())
}

/// Checks an artifact location's length.
///
/// # Errors
/// `INVALID_PARAMETER_VALUE`.
pub fn artifact_location_length(location: &str, limits: Limits) -> Result<()> {
    let max = limits.artifact_location_max_length;
    if location.chars().count() > max {
        return Err(invalid(format!(
            "Invalid artifact path length. The length of the artifact path cannot be greater than {max} characters. To configure this limit, please set the MLFLOW_ARTIFACT_LOCATION_MAX_LENGTH environment variable."
        )));
    }
    Ok(())
}

/// Checks the shape of a run id that a batch names.
///
/// # Errors
/// `INVALID_PARAMETER_VALUE`.
pub fn run_id(id: &str) -> Result<()> {
    let mut chars = id.chars();
    let first = chars.next().is_some_and(|c| c.is_ascii_alphanumeric());
    let rest = chars.clone().all(|c| is_word(c) || c == '-') && chars.count() <= 255;
    if first && rest { Ok(()) } else { Err(invalid(invalid_value("run_id", &id.into(), ""))) }
}

/// Checks how much a batch carries.
///
/// # Errors
/// `INVALID_PARAMETER_VALUE`.
pub fn batch_limits(metrics: usize, params: usize, tags: usize) -> Result<()> {
    batch_limit("metrics", MAX_METRICS_PER_BATCH, metrics)?;
    batch_limit("params", MAX_PARAMS_TAGS_PER_BATCH, params)?;
    batch_limit("tags", MAX_PARAMS_TAGS_PER_BATCH, tags)?;
    batch_limit("metrics, params, and tags", MAX_ENTITIES_PER_BATCH, metrics + params + tags)
}

fn batch_limit(what: &str, limit: usize, got: usize) -> Result<()> {
    if got <= limit {
        return Ok(());
    }
    Err(invalid(format!(
        "A batch logging request can contain at most {limit} {what}. Got {got} {what}. Please split up {what} \
         across multiple requests and try again."
    )))
}

/// Refuses a batch that carries a param key twice.
///
/// # Errors
/// `INVALID_PARAMETER_VALUE`.
pub fn param_keys_unique(params: &[Tag]) -> Result<()> {
    let mut seen = std::collections::HashSet::new();
    let twice: Vec<_> = params.iter().filter(|p| !seen.insert(&p.key)).map(|p| python_repr(&p.key)).collect();
    if twice.is_empty() {
        return Ok(());
    }
    Err(invalid(format!(
        "Duplicate parameter keys have been submitted: [{}]. Please ensure the request contains only one param \
         value per param key.",
        twice.join(", ")
    )))
}

/// A text as Python's `repr` shows it, for messages that clients compare.
pub fn python_repr(text: &str) -> String {
    let quote = if text.contains('\'') && !text.contains('"') { '"' } else { '\'' };
    let mut out = String::from(quote);
    for c in text.chars() {
        match c {
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if c == quote => {
                out.push('\\');
                out.push(c);
            }
            ' ' => out.push(' '),
            c if c <= '\u{ff}' && (c.is_control() || c.is_whitespace()) => {
                out.push_str(&format!("\\x{:02x}", c as u32))
            }
            c if c.is_whitespace() => out.push_str(&format!("\\u{:04x}", c as u32)),
            c => out.push(c),
        }
    }
    out.push(quote);
    out
}

/// A double as Python prints it: `nan`, `inf`, `1.0`.
fn python_float(v: f64) -> String {
    if v.is_nan() {
        "nan".into()
    } else if v.is_infinite() {
        if v > 0.0 { "inf".into() } else { "-inf".into() }
    } else {
        Value::from(v).to_string()
    }
}

/// Names of metrics, params and tags: harmless as file names, as old stores used them.
fn entity_name(name: &str, path: &str) -> Result<()> {
    // Most names are plain; the careful checks below are only for the rest.
    if !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-')) {
        return Ok(());
    }
    // Python's `$` lets one line break stand at the end.
    let checked = name.strip_suffix('\n').unwrap_or(name);
    if !checked.chars().all(|c| is_word(c) || matches!(c, '/' | '.' | '-' | ' ' | ':')) {
        return Err(bad_name(
            path,
            name,
            "Names may only contain alphanumerics, underscores (_), dashes (-), periods (.), spaces ( ), colon(:) \
             and slashes (/).",
        ));
    }
    let normal = normpath(name);
    if normal != name || normal == "." || normal.starts_with("..") || normal.starts_with('/') {
        let why = format!(
            "Names may be treated as files in certain cases, and must not resolve to other names when treated as \
             such. This name would resolve to {}",
            python_repr(&normal)
        );
        return Err(bad_name(path, name, &why));
    }
    Ok(())
}

fn bad_name(path: &str, name: &str, why: &str) -> Error {
    invalid(invalid_value(path, &name.into(), why))
}

// Python's `\w`.
fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// Python's `posixpath.normpath`.
fn normpath(path: &str) -> String {
    if path.is_empty() {
        return ".".into();
    }
    // POSIX gives two leading slashes a meaning of their own; three or more are one.
    let root = match path.len() - path.trim_start_matches('/').len() {
        0 => "",
        2 => "//",
        _ => "/",
    };
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." if parts.last().is_some_and(|p| *p != "..") => {
                parts.pop();
            }
            ".." if !root.is_empty() => {}
            _ => parts.push(part),
        }
    }
    let joined = format!("{root}{}", parts.join("/"));
    if joined.is_empty() { ".".into() } else { joined }
}

fn at_most(what: &str, limit: usize, text: &str) -> Result<()> {
    if text.len() > limit && text.chars().count() > limit {
        return Err(too_long(what, limit));
    }
    Ok(())
}

fn too_long(what: &str, limit: usize) -> Error {
    invalid(format!("'{what}' exceeds the maximum length of {limit} characters"))
}

fn cut(what: &str, limit: usize, text: &mut String, limits: Limits) -> Result<()> {
    if text.len() <= limit {
        return Ok(());
    }
    match text.char_indices().nth(limit) {
        None => Ok(()),
        Some(_) if !limits.truncate_long_values => Err(too_long(what, limit)),
        Some((end, _)) => {
            text.truncate(end);
            Ok(())
        }
    }
}

fn join(path: &str, field: &str) -> String {
    if path.is_empty() { field.to_owned() } else { format!("{path}.{field}") }
}

/// MLflow's text for an absent value, for callers outside the request table.
pub fn missing(path: &str) -> Error {
    invalid(missing_value(path))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::MetricInput;

    fn tagged(key: &str, value: &str) -> Tag {
        Tag { key: key.into(), value: value.into() }
    }

    #[test]
    fn names_must_be_plain_files() {
        for good in ["a", "a/b", "a b", "a:b", "ü.x-y_z", "a..b", "a\n"] {
            assert_eq!(entity_name(good, "key"), Ok(()), "{good}");
        }
        for bad in ["", ".", "..", "../a", "/a", "a//b", "a/", "a/../b", "a,b", "a\tb"] {
            assert!(entity_name(bad, "key").is_err(), "{bad:?}");
        }
        assert_eq!(
            entity_name("a/../b", "key").unwrap_err().message,
            "Invalid value \"a/../b\" for parameter 'key' supplied: Names may be treated as files in certain cases, \
             and must not resolve to other names when treated as such. This name would resolve to 'b'"
        );
    }

    #[test]
    fn long_values_are_cut_at_characters() {
        let long = "é".repeat(6001);
        let cut = param(tagged("k", &long), "", Limits::default()).unwrap();
        assert_eq!(cut.value.chars().count(), 6000);
        let strict = Limits { truncate_long_values: false, ..Limits::default() };
        let message = param(tagged("k", &long), "", strict).unwrap_err().message;
        assert_eq!(message, "'Param value' exceeds the maximum length of 6000 characters");
    }

    #[test]
    fn duplicates_are_listed_as_python_lists_them() {
        let message = param_keys_unique(&[tagged("a", "1"), tagged("a", "2")]).unwrap_err().message;
        assert!(message.starts_with("Duplicate parameter keys have been submitted: ['a']. "), "{message}");
    }

    #[test]
    fn logged_model_names_are_plain() {
        assert_eq!(logged_model_name("my model-1_é"), Ok(()));
        assert_eq!(
            logged_model_name("a'b").unwrap_err().message,
            "Invalid model name (\"a'b\") provided. Model name must be a non-empty string and cannot contain the \
             following characters: ('/', ':', '.', '%', '\"', \"'\")"
        );
        for bad in ["", "a/b", "a:b", "a.b", "a%b", "a\"b"] {
            assert!(logged_model_name(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn data_sets_have_limits() {
        let dataset = Dataset { digest: "é".repeat(36), ..Dataset::default() };
        assert_eq!(dataset_input(&dataset, &[tagged("k", &"v".repeat(500))]), Ok(()));
        let dataset = Dataset { digest: "d".repeat(37), ..Dataset::default() };
        assert_eq!(
            dataset_input(&dataset, &[]).unwrap_err().message,
            "'digest' exceeds the maximum length of 36 characters"
        );
        assert_eq!(
            dataset_input(&Dataset::default(), &[tagged(&"k".repeat(256), "v")]).unwrap_err().message,
            "'key' exceeds the maximum length of 255 characters"
        );
    }

    #[test]
    fn a_metric_names_its_data_set_whole() {
        let of = |json: &str| metric(&serde_json::from_str::<MetricInput>(json).unwrap().into(), "");
        assert_eq!(of(r#"{"key": "k", "dataset_name": "d", "dataset_digest": "1"}"#), Ok(()));
        assert_eq!(of(r#"{"key": "k", "dataset_name": "", "dataset_digest": ""}"#), Ok(()));
        assert_eq!(
            of(r#"{"key": "k", "dataset_name": "d"}"#).unwrap_err().message,
            "Both dataset_name and dataset_digest must be provided if one is provided"
        );
    }

    #[test]
    fn normpath_is_pythons() {
        for (path, normal) in
            [("", "."), ("a/./b", "a/b"), ("//a", "//a"), ("///a", "/a"), ("/../a", "/a"), ("a/..", ".")]
        {
            assert_eq!(normpath(path), normal, "{path}");
        }
    }
}
