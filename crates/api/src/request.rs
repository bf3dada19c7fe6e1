//! From a request's JSON to a typed message, with MLflow's checks and MLflow's words.
//!
//! Mirrors `_get_request_message` and `_validate_param_against_schema` in MLflow's handlers: a message that parses is
//! only checked for required values; one that does not parse is checked field by field, in the order of its table, so
//! that the answer names the first wrong field.

use crate::error::{Error, Result, invalid};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

/// A request message: its wire shape (serde) and its table of checks.
pub trait Request: DeserializeOwned {
    /// The fields that are checked, in the order in which they are checked.
    const FIELDS: &'static [Field];
}

/// One row of a request's table.
pub struct Field {
    /// The field's name on the wire.
    pub name: &'static str,
    /// Whether a query parameter of this name may repeat, and so is a list.
    pub repeated: bool,
    /// What must hold, in order.
    pub checks: &'static [Check],
}

/// What MLflow's schema validators ask of a value.
#[derive(Clone, Copy)]
pub enum Check {
    /// Present, not `null`, not the empty string.
    Required,
    /// A string.
    Str,
    /// A string that is an artifact path; its reader refuses NUL in MLflow's words.
    ArtifactPath,
    /// An integer, or a string that holds one.
    IntLike,
    /// A number, or a string that holds one.
    FloatLike,
    /// A boolean.
    Bool,
    /// A list.
    Array,
    /// A list of strings.
    Strings,
    /// Anything else that must hold, on the raw value; answers the whole message of the refusal.
    Also(fn(&Value) -> std::result::Result<(), Refusal>),
}

/// Why [`Check::Also`] refuses.
pub enum Refusal {
    /// MLflow's standard "Invalid value .. for parameter" text.
    InvalidValue,
    /// A text of its own.
    Message(String),
}

/// A field that occurs once.
pub const fn field(name: &'static str, checks: &'static [Check]) -> Field {
    Field { name, repeated: false, checks }
}

/// A field that occurs any number of times.
pub const fn repeated(name: &'static str, checks: &'static [Check]) -> Field {
    Field { name, repeated: true, checks }
}

const SEE_DOCS: &str = " See the API docs for more information about request parameters.";

/// Reads a message from a JSON body. An empty body is an empty message, as in MLflow.
///
/// # Errors
/// `INVALID_PARAMETER_VALUE` when the body is not a JSON object or a field fails its checks.
pub fn from_body<T: Request>(body: &[u8]) -> Result<T> {
    let json = Value::Object(parse_object(body)?);
    let message = from_value(&json)?;
    // In a message that is itself written as a text, an escape may be written in escapes.
    let is_plain = body.trim_ascii_start().starts_with(b"{");
    if !is_plain || may_hold_nul(body) {
        without_nul::<T>(&json)?;
    }
    Ok(message)
}

/// Reads a message from decoded query parameters, lists for the fields whose table row says so.
///
/// # Errors
/// `INVALID_PARAMETER_VALUE` when a field fails its checks.
pub fn from_query<T: Request>(pairs: impl Iterator<Item = (String, String)>) -> Result<T> {
    let mut map = Map::new();
    for (name, text) in pairs {
        let row = T::FIELDS.iter().find(|f| f.name == name);
        match row {
            Some(f) if f.repeated => {
                if let Value::Array(items) = map.entry(name).or_insert_with(|| Value::Array(Vec::new())) {
                    items.push(Value::String(text));
                }
            }
            Some(f) if f.checks.iter().any(|c| matches!(c, Check::Bool)) => {
                let Ok(value) = text.to_ascii_lowercase().parse::<bool>() else {
                    return Err(invalid(format!(
                        "Invalid boolean value: {text}, must be 'true' or 'false'."
                    )));
                };
                map.entry(name).or_insert(Value::Bool(value));
            }
            // Of a parameter that must not repeat, the first one counts (werkzeug's `args.get`).
            _ => {
                map.entry(name).or_insert(Value::String(text));
            }
        }
    }
    let json = Value::Object(map);
    let message = from_value(&json)?;
    without_nul::<T>(&json)?;
    Ok(message)
}

