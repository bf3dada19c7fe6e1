//! Spans as JSON, in the one shape that MLflow 3.7.0 shows them in.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::{Map, Value, json};

/// Brings a span to MLflow 3.7.0's shape: what versions before it wrote has ids in hexadecimal and short names of states. `None` if
/// it lacks what every span has.
pub fn normal_span(mut span: Map<String, Value>) -> Option<Value> {
    let trace_id = id(&span.remove("trace_id")?, 16)?;
    let span_id = id(&span.remove("span_id")?, 8)?;
    let parent_id = span.remove("parent_span_id").filter(|parent| !matches!(parent, Value::Null));
    let parent_id = parent_id.filter(|parent| parent != "").map(|parent| id(&parent, 8));
    let events = match span.remove("events") {
        None => vec![],
        Some(Value::Array(events)) => events.into_iter().map(event).collect::<Option<_>>()?,
        Some(_) => return None,
    };
    let ended = span.remove("end_time_unix_nano").and_then(|end| nanoseconds(&end)).filter(|end| *end != 0);
    Some(json!({
        "trace_id": trace_id,
        "span_id": span_id,
        "parent_span_id": match parent_id {
            Some(parent) => Value::String(parent?),
            None => Value::Null,
        },
        "name": span.remove("name")?,
        "start_time_unix_nano": nanoseconds(&span.remove("start_time_unix_nano")?)?,
        "end_time_unix_nano": ended,
        "events": events,
        "status": status(&span.remove("status")?)?,
        "attributes": span.remove("attributes")?,
    }))
}

/// An id as base64 of so many bytes: it is that already, or hexadecimal, which for traces may follow `tr-`.
fn id(id: &Value, bytes: usize) -> Option<String> {
    let id = id.as_str()?;
    if BASE64.decode(id).is_ok() {
        return Some(id.to_owned());
    }
    let number = u128::from_str_radix(id.strip_prefix("tr-").unwrap_or(id), 16).ok()?.to_be_bytes();
    let (high, low) = number.split_at(number.len() - bytes);
    high.iter().all(|byte| *byte == 0).then(|| BASE64.encode(low))
}

/// Times of protobuf's JSON are texts.
fn nanoseconds(time: &Value) -> Option<i64> {
    time.as_i64().or_else(|| time.as_str()?.parse().ok())
}

fn event(event: Value) -> Option<Value> {
    let Value::Object(mut event) = event else { return None };
    Some(json!({
        "name": event.remove("name")?,
        "time_unix_nano": nanoseconds(&event.remove("time_unix_nano")?)?,
        "attributes": event.remove("attributes").unwrap_or_else(|| json!({})),
    }))
}

/// OpenTelemetry has a message for errors only.
fn status(status: &Value) -> Option<Value> {
    let code = status.get("code")?.as_str()?;
    let code = code.strip_prefix("STATUS_CODE_").unwrap_or(code);
    let message = match code {
        "ERROR" => status.get("message").cloned().unwrap_or_else(|| json!("")),
        "OK" | "UNSET" => json!(""),
        _ => return None,
    };
    Some(json!({ "code": format!("STATUS_CODE_{code}"), "message": message }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn normal(span: Value) -> Option<Value> {
        match span {
            Value::Object(span) => normal_span(span),
            _ => None,
        }
    }

    fn span() -> Value {
        json!({
            "trace_id": "AAAAAAAAAAAAAAAAAAAAEg==", "span_id": "AAAAAAAAABI=", "parent_span_id": null, "name": "a",
            "start_time_unix_nano": 1, "end_time_unix_nano": null, "events": [],
            "status": {"code": "STATUS_CODE_UNSET", "message": ""}, "attributes": {"k": "\"v\""},
        })
    }

    #[test]
    fn the_shape_of_today_stays() {
        assert_eq!(normal(span()), Some(span()));
    }

    #[test]
    fn older_shapes_become_that_of_today() {
        let mut older = span();
        older["trace_id"] = json!("tr-00000000000000000000000000000012");
        older["span_id"] = json!("0x12".trim_start_matches("0x"));
        older["parent_span_id"] = json!("");
        older["start_time_unix_nano"] = json!("1");
        older["status"] = json!({"code": "UNSET", "message": "not kept"});
        older.as_object_mut().unwrap().remove("events");
        assert_eq!(normal(older), Some(span()));
    }

    #[test]
    fn what_is_no_span_is_refused() {
        for field in ["trace_id", "span_id", "name", "start_time_unix_nano", "status", "attributes"] {
            let mut broken = span();
            broken.as_object_mut().unwrap().remove(field);
            assert_eq!(normal(broken), None, "without {field}");
        }
        for (field, value) in [("trace_id", json!("not hex")), ("span_id", json!(5)), ("events", json!("x"))]
        {
            let mut broken = span();
            broken[field] = value;
            assert_eq!(normal(broken), None, "{field}");
        }
    }
}
