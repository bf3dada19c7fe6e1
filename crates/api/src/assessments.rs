//! Assessments: what people, code and judges said of a trace.

use crate::iso_time::timestamp;
use serde::Serialize;
use serde_json::{Map, Value};

/// MLflow's `Assessment` message.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[expect(missing_docs, reason = "the fields are the wire's own")]
pub struct Assessment {
    pub assessment_id: String,
    pub assessment_name: String,
    pub trace_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub span_id: Option<String>,
    pub source: AssessmentSource,
    pub create_time: String,
    pub last_update_time: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub feedback: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expectation: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rationale: Option<String>,
    #[serde(skip_serializing_if = "Map::is_empty")]
    pub metadata: Map<String, Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub overrides: Option<String>,
    pub valid: bool,
}

/// Who said it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[expect(missing_docs, reason = "the fields are the wire's own")]
pub struct AssessmentSource {
    pub source_type: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source_id: Option<String>,
}

/// An assessment as it is kept, with JSON in texts.
#[derive(Debug, Clone, Default)]
#[expect(missing_docs, reason = "the columns' own names")]
pub struct StoredAssessment {
    pub assessment_id: String,
    pub trace_id: String,
    pub name: String,
    pub assessment_type: String,
    pub value: String,
    pub error: Option<String>,
    pub created_timestamp: i64,
    pub last_updated_timestamp: i64,
    pub source_type: String,
    pub source_id: Option<String>,
    pub span_id: Option<String>,
    pub rationale: Option<String>,
    pub overrides: Option<String>,
    pub valid: bool,
    pub metadata: Option<String>,
}

/// The longest stack trace of an error that is answered; of a longer one the end is.
const STACK_TRACE_CHARS: usize = 10_000;
const STACK_TRACE_CUT: &str = "[Stack trace is truncated]\n...\n";

impl From<StoredAssessment> for Assessment {
    fn from(row: StoredAssessment) -> Self {
        let (feedback, expectation) = match row.assessment_type.as_str() {
            "expectation" => (None, Some(expectation(row.value))),
            _ => (Some(feedback(&row.value, row.error.as_deref())), None),
        };
        let source_type = match row.source_type.to_uppercase() {
            // Its older name.
            name if name == "AI_JUDGE" => "LLM_JUDGE".to_owned(),
            name => name,
        };
        Self {
            assessment_id: row.assessment_id,
            assessment_name: row.name,
            trace_id: row.trace_id,
            span_id: row.span_id,
            source: AssessmentSource { source_type, source_id: row.source_id },
            create_time: timestamp(row.created_timestamp),
            last_update_time: timestamp(row.last_updated_timestamp),
            feedback,
            expectation,
            rationale: row.rationale,
            metadata: metadata(row.metadata.as_deref()),
            overrides: row.overrides.filter(|id| !id.is_empty()),
            valid: row.valid,
        }
    }
}

fn feedback(value: &str, error: Option<&str>) -> Value {
    let mut feedback = Map::from_iter([("value".to_owned(), doubles(parsed(value)))]);
    let error = error.map(parsed);
    if let Some(error) = error.as_ref().and_then(Value::as_object) {
        let text = |name: &str| error.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
        let mut shown = Map::new();
        shown.insert("error_code".into(), text("error_code").unwrap_or_default().into());
        if let Some(message) = text("error_message") {
            shown.insert("error_message".into(), message.into());
        }
        if let Some(trace) = text("stack_trace") {
            shown.insert("stack_trace".into(), end_of(trace).into());
        }
        feedback.insert("error".into(), shown.into());
    }
    feedback.into()
}

/// A list or an object travels as a text.
fn expectation(stored: String) -> Value {
    let value = parsed(&stored);
    let shown = if value.is_array() || value.is_object() {
        let text = Map::from_iter([
            ("serialization_format".to_owned(), "JSON_FORMAT".into()),
            ("value".to_owned(), stored.into()),
        ]);
        ("serialized_value".to_owned(), Value::from(text))
    } else {
        ("value".to_owned(), doubles(value))
    };
    Map::from_iter([shown]).into()
}

fn metadata(stored: Option<&str>) -> Map<String, Value> {
    let Some(Value::Object(map)) = stored.map(parsed) else { return Map::new() };
    let text = |value: Value| match value {
        Value::String(text) => text,
        value => value.to_string(),
    };
    map.into_iter().map(|(key, value)| (key, text(value).into())).collect()
}

fn parsed(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_default()
}

/// Every number as protobuf's `Value` has it, which knows doubles alone.
fn doubles(value: Value) -> Value {
    match value {
        Value::Number(n) => n.as_f64().map_or(Value::Number(n), Value::from),
        Value::Array(items) => items.into_iter().map(doubles).collect(),
        Value::Object(map) => map.into_iter().map(|(key, value)| (key, doubles(value))).collect(),
        other => other,
    }
}

fn end_of(trace: &str) -> String {
    let chars = trace.chars().count();
    if chars <= STACK_TRACE_CHARS {
        return trace.to_owned();
    }
    let kept = STACK_TRACE_CHARS - STACK_TRACE_CUT.chars().count();
    STACK_TRACE_CUT.chars().chain(trace.chars().skip(chars - kept)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn numbers_are_doubles() {
        assert_eq!(feedback("[1, true, {\"a\": 2}]", None).to_string(), r#"{"value":[1.0,true,{"a":2.0}]}"#);
    }

    #[test]
    fn an_expectation_that_is_no_scalar_travels_as_text() {
        assert_eq!(expectation("\"x\"".into()), json!({"value": "x"}));
        let text = "{\"b\": [1]}";
        assert_eq!(
            expectation(text.into()),
            json!({"serialized_value": {"serialization_format": "JSON_FORMAT", "value": text}})
        );
    }

    #[test]
    fn of_a_long_stack_trace_the_end_is_shown() {
        let error = json!({"error_code": "E", "error_message": null, "stack_trace": "é".repeat(10_001)});
        let shown = feedback("null", Some(&error.to_string()));
        let trace = shown["error"]["stack_trace"].as_str().unwrap();
        assert!(trace.starts_with(STACK_TRACE_CUT));
        assert_eq!(trace.chars().count(), STACK_TRACE_CHARS);
        assert_eq!(shown["error"].as_object().unwrap().len(), 2);
    }
}
