//! How MLflow read several hundred filters and orders, against how they are read here.
//!
//! `conformance/record_search.py` records the goldens.

use super::filter::{self, Clause, Entity, Grammar, Literal};
use super::{operator, order, runs};
use api::ErrorCode;
use serde_json::{Value as Json, json};

#[test]
fn run_filters_are_read_as_mlflow_reads_them() {
    let read = |text: &str| {
        let clauses = filter::parse(&runs::GRAMMAR, text)?;
        for clause in &clauses {
            operator::check(&runs::GRAMMAR, clause, &clause.comparator.to_uppercase())?;
        }
        Ok(clauses.iter().map(shown).collect())
    };
    compare(include_str!("testdata/runs.json"), "filters", read);
}

#[test]
fn run_orders_are_read_as_mlflow_reads_them() {
    compare(include_str!("testdata/runs.json"), "orders", |text| {
        read_order(&runs::GRAMMAR, text, &[Entity::Dataset])
    });
}

/// Checks every case: what MLflow understands, the message it answers, or, where it fails, that the request is refused.
fn compare(file: &str, kind: &str, read: impl Fn(&str) -> api::Result<Json>) {
    let goldens: Json = serde_json::from_str(file).unwrap();
    let cases = goldens[kind].as_array().unwrap();
    assert!(cases.len() > 100, "the corpus is there");
    let mut wrong = vec![];
    for case in cases {
        let text = case["text"].as_str().unwrap();
        let ours = read(text);
        if let Err(e) = &ours {
            assert_eq!(e.code, ErrorCode::InvalidParameterValue, "{text}");
        }
        let ok = match (&ours, case.get("is"), case.get("error")) {
            (Ok(ours), Some(theirs), _) => ours == theirs,
            (Err(ours), _, Some(theirs)) => *theirs == ours.message.as_str(),
            (Err(_), None, None) => true,
            _ => false,
        };
        if !ok {
            wrong.push(format!("{case}\n    {}", ours.map_or_else(|e| e.message, |v| v.to_string())));
        }
    }
    assert!(wrong.is_empty(), "{} of {} differ:\n{}", wrong.len(), cases.len(), wrong.join("\n"));
}

fn shown(clause: &Clause) -> Json {
    let value = match &clause.value {
        Literal::Number(text) | Literal::Text(text) => json!(text),
        // MLflow drops what is not in lower case, see `filter::texts`.
        Literal::Texts(texts) => json!(texts.iter().filter(|t| is_lower(t)).collect::<Vec<_>>()),
    };
    json!([clause.entity.name(), clause.key, clause.comparator, value])
}

fn is_lower(text: &str) -> bool {
    text.contains(char::is_lowercase) && !text.contains(char::is_uppercase)
}

fn read_order(grammar: &Grammar, text: &str, refused: &[Entity]) -> api::Result<Json> {
    let order = order::parse(grammar, text)?;
    if refused.contains(&order.entity) {
        return Err(api::error::invalid(format!("Invalid identifier type '{}'", order.entity.name())));
    }
    Ok(json!([order.entity.name(), order.key, order.ascending]))
}
