//! Writes what a query selects, as JSON, without making it first: a chart's points are many.

use super::document::{Document, Field, Selection, Shape, Type, TypeRef};
use super::resolve::Related;
use super::schema::Schema;
use api::{Histories, History, Point};
use serde_json::{Map, Value};

/// The fields that one key of an answer stands for: all the same, but for what they select.
pub struct Group<'a>(Vec<&'a Field>);

impl<'a> Group<'a> {
    /// The field; where it is there several times, the first one.
    pub fn first(&self) -> &'a Field {
        self.0[0]
    }

    /// The key in the answer.
    pub fn key(&self) -> &'a str {
        self.0[0].key()
    }

    /// What is selected of it.
    pub fn below(&self) -> Vec<&'a [Selection]> {
        self.0.iter().map(|field| field.selections.as_slice()).collect()
    }
}

/// The fields of braces that come together, fragments in their places. No type here can be another, so that a valid fragment
/// always applies.
pub fn grouped<'a>(document: &'a Document, together: &[&'a [Selection]]) -> Vec<Group<'a>> {
    let mut groups: Vec<Group<'a>> = Vec::new();
    for selections in together {
        group(document, selections, &mut groups);
    }
    groups
}

fn group<'a>(document: &'a Document, selections: &'a [Selection], groups: &mut Vec<Group<'a>>) {
    for selection in selections {
        match selection {
            Selection::Field(field) => match groups.iter_mut().find(|group| group.key() == field.key()) {
                Some(group) => group.0.push(field),
                None => groups.push(Group(vec![field])),
            },
            Selection::Inline { selections, .. } => group(document, selections, groups),
            Selection::Spread { name, .. } => {
                if let Some(fragment) = document.fragment(name) {
                    group(document, &fragment.selections, groups);
                }
            }
        }
    }
}

/// Whether a field is selected, by names with dots between them.
pub fn selects(document: &Document, together: &[&[Selection]], path: &str) -> bool {
    let (name, rest) = path.split_once('.').map_or((path, None), |(name, rest)| (name, Some(rest)));
    grouped(document, together)
        .iter()
        .filter(|group| group.first().name == name)
        .any(|group| rest.is_none_or(|rest| selects(document, &group.below(), rest)))
}

/// Begins a field of an object.
pub fn key(out: &mut String, key: &str) {
    if !out.ends_with('{') {
        out.push(',');
    }
    text(out, key);
    out.push(':');
}

/// A JSON string.
pub fn text(out: &mut String, text: &str) {
    out.push_str(&Value::from(text).to_string());
}

/// Writes values of the schema's types.
pub struct Writer<'a> {
    pub schema: &'a Schema,
    pub document: &'a Document,
}

