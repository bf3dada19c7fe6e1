//! Page tokens: the sort keys of the last row of a page, or MLflow's own offsets.
//!
//! A token is base64 of JSON, as MLflow's is: `{"k": [1700000000000, "a1b2.."], "q": "5f.."}`. `q` stands for the query, so
//! that a token is refused where it does not belong. MLflow's `{"offset": 100}` is accepted as well: a client may have got
//! it before the server was replaced, and some make their own.

use super::python;
use super::sort::{KeyKind, SortKey};
use crate::db::Value;
use api::error::invalid;
use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::{Value as Json, json};

/// Where a page starts.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Start {
    Beginning,
    After(Vec<Value>),
    Offset(i64),
}

impl Start {
    /// Reads the token of a request; an empty one stands for the first page.
    ///
    /// Mirrors `SearchUtils.parse_start_offset_from_page_token` in its messages; what MLflow answers with an internal error
    /// (JSON that is not an object, offsets that are no numbers) is INVALID_PARAMETER_VALUE here.
    pub(super) fn read(token: &str, keys: &[SortKey], fingerprint: u64) -> api::Result<Self> {
        let kinds: Vec<KeyKind> = keys.iter().map(|key| key.kind).collect();
        Self::read_kinds(token, &kinds, fingerprint)
    }

    /// The same for keys whose columns the caller knows.
    pub fn read_kinds(token: &str, kinds: &[KeyKind], fingerprint: u64) -> api::Result<Self> {
        if token.is_empty() { Ok(Self::Beginning) } else { decode(token, kinds, fingerprint) }
    }
}

/// The token for the page after the row with these sort keys.
pub(crate) fn encode(fingerprint: u64, keys: &[Value]) -> String {
    // JSON readers may round the last digit of a double, so doubles travel as text.
    let keys: Vec<Json> = keys
        .iter()
        .map(|key| match key {
            Value::Int(n) => json!(n),
            Value::Float(x) => json!(x.to_string()),
            Value::Text(s) => json!(s),
            _ => Json::Null,
        })
        .collect();
    BASE64.encode(json!({"k": keys, "q": format!("{fingerprint:x}")}).to_string())
}

/// Where a token of our own leads; `None` when it is not one.
pub(super) fn keyset(parsed: &Json, kinds: &[KeyKind], fingerprint: u64) -> Option<api::Result<Start>> {
    let keys = parsed.get("k")?.as_array()?;
    let query = u64::from_str_radix(parsed.get("q")?.as_str()?, 16).ok()?;
    if query != fingerprint || keys.len() != kinds.len() {
        return Some(Err(invalid(
            "Invalid page token, it belongs to a search with another filter, order or set of experiments",
        )));
    }
    let values: Option<Vec<Value>> = keys.iter().zip(kinds).map(|(key, kind)| value(key, *kind)).collect();
    // The last key is the row's id, which is never NULL.
    let complete = values.filter(|values| values.last().is_some_and(|id| *id != Value::Null));
    let malformed = || invalid(format!("Invalid page token, parsed value={}", python::json(parsed)));
    Some(complete.map(Start::After).ok_or_else(malformed))
}

/// A stable hash of what a search asks for (64-bit FNV-1a; the lengths keep the parts apart).
pub(crate) fn fingerprint<'a>(parts: impl IntoIterator<Item = &'a str>) -> u64 {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    let mut feed = |byte: u8| hash = (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3);
    for part in parts {
        (part.len() as u64).to_le_bytes().into_iter().chain(part.bytes()).for_each(&mut feed);
    }
    hash
}

/// Decodes as Python does: characters outside the alphabet are skipped, what follows the padding is ignored.
pub(super) fn python_base64(token: &str) -> Option<Vec<u8>> {
    let (mut quads, mut bits, mut pads) = (0_usize, 0_u32, 0_usize);
    let mut out = vec![];
    for c in token.bytes() {
        let digit = match c {
            b'A'..=b'Z' => c - b'A',
            b'a'..=b'z' => c - b'a' + 26,
            b'0'..=b'9' => c - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            b'=' => {
                pads += 1;
                if quads >= 2 && quads + pads >= 4 {
                    return Some(out);
                }
                continue;
            }
            0x80.. => return None,
            _ => continue,
        };
        pads = 0;
        bits = bits << 6 | u32::from(digit);
        quads = (quads + 1) % 4;
        if quads != 1 {
            let shift = [0, 0, 4, 2][quads];
            out.push((bits >> shift & 0xff) as u8);
        }
    }
    (quads == 0).then_some(out)
}

