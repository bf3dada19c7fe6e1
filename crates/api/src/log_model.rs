//! `runs/log-model`: what of an `MLmodel` file goes into the run's history tag. Mirrors `Model.get_tags_dict`.
//!
//! Clients parse the tag, people read it in the UI, and MLflow may take the database over, so the text is the one that
//! Python's `json.dumps` writes, with the fields in the file's order.

use crate::error::{Error, Result, invalid};
use crate::validate::python_repr;
use serde::de::{Deserializer, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, de};
use serde_json::Number;
use std::fmt::{self, Write};

/// The tag that lists the models logged to a run.
pub const LOGGED_MODELS_TAG: &str = "mlflow.log-model.history";

/// One model in the history.
#[derive(Debug, Clone, PartialEq)]
pub struct HistoryEntry(Json);

const MANDATORY: [&str; 4] = ["artifact_path", "flavors", "utc_time_created", "run_id"];

impl HistoryEntry {
    /// Reads an `MLmodel` file given as JSON text.
    ///
    /// # Errors
    /// `INVALID_PARAMETER_VALUE`.
    pub fn from_model_json(text: &str) -> Result<Self> {
        let malformed =
            |what: &str| invalid(format!("Malformed model info. \n {text} \n is not a valid JSON{what}."));
        let model: Json = serde_json::from_str(text).map_err(|_| malformed(""))?;
        let Json::Object(fields) = model else { return Err(malformed(" object")) };
        let missing: Vec<_> = MANDATORY
            .iter()
            .filter(|name| get(&fields, name).is_none())
            .map(|name| python_repr(name))
            .collect();
        if !missing.is_empty() {
            return Err(invalid(format!(
                "Model json is missing mandatory fields: {{{}}}",
                missing.join(", ")
            )));
        }
        let mut entry = Vec::new();
        for name in ["run_id", "artifact_path"] {
            entry.extend(
                get(&fields, name).filter(|v| **v != Json::Null).map(|v| (name.to_owned(), v.clone())),
            );
        }
        match get(&fields, "utc_time_created") {
            Some(time @ Json::Text(t)) if !t.is_empty() => {
                entry.push(("utc_time_created".into(), time.clone()));
            }
            _ => return Err(invalid("The model's 'utc_time_created' must be a string that is not empty.")),
        }
        let uuid = get(&fields, "model_uuid").cloned().unwrap_or(Json::Null);
        entry.push(("model_uuid".into(), uuid));
        entry.push(("flavors".into(), flavors(get(&fields, "flavors"))?));
        Ok(Self(Json::Object(entry)))
    }

    /// The history tag's new value, given its old one.
    ///
    /// # Errors
    /// `INVALID_PARAMETER_VALUE` when the old value is no history.
    pub fn append_to(self, history: Option<&str>) -> Result<String> {
        let mut entries = match history.map(serde_json::from_str) {
            None => Vec::new(),
            Some(Ok(Json::Array(entries))) => entries,
            Some(_) => return Err(not_a_history()),
        };
        entries.push(self.0);
        Ok(Json::Array(entries).to_string())
    }
}

fn not_a_history() -> Error {
    invalid(format!(
        "The run's tag '{LOGGED_MODELS_TAG}' is not a JSON list, so no model can be added to it. Delete the tag first."
    ))
}

/// The flavors without their configurations, which may be long.
fn flavors(value: Option<&Json>) -> Result<Json> {
    let flavors = match value {
        None | Some(Json::Null) => return Ok(Json::Object(Vec::new())),
        Some(Json::Object(flavors)) => flavors.clone(),
        Some(_) => return Err(invalid("The model's 'flavors' must be an object.")),
    };
    let without_config = |(name, flavor): (String, Json)| match flavor {
        Json::Object(mut fields) => {
            fields.retain(|(key, _)| key != "config");
            (name, Json::Object(fields))
        }
        other => (name, other),
    };
    Ok(Json::Object(flavors.into_iter().map(without_config).collect()))
}

/// JSON as Python's `json.dumps` writes it.
pub(crate) fn python_json(value: &serde_json::Value) -> String {
    // Every JSON value is one of these.
    Json::deserialize(value).unwrap_or(Json::Null).to_string()
}

/// JSON whose objects keep their order, as Python's dictionaries do.
#[derive(Debug, Clone, PartialEq)]
enum Json {
    Null,
    Bool(bool),
    Number(Number),
    Text(String),
    Array(Vec<Json>),
    Object(Vec<(String, Json)>),
}

fn get<'a>(fields: &'a [(String, Json)], name: &str) -> Option<&'a Json> {
    fields.iter().find(|(key, _)| key == name).map(|(_, value)| value)
}

impl<'de> Deserialize<'de> for Json {
    fn deserialize<D: Deserializer<'de>>(d: D) -> std::result::Result<Self, D::Error> {
        d.deserialize_any(JsonVisitor)
    }
}

struct JsonVisitor;

impl<'de> Visitor<'de> for JsonVisitor {
    type Value = Json;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E: de::Error>(self) -> std::result::Result<Json, E> {
        Ok(Json::Null)
    }

    fn visit_bool<E: de::Error>(self, v: bool) -> std::result::Result<Json, E> {
        Ok(Json::Bool(v))
    }

    fn visit_i64<E: de::Error>(self, v: i64) -> std::result::Result<Json, E> {
        Ok(Json::Number(v.into()))
    }

    fn visit_u64<E: de::Error>(self, v: u64) -> std::result::Result<Json, E> {
        Ok(Json::Number(v.into()))
    }

