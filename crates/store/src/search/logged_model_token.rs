//! The page tokens of logged models: our own, and MLflow's, which repeat the whole query.
//!
//! Mirrors `SearchLoggedModelsPaginationToken`.

use super::logged_models::{LoggedModelQuery, OrderBy};
use super::page_token::{self, Start};
use super::python;
use super::sort::SortKey;
use api::error::invalid;
use serde_json::{Value as Json, json};

/// Where the page starts.
pub(super) fn read(query: &LoggedModelQuery, keys: &[SortKey], fingerprint: u64) -> api::Result<Start> {
    let token = query.page_token;
    if token.is_empty() {
        return Ok(Start::Beginning);
    }
    let malformed = |why: &str| invalid(format!("Invalid page token: {token}. {why}"));
    let bytes = page_token::python_base64(token).ok_or_else(|| malformed("It is not base64."))?;
    let parsed: Json =
        serde_json::from_slice(&bytes).map_err(|_| malformed("Expecting value: line 1 column 1 (char 0)"))?;
    let kinds: Vec<_> = keys.iter().map(|key| key.kind).collect();
    if let Some(start) = page_token::keyset(&parsed, &kinds, fingerprint) {
        return start;
    }
    if !parsed.is_object() {
        return Err(malformed("It is not an object."));
    }
    let ids: Vec<String> = query.experiment_ids.iter().map(i64::to_string).collect();
    let filter = if query.filter.is_empty() { Json::Null } else { json!(query.filter) };
    let order =
        if query.order_by.is_empty() { Json::Null } else { query.order_by.iter().map(order).collect() };
    agree("Experiment IDs", "experiment IDs", &json!(ids), &parsed["experiment_ids"])?;
    agree("Filter string", "filter string", &filter, or_null(&parsed["filter_string"]))?;
    agree("Order by", "order by", &order, or_null(&parsed["order_by"]))?;
    match parsed.get("offset").unwrap_or(&Json::Null) {
        Json::Null => Ok(Start::Beginning),
        offset => match offset.as_i64() {
            Some(offset @ 0..) => Ok(Start::Offset(offset)),
            _ => Err(malformed("Its offset is not a number of rows.")),
        },
    }
}

/// Checks one part of the query that MLflow's token repeats.
fn agree(name: &str, requested: &str, expected: &Json, found: &Json) -> api::Result<()> {
    if expected == found {
        return Ok(());
    }
    let (expected, found) = (shown(expected), shown(found));
    Err(invalid(format!(
        "{name} in the page token do{es} not match the requested {requested}. Expected: {expected}. Found: {found}",
        es = if name.ends_with('s') { "" } else { "es" },
    )))
}

/// Empty texts and lists count as none, as in Python's `or`.
fn or_null(value: &Json) -> &Json {
    match value {
        Json::String(s) if s.is_empty() => &Json::Null,
        Json::Array(items) if items.is_empty() => &Json::Null,
        value => value,
    }
}

/// As in a Python f-string: a text alone stands without quotes.
fn shown(value: &Json) -> String {
    value.as_str().map_or_else(|| python::json(value), str::to_owned)
}

fn order(order: &OrderBy) -> Json {
    json!({
        "field_name": order.field_name,
        "ascending": order.ascending,
        "dataset_name": order.dataset_name,
        "dataset_digest": order.dataset_digest,
    })
}

#[cfg(test)]
mod tests {
    use super::super::logged_models::compile;
    use super::*;
    use crate::db::{Dialect, Value};
    use base64::Engine;
    use base64::engine::general_purpose::STANDARD as BASE64;

    const BY_LOSS: OrderBy =
        OrderBy { field_name: "metrics.loss", ascending: false, dataset_name: None, dataset_digest: None };

    fn search(token: &Json, filter: &str) -> api::Result<Vec<Value>> {
        let page_token = &BASE64.encode(token.to_string());
        let query = LoggedModelQuery {
            experiment_ids: &[7],
            filter,
            datasets: &[],
            order_by: &[BY_LOSS],
            max_results: 10,
            page_token,
        };
        compile(Dialect::Sqlite, &query).map(|search| search.sql.args)
    }

    #[test]
    fn mlflows_token_is_accepted_for_its_own_query() {
        let order = json!([{"field_name": "metrics.loss", "ascending": false, "dataset_name": null, "dataset_digest": null}]);
        let token = json!({"experiment_ids": ["7"], "filter_string": null, "order_by": order, "offset": 20});
        assert_eq!(search(&token, "").unwrap().last(), Some(&Value::Int(20)));
        assert_eq!(
            search(&token, "name = 'a'").unwrap_err().message,
            "Filter string in the page token does not match the requested filter string. Expected: name = 'a'. Found: None"
        );
        let other = json!({"experiment_ids": ["8"]});
        assert_eq!(
            search(&other, "").unwrap_err().message,
            "Experiment IDs in the page token do not match the requested experiment IDs. Expected: ['7']. Found: ['8']"
        );
        assert!(search(&json!([]), "").unwrap_err().message.ends_with("It is not an object."));
    }
}