fn decode(token: &str, kinds: &[KeyKind], fingerprint: u64) -> api::Result<Start> {
    let bytes = python_base64(token).ok_or_else(|| invalid("Invalid page token, could not base64-decode"))?;
    let parsed: Json = serde_json::from_slice(&bytes)
        .map_err(|_| invalid(format!("Invalid page token, decoded value={}", python::repr_bytes(&bytes))))?;
    if let Some(start) = keyset(&parsed, kinds, fingerprint) {
        return start;
    }
    offset(&parsed)
}

fn offset(parsed: &Json) -> api::Result<Start> {
    let malformed = || invalid(format!("Invalid page token, parsed value={}", python::json(parsed)));
    let offset = match parsed.get("offset") {
        Some(Json::Number(n)) => n.as_i64().or_else(|| n.as_f64().map(|x| x as i64)),
        Some(Json::String(s)) if !s.is_empty() => {
            Some(s.trim().parse().map_err(|_| invalid(format!("Invalid page token, not stringable {s}")))?)
        }
        _ => None,
    };
    offset.filter(|n| *n > 0).map(Start::Offset).ok_or_else(malformed)
}

fn value(key: &Json, kind: KeyKind) -> Option<Value> {
    Some(match (key, kind) {
        (Json::Null, _) => Value::Null,
        (_, KeyKind::Int) => Value::Int(key.as_i64()?),
        (_, KeyKind::Float) => Value::Float(key.as_str()?.parse().ok()?),
        // No row has a NUL, and PostgreSQL takes none.
        (_, KeyKind::Text) => Value::Text(key.as_str().filter(|text| !text.contains('\0'))?.to_owned()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const KINDS: [KeyKind; 3] = [KeyKind::Int, KeyKind::Float, KeyKind::Text];

    fn message(token: &str) -> String {
        decode(&BASE64.encode(token), &KINDS, 7).unwrap_err().message
    }

    #[test]
    fn a_token_brings_back_its_keys() {
        let keys = vec![Value::Null, Value::Float(0.1 + 0.2), Value::Text("é'\"".into())];
        assert_eq!(decode(&encode(7, &keys), &KINDS, 7).unwrap(), Start::After(keys));
    }

    #[test]
    fn a_token_of_another_search_is_refused() {
        let token = encode(7, &[Value::Int(1), Value::Float(1.0), Value::Text("a".into())]);
        assert!(
            decode(&token, &KINDS, 8)
                .unwrap_err()
                .message
                .contains("belongs to a search with another filter")
        );
        assert!(decode(&token, &KINDS[..2], 7).is_err());
        assert_ne!(fingerprint(["ab", "c"]), fingerprint(["a", "bc"]));
    }

    #[test]
    fn offsets_are_accepted_as_mlflow_writes_them() {
        let offset = |n| Ok(Start::Offset(n));
        assert_eq!(decode(&BASE64.encode(r#"{"offset": 5}"#), &KINDS, 7), offset(5));
        assert_eq!(decode(&BASE64.encode(r#"{"offset": " 12 "}"#), &KINDS, 7), offset(12));
    }

    #[test]
    fn malformed_tokens_are_refused_in_mlflows_words() {
        assert_eq!(
            decode("abc", &KINDS, 7).unwrap_err().message,
            "Invalid page token, could not base64-decode"
        );
        assert_eq!(decode("!!!", &KINDS, 7).unwrap_err().message, "Invalid page token, decoded value=b''");
        assert_eq!(message("hello'"), "Invalid page token, decoded value=b\"hello'\"");
        assert_eq!(message("{\"offset\": 0}"), "Invalid page token, parsed value={'offset': 0}");
        assert_eq!(message("{\"offset\": \"x\"}"), "Invalid page token, not stringable x");
        let with_nul = r#"{"k": [1, "1", "\u0000"], "q": "7"}"#;
        assert!(message(with_nul).starts_with("Invalid page token, parsed value={'k': [1, '1', '\\x00']"));
        assert_eq!(message("[1, null]"), "Invalid page token, parsed value=[1, None]");
    }
}