/// Whether a JSON text could hold a NUL: only the escape can stand for one, since a bare NUL is not JSON. Few bodies need
/// the closer look of [`without_nul`] then.
pub(crate) fn may_hold_nul(body: &[u8]) -> bool {
    body.windows(5).any(|bytes| bytes == b"u0000")
}

/// Refuses the character NUL wherever it stands in a message. PostgreSQL cannot keep it in a text; on SQLite it would make a
/// database that could never move there.
fn without_nul<T: Request>(json: &Value) -> Result<()> {
    let is_path = |name: &str| {
        let row = T::FIELDS.iter().find(|row| row.name == name);
        row.is_some_and(|row| row.checks.iter().any(|check| matches!(check, Check::ArtifactPath)))
    };
    for (name, value) in json.as_object().into_iter().flatten().filter(|(name, _)| !is_path(name)) {
        if let Some(below) = path_of_nul(value) {
            return Err(holds_nul(&format!("{name}{below}")));
        }
    }
    Ok(())
}

fn path_of_nul(json: &Value) -> Option<String> {
    match json {
        Value::String(text) => text.contains('\0').then(String::new),
        Value::Array(items) => (0..)
            .zip(items)
            .find_map(|(index, item)| path_of_nul(item).map(|below| format!("[{index}]{below}"))),
        Value::Object(fields) => {
            fields.iter().find_map(|(name, item)| path_of_nul(item).map(|below| format!(".{name}{below}")))
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => None,
    }
}

/// Refuses the character NUL in a parameter that is no part of a message, such as one of the path.
///
/// # Errors
/// `INVALID_PARAMETER_VALUE`.
pub fn text_without_nul(path: &str, text: &str) -> Result<()> {
    if text.contains('\0') { Err(holds_nul(path)) } else { Ok(()) }
}

// Without the value, which may be a profile of megabytes.
fn holds_nul(path: &str) -> Error {
    invalid(format!(
        "Invalid value for parameter '{path}' supplied: It contains the character NUL (U+0000), which cannot be stored. \
         Remove it and try again."
    ))
}

/// The JSON object in a body; old clients send it encoded twice, as a JSON string.
pub(crate) fn parse_object(body: &[u8]) -> Result<Map<String, Value>> {
    if body.iter().all(u8::is_ascii_whitespace) {
        return Ok(Map::new());
    }
    let parsed = match serde_json::from_slice(body) {
        Ok(Value::String(inner)) => serde_json::from_str(&inner),
        other => other,
    };
    match parsed {
        Ok(Value::Object(map)) => Ok(map),
        Ok(Value::Null) => Ok(Map::new()),
        Ok(_) => Err(invalid("The request body must be a JSON object.")),
        Err(error) => Err(invalid(format!(
            "The request body is not valid JSON: {error}. NaN and infinities are written as the strings \
             \"NaN\", \"Infinity\" and \"-Infinity\"."
        ))),
    }
}

fn from_value<T: Request>(json: &Value) -> Result<T> {
    let parsed = T::deserialize(json);
    for row in T::FIELDS {
        check_field(row, json, parsed.is_ok())?;
    }
    parsed.map_err(|error| invalid(format!("Invalid request: {error}.{SEE_DOCS}")))
}

fn check_field(row: &Field, json: &Value, parsed: bool) -> Result<()> {
    let mut value = json.get(row.name);
    let required = row.checks.iter().any(|c| matches!(c, Check::Required));
    if value.is_none() && !required {
        return Ok(());
    }
    if row.name == "run_id" && value.is_none_or(Value::is_null) {
        value = json.get("run_uuid");
    }
    let value = value.unwrap_or(&Value::Null);
    for check in row.checks {
        let ok = match check {
            Check::Required => {
                if value.is_null() || value == "" {
                    return Err(invalid(format!("{}{SEE_DOCS}", missing_value(row.name))));
                }
                true
            }
            Check::Also(holds) => match holds(value) {
                Ok(()) => true,
                Err(Refusal::InvalidValue) => false,
                Err(Refusal::Message(message)) => return Err(invalid(format!("{message}{SEE_DOCS}"))),
            },
            // A parsed message has the right types; MLflow skips these then, too.
            _ if parsed => true,
            Check::Str | Check::ArtifactPath => value.is_string(),
            Check::IntLike => int_like(value),
            Check::FloatLike => float_like(value),
            Check::Bool => value.is_boolean(),
            Check::Array => value.is_array(),
            Check::Strings => value.as_array().is_some_and(|items| items.iter().all(Value::is_string)),
        };
        if !ok {
            let hint = format!(" Hint: Value was of type '{}'.", python_type(value));
            return Err(invalid(format!("{}{SEE_DOCS}", invalid_value(row.name, value, &hint))));
        }
    }
    Ok(())
}

/// MLflow's text for an absent value (`missing_value`).
pub fn missing_value(path: &str) -> String {
    format!("Missing value for required parameter '{path}'.")
}

/// MLflow's text for a bad value (`invalid_value`); `why` may be empty.
pub fn invalid_value(path: &str, value: &Value, why: &str) -> String {
    let why = if why.is_empty() { ".".to_owned() } else { format!(": {why}") };
    format!("Invalid value {} for parameter '{path}' supplied{why}", python_json(value))
}

/// JSON as Python's `json.dumps` writes it: everything outside ASCII escaped.
fn python_json(value: &Value) -> String {
    let mut out = String::new();
    for c in value.to_string().chars() {
        if c.is_ascii() {
            out.push(c);
        } else {
            let mut units = [0; 2];
            for unit in c.encode_utf16(&mut units) {
                out.push_str(&format!("\\u{unit:04x}"));
            }
        }
    }
    out
}

fn python_type(value: &Value) -> &'static str {
    match value {
        Value::Null => "NoneType",
        Value::Bool(_) => "bool",
        Value::Number(n) if n.is_f64() => "float",
        Value::Number(_) => "int",
        Value::String(_) => "str",
        Value::Array(_) => "list",
        Value::Object(_) => "dict",
    }
}