    fn visit_f64<E: de::Error>(self, v: f64) -> std::result::Result<Json, E> {
        Number::from_f64(v).map(Json::Number).ok_or_else(|| E::custom("a number out of range"))
    }

    fn visit_str<E: de::Error>(self, v: &str) -> std::result::Result<Json, E> {
        Ok(Json::Text(v.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> std::result::Result<Json, A::Error> {
        let mut out = Vec::new();
        while let Some(item) = items.next_element()? {
            out.push(item);
        }
        Ok(Json::Array(out))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> std::result::Result<Json, A::Error> {
        let mut out: Vec<(String, Json)> = Vec::new();
        while let Some((key, value)) = fields.next_entry::<String, Json>()? {
            // Of equal keys the last value counts, at the first one's place.
            match out.iter_mut().find(|(k, _)| *k == key) {
                Some(field) => field.1 = value,
                None => out.push((key, value)),
            }
        }
        Ok(Json::Object(out))
    }
}

/// As Python's `json.dumps` writes it.
impl fmt::Display for Json {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => f.write_str("null"),
            Self::Bool(v) => write!(f, "{v}"),
            Self::Number(n) => write_number(n, f),
            Self::Text(text) => write_text(text, f),
            Self::Array(items) => {
                f.write_char('[')?;
                for (i, item) in items.iter().enumerate() {
                    f.write_str(if i == 0 { "" } else { ", " })?;
                    write!(f, "{item}")?;
                }
                f.write_char(']')
            }
            Self::Object(fields) => {
                f.write_char('{')?;
                for (i, (key, value)) in fields.iter().enumerate() {
                    f.write_str(if i == 0 { "" } else { ", " })?;
                    write_text(key, f)?;
                    write!(f, ": {value}")?;
                }
                f.write_char('}')
            }
        }
    }
}

fn write_number(n: &Number, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let Some(v) = n.as_f64().filter(|_| n.is_f64()) else { return write!(f, "{n}") };
    // Rust and Python go over to exponents at the same sizes, but Python signs and pads them: 1e+16, 1e-05.
    let text = format!("{v:?}");
    match text.split_once('e') {
        None => f.write_str(&text),
        Some((digits, exponent)) => {
            let (sign, exponent) = exponent.strip_prefix('-').map_or(('+', exponent), |e| ('-', e));
            write!(f, "{digits}e{sign}{exponent:0>2}")
        }
    }
}

fn write_text(text: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    f.write_char('"')?;
    for c in text.chars() {
        match c {
            '"' => f.write_str("\\\"")?,
            '\\' => f.write_str("\\\\")?,
            '\n' => f.write_str("\\n")?,
            '\r' => f.write_str("\\r")?,
            '\t' => f.write_str("\\t")?,
            '\u{8}' => f.write_str("\\b")?,
            '\u{c}' => f.write_str("\\f")?,
            ' '..='~' => f.write_char(c)?,
            _ => {
                for unit in c.encode_utf16(&mut [0; 2]) {
                    write!(f, "\\u{unit:04x}")?;
                }
            }
        }
    }
    f.write_char('"')
}

#[cfg(test)]
mod tests {
    use super::*;

    const MODEL: &str = r#"{"artifact_path": "p", "flavors": {"z": {"b": 1, "a": 2.50, "config": {"x": 1}}, "g": "s"},
        "utc_time_created": "t", "run_id": "r", "signature": {"inputs": "[]"}}"#;

    fn refusal(text: &str) -> String {
        HistoryEntry::from_model_json(text).unwrap_err().message
    }

    #[test]
    fn the_tag_is_what_mlflow_writes() {
        let first = HistoryEntry::from_model_json(MODEL).unwrap().append_to(None).unwrap();
        assert_eq!(
            first,
            r#"[{"run_id": "r", "artifact_path": "p", "utc_time_created": "t", "model_uuid": null, "flavors": {"z": {"b": 1, "a": 2.5}, "g": "s"}}]"#
        );
        let second = r#"{"artifact_path": "é☃𝄞", "flavors": null, "utc_time_created": "t", "run_id": null, "model_uuid": "u"}"#;
        let second =
            HistoryEntry::from_model_json(second).unwrap().append_to(Some("[1e30, 1e-5, 0.0001]")).unwrap();
        assert_eq!(
            second,
            r#"[1e+30, 1e-05, 0.0001, {"artifact_path": "\u00e9\u2603\ud834\udd1e", "utc_time_created": "t", "model_uuid": "u", "flavors": {}}]"#
        );
    }

    #[test]
    fn what_is_wrong_is_said() {
        assert_eq!(refusal("{bad"), "Malformed model info. \n {bad \n is not a valid JSON.");
        assert_eq!(refusal("[1]"), "Malformed model info. \n [1] \n is not a valid JSON object.");
        assert_eq!(
            refusal(r#"{"artifact_path": "x"}"#),
            "Model json is missing mandatory fields: {'flavors', 'utc_time_created', 'run_id'}"
        );
        assert!(refusal(&MODEL.replace(r#""t""#, "null")).contains("'utc_time_created' must be"));
        assert!(
            refusal(r#"{"artifact_path":1,"flavors":[],"utc_time_created":"t","run_id":1}"#)
                .contains("'flavors'")
        );
        let entry = HistoryEntry::from_model_json(MODEL).unwrap();
        assert!(entry.append_to(Some("text")).unwrap_err().message.contains("is not a JSON list"));
    }
}