impl<'a> Writer<'a> {
    /// A value that has been read as REST answers it. A field that is not set has its type's default, as MLflow's messages do.
    pub fn value(
        &self,
        out: &mut String,
        ty: &TypeRef,
        below: &[&'a [Selection]],
        value: Option<&Value>,
        related: &Related,
    ) {
        match ty.nullable() {
            TypeRef::List(item) => {
                let items = value.and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
                list(out, items, |out, value| self.value(out, item, below, Some(value), related));
            }
            ty => match self.schema.named(ty) {
                Some(named) if named.is_object() => {
                    let empty = Map::new();
                    let fields = value.and_then(Value::as_object).unwrap_or(&empty);
                    self.object(out, named, below, fields, related);
                }
                Some(named) => leaf(out, named, value),
                None => out.push_str("null"),
            },
        }
    }

    fn object(
        &self,
        out: &mut String,
        ty: &Type,
        below: &[&'a [Selection]],
        fields: &Map<String, Value>,
        related: &Related,
    ) {
        self.fields(out, ty, below, |out, field, below| {
            let Some(definition) = self.schema.field(ty, &field.name) else { return out.push_str("null") };
            match (ty.name.as_str(), field.name.as_str()) {
                // MLflow has no field of this name in its messages, so that it never is anything.
                (_, "apiError") => out.push_str("null"),
                ("MlflowRunExtension", "experiment") => match related.experiment(fields) {
                    Some(experiment) => self.value(out, &definition.ty, below, Some(experiment), related),
                    None => out.push_str("null"),
                },
                ("MlflowRunExtension", "modelVersions") => {
                    self.value(out, &definition.ty, below, related.model_versions(fields), related);
                }
                (_, name) => self.value(out, &definition.ty, below, fields.get(&snake_case(name)), related),
            }
        });
    }

    /// The answer to `mlflowGetMetricHistoryBulkInterval`.
    pub fn points(&self, out: &mut String, below: &[&'a [Selection]], histories: &Histories) {
        let (Some(ty), Some(point)) = (
            self.schema.get("MlflowGetMetricHistoryBulkIntervalResponse"),
            self.schema.get("MlflowMetricWithRunId"),
        ) else {
            return out.push_str("null");
        };
        self.fields(out, ty, below, |out, field, below| match field.name.as_str() {
            "metrics" => {
                let groups = grouped(self.document, below);
                let points = histories.metrics.iter().flat_map(|h| h.points.iter().map(move |p| (h, p)));
                list(out, points, |out, (history, at)| {
                    out.push('{');
                    for group in &groups {
                        key(out, group.key());
                        point_field(out, point, &group.first().name, history, at);
                    }
                    out.push('}');
                });
            }
            _ => out.push_str("null"),
        });
    }

    /// An object, whose fields `one` writes, except for its type's name.
    pub fn fields(
        &self,
        out: &mut String,
        ty: &Type,
        below: &[&'a [Selection]],
        mut one: impl FnMut(&mut String, &'a Field, &[&'a [Selection]]),
    ) {
        out.push('{');
        for group in grouped(self.document, below) {
            key(out, group.key());
            match group.first().name.as_str() {
                "__typename" => text(out, &ty.name),
                _ => one(out, group.first(), &group.below()),
            }
        }
        out.push('}');
    }
}

/// A JSON list.
pub fn list<T>(out: &mut String, items: impl IntoIterator<Item = T>, mut one: impl FnMut(&mut String, T)) {
    out.push('[');
    for (index, item) in items.into_iter().enumerate() {
        if index > 0 {
            out.push(',');
        }
        one(out, item);
    }
    out.push(']');
}

fn point_field(out: &mut String, ty: &Type, name: &str, history: &History, point: &Point) {
    match name {
        "__typename" => text(out, &ty.name),
        "key" => text(out, &history.key),
        "runId" => text(out, history.run_id.as_deref().unwrap_or_default()),
        "timestamp" => text(out, &point.timestamp.to_string()),
        "step" => text(out, &point.step.to_string()),
        // NaN is null here as in a run's metrics, `MlflowMetricExtension`.
        _ => out.push_str(&Value::from(point.value).to_string()),
    }
}

fn leaf(out: &mut String, ty: &Type, value: Option<&Value>) {
    let written = match (&ty.shape, ty.name.as_str(), value) {
        (Shape::Enum(_), _, Some(Value::String(name))) => return text(out, name),
        (_, _, Some(Value::Null)) => "null",
        // MLflow counts the values of these from 1, and its messages from 0: unset is none of them.
        (Shape::Enum(values), _, _)
            if values.first().is_some_and(|value| value.name.ends_with("_UNSPECIFIED")) =>
        {
            "null"
        }
        (Shape::Enum(values), _, _) => {
            return text(out, values.first().map_or("", |value| value.name.as_str()));
        }
        (_, "String", Some(Value::String(value))) => return text(out, value),
        (_, "String" | "LongString", Some(Value::Number(value))) => return text(out, &value.to_string()),
        (_, "String", _) => "\"\"",
        (_, "LongString", _) => "\"0\"",
        (_, "Float" | "Boolean", Some(value @ (Value::Number(_) | Value::Bool(_)))) => {
            return out.push_str(&value.to_string());
        }
        (_, "Float", None) => "0.0",
        (_, "Boolean", _) => "false",
        // REST writes NaN as a text.
        _ => "null",
    };
    out.push_str(written);
}

/// The name of a field in MLflow's messages.
fn snake_case(name: &str) -> String {
    let mut snake = String::with_capacity(name.len() + 4);
    for c in name.chars() {
        if c.is_ascii_uppercase() {
            snake.push('_');
        }
        snake.push(c.to_ascii_lowercase());
    }
    snake
}