// Python's `int(x)` takes a float, too, but the result of a float such as 1.5 is not what the wire means.
fn int_like(value: &Value) -> bool {
    match value {
        Value::Number(n) => n.as_i64().is_some() || n.as_f64().is_some_and(|v| v.fract() == 0.0),
        Value::String(s) => s.trim().parse::<i64>().is_ok(),
        _ => false,
    }
}

fn float_like(value: &Value) -> bool {
    match value {
        Value::Number(_) => true,
        Value::String(s) => s.trim().parse::<f64>().is_ok(),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Deserialize;

    #[derive(Deserialize, Debug, PartialEq)]
    struct Probe {
        #[serde(default)]
        run_id: Option<String>,
        #[serde(default)]
        run_uuid: Option<String>,
        #[serde(default, deserialize_with = "crate::number::opt_int64")]
        step: Option<i64>,
        #[serde(default, deserialize_with = "crate::number::list")]
        ids: Vec<String>,
    }

    impl Request for Probe {
        const FIELDS: &'static [Field] = &[
            field("run_id", &[Check::Required, Check::Str]),
            field("step", &[Check::IntLike]),
            repeated("ids", &[Check::Strings]),
        ];
    }

    #[test]
    fn no_way_of_writing_it_hides_nul() {
        let plain = br#"{"run_id": "a\u0000"}"#.to_vec();
        let beside_what_is_no_text =
            [br#"{"run_id": "a\u0000", "other": "#.as_slice(), b"\"\xff\"}"].concat();
        let written_in_escapes = br#""{\"run_id\": \"a\\\u00750000\"}""#.to_vec();
        for body in [plain, beside_what_is_no_text, written_in_escapes] {
            let shown = String::from_utf8_lossy(&body).into_owned();
            let error = from_body::<Probe>(&body).expect_err(&shown);
            assert!(
                error.message.contains("NUL") || error.message.contains("JSON"),
                "{shown}: {}",
                error.message
            );
        }
        assert!(may_hold_nul(b"\xff u0000"), "the bytes need not be a text");
    }

    fn message(body: &str) -> String {
        from_body::<Probe>(body.as_bytes()).unwrap_err().message
    }

    #[test]
    fn missing_and_empty_are_the_same_for_required_fields() {
        let expected = "Missing value for required parameter 'run_id'. See the API docs for more information about \
                        request parameters.";
        for body in ["", "{}", r#"{"run_id": ""}"#, r#"{"run_id": null}"#] {
            assert_eq!(message(body), expected, "{body}");
        }
    }

    #[test]
    fn run_uuid_stands_in_for_run_id() {
        let probe: Probe = from_body(br#"{"run_uuid": "a"}"#).unwrap();
        assert_eq!(probe.run_uuid.as_deref(), Some("a"));
    }

    #[test]
    fn the_first_wrong_field_is_named() {
        assert_eq!(
            message(r#"{"run_id": 31, "step": "x"}"#),
            "Invalid value 31 for parameter 'run_id' supplied:  Hint: Value was of type 'int'. See the API docs \
             for more information about request parameters."
        );
        assert!(
            message(r#"{"run_id": "a", "step": "é"}"#)
                .starts_with(r#"Invalid value "\u00e9" for parameter 'step'"#)
        );
    }

    #[test]
    fn not_json_is_said() {
        assert!(message("{bad").starts_with("The request body is not valid JSON"));
        assert!(message("[1]").starts_with("The request body must be a JSON object"));
    }

    #[test]
    fn nul_is_refused_wherever_it_stands() {
        let refusal = |path: &str| {
            format!(
                "Invalid value for parameter '{path}' supplied: It contains the character NUL (U+0000), which cannot be \
                 stored. Remove it and try again."
            )
        };
        assert_eq!(message(r#"{"run_id": "a\u0000"}"#), refusal("run_id"));
        assert_eq!(message(r#"{"run_id": "a", "ids": ["b", "\u0000"]}"#), refusal("ids[1]"));
        assert_eq!(message(r#"{"run_id": "a", "x": [{"y": {"z": "\u0000"}}]}"#), refusal("x[0].y.z"));
        assert_eq!(message(r#""{\"run_id\": \"a\\u0000\"}""#), refusal("run_id"));
        let pairs = [("run_id".to_owned(), "a\0".to_owned())];
        assert_eq!(from_query::<Probe>(pairs.into_iter()).unwrap_err().message, refusal("run_id"));
        // The six characters of the escape are no NUL, and a field that is wrong in MLflow's eyes comes first.
        assert!(from_body::<Probe>(br#"{"run_id": "a\\u0000"}"#).is_ok());
        assert!(
            message(r#"{"ids": ["\u0000"]}"#).starts_with("Missing value for required parameter 'run_id'")
        );
    }

    #[test]
    fn doubly_encoded_bodies_are_read() {
        let probe: Probe = from_body(br#""{\"run_id\": \"a\"}""#).unwrap();
        assert_eq!(probe.run_id.as_deref(), Some("a"));
    }

    #[test]
    fn query_parameters_repeat_where_the_table_says_so() {
        let pairs = [("run_id", "a"), ("ids", "1"), ("ids", "2"), ("step", "7"), ("run_id", "b")];
        let probe: Probe = from_query(pairs.iter().map(|(k, v)| (k.to_string(), v.to_string()))).unwrap();
        assert_eq!(probe.ids, ["1", "2"]);
        assert_eq!((probe.run_id.as_deref(), probe.step), (Some("a"), Some(7)));
    }
}
