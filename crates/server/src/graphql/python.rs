//! Values as graphql-core shows them in its messages: Python's `repr`, cut where it gets long.

use api::validate::python_repr;
use serde_json::Value;

const MAX_TEXT: usize = 240;
const MAX_ITEMS: usize = 10;
const MAX_DEPTH: usize = 2;

/// The text for a value of a variable.
pub fn inspect(value: &Value) -> String {
    inspect_below(value, 0)
}

fn inspect_below(value: &Value, depth: usize) -> String {
    match value {
        Value::Null => "None".to_owned(),
        Value::Bool(true) => "True".to_owned(),
        Value::Bool(false) => "False".to_owned(),
        Value::Number(number) => cut(&number.to_string()),
        Value::String(text) => cut(&python_repr(text)),
        Value::Array(items) if items.is_empty() => "[]".to_owned(),
        Value::Object(fields) if fields.is_empty() => "{}".to_owned(),
        Value::Array(_) if depth == MAX_DEPTH => "[...]".to_owned(),
        Value::Object(_) if depth == MAX_DEPTH => "{...}".to_owned(),
        Value::Array(items) => {
            format!("[{}]", joined(items.iter().map(|item| inspect_below(item, depth + 1)).collect()))
        }
        Value::Object(fields) => {
            let field = |(name, value): (&String, &Value)| {
                format!("{}: {}", cut(&python_repr(name)), inspect_below(value, depth + 1))
            };
            format!("{{{}}}", joined(fields.iter().map(field).collect()))
        }
    }
}

fn joined(mut items: Vec<String>) -> String {
    if items.len() > MAX_ITEMS {
        let last = items.split_off(items.len() - (MAX_ITEMS / 2 - 1));
        items.truncate(MAX_ITEMS / 2);
        items.push("...".to_owned());
        items.extend(last);
    }
    items.join(", ")
}

fn cut(text: &str) -> String {
    let letters: Vec<char> = text.chars().collect();
    if letters.len() <= MAX_TEXT {
        return text.to_owned();
    }
    let before = (MAX_TEXT - 3) / 2;
    let after = MAX_TEXT - 3 - before;
    letters[..before].iter().chain(&['.', '.', '.']).chain(&letters[letters.len() - after..]).collect()
}
