//! Page tokens: base64 of a small JSON object. MLflow's own hold `{"offset": n}`; ours say after which row a page starts.

use api::error::invalid;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

/// A token of this content.
pub fn encode(content: &Value) -> String {
    STANDARD.encode(content.to_string())
}

/// The content of a token.
///
/// # Errors
/// `INVALID_PARAMETER_VALUE`, in MLflow's words, for what is no token.
pub fn decode(token: &str) -> api::Result<Value> {
    let Ok(text) = STANDARD.decode(token) else {
        return Err(invalid("Invalid page token, could not base64-decode"));
    };
    match serde_json::from_slice(&text) {
        Ok(content) => Ok(content),
        Err(_) => {
            Err(invalid(format!("Invalid page token, decoded value={}", String::from_utf8_lossy(&text))))
        }
    }
}

/// The offset in one of MLflow's tokens.
///
/// # Errors
/// `INVALID_PARAMETER_VALUE`, in MLflow's words, where there is none or it is negative.
pub fn offset(content: &Value) -> api::Result<i64> {
    match content.get("offset").map(Value::as_i64) {
        Some(Some(offset)) if offset >= 0 => Ok(offset),
        Some(_) => Err(invalid(format!("Invalid page token, invalid offset: {}", content["offset"]))),
        None => Err(invalid(format!("Invalid page token, parsed value={content}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn tokens_round_trip_and_rubbish_is_refused() {
        assert_eq!(decode(&encode(&json!({"offset": 3}))).unwrap(), json!({"offset": 3}));
        assert_eq!(decode("no token").unwrap_err().message, "Invalid page token, could not base64-decode");
        assert!(decode(&STANDARD.encode("{bad")).is_err());
        for content in [json!({}), json!({"offset": -1}), json!({"offset": "x"}), json!(3)] {
            assert!(offset(&content).is_err(), "{content}");
        }
    }
}
