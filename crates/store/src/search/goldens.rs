//! How MLflow read several hundred filters and orders, against how they are read here.
//!
//! `conformance/record_search.py` records the goldens. One difference is wanted and allowed for: lists keep their items with
//! capitals. Where MLflow fails, any refusal will do.

use super::filter::{self, Clause, Literal};
use super::logged_model_filter::{self, Comparison, Operand};
use super::operator::Operator;
use super::order::OrderBy;
use super::trace_filter::{self, Clause as TraceClause};
use super::{experiments, model_versions, registered_models, runs, traces};
use api::ErrorCode;
use api::error::invalid;
use serde_json::{Value as Json, json};

#[test]
fn run_filters_are_read_as_mlflow_reads_them() {
    let read = |text: &str| {
        let clauses = filter::parse(&runs::GRAMMAR, text)?;
        clauses.iter().try_for_each(|clause| runs::operator(clause).map(drop))?;
        Ok(clauses.iter().map(shown).collect())
    };
    compare(include_str!("testdata/runs.json"), "filters", read);
}

#[test]
fn run_orders_are_read_as_mlflow_reads_them() {
    compare(include_str!("testdata/runs.json"), "orders", |text| runs::order(text).map(shown_order));
}

#[test]
fn experiment_filters_are_read_as_mlflow_reads_them() {
    let read = |text: &str| {
        let clauses = filter::parse(&experiments::GRAMMAR, text)?;
        clauses.iter().try_for_each(|clause| experiments::operator(clause).map(drop))?;
        Ok(clauses.iter().map(shown).collect())
    };
    compare(include_str!("testdata/experiments.json"), "filters", read);
}

#[test]
fn experiment_orders_are_read_as_mlflow_reads_them() {
    compare(include_str!("testdata/experiments.json"), "orders", |text| {
        experiments::order(text).map(shown_order)
    });
}

#[test]
fn logged_model_filters_are_read_as_mlflow_reads_them() {
    let read = |text: &str| Ok(logged_model_filter::parse(text)?.iter().map(shown_comparison).collect());
    compare(include_str!("testdata/logged_models.json"), "filters", read);
}

#[test]
fn registered_model_filters_are_read_as_mlflow_reads_them() {
    let file = include_str!("testdata/registered_models.json");
    compare(file, "filters", |text| {
        Ok(registered_models::clauses(text)?.iter().map(|(clause, _)| shown(clause)).collect())
    });
    compare(file, "orders", |text| registered_models::order(text).map(|(column, asc)| json!([column, asc])));
}

#[test]
fn model_version_filters_are_read_as_mlflow_reads_them() {
    let file = include_str!("testdata/model_versions.json");
    compare(file, "filters", |text| {
        Ok(model_versions::clauses(text)?.iter().map(|(clause, _)| shown_number(clause)).collect())
    });
    compare(file, "orders", |text| model_versions::order(text).map(|(column, asc)| json!([column, asc])));
}

#[test]
fn trace_filters_are_read_as_mlflow_reads_them() {
    let file = include_str!("testdata/traces.json");
    compare(file, "filters", |text| {
        let clauses = trace_filter::clauses(text)?;
        let shown = clauses.iter().map(shown_trace_clause).collect();
        for clause in clauses {
            let condition = trace_filter::condition(clause)?;
            // Refused where the statement is written, as by the database.
            let is_list = matches!(condition.value, Literal::Texts(_));
            if is_list != matches!(condition.operator, Operator::In | Operator::NotIn) {
                return Err(invalid(""));
            }
        }
        Ok(shown)
    });
    compare(file, "orders", |text| match traces::order(text)? {
        // MLflow fails.
        order if order.key == "end_time_ms" => Err(invalid("")),
        order => Ok(json!([order.entity.name(), order.key, order.ascending])),
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

/// The same for what keeps numbers as numbers.
fn shown_number(clause: &Clause) -> Json {
    let mut shown = shown(clause);
    if let Literal::Number(text) = &clause.value {
        shown[3] = text.parse().unwrap();
    }
    shown
}

fn shown_trace_clause(clause: &TraceClause) -> Json {
    let value = match &clause.value {
        Literal::Number(text) => {
            text.parse::<i64>().map_or_else(|_| json!(text.parse::<f64>().unwrap()), Json::from)
        }
        Literal::Text(text) => json!(text),
        Literal::Texts(texts) => json!(texts),
    };
    json!([clause.entity.name(), clause.key, clause.comparator, value])
}

fn is_lower(text: &str) -> bool {
    text.contains(char::is_lowercase) && !text.contains(char::is_uppercase)
}

fn shown_order(order: OrderBy) -> Json {
    json!([order.entity.name(), order.key, order.ascending])
}

fn shown_comparison(comparison: &Comparison) -> Json {
    const NAMES: [&str; 10] = ["=", "!=", "<", "<=", ">", ">=", "LIKE", "ILIKE", "IN", "NOT IN"];
    let operator = NAMES.iter().find(|name| Operator::from_name(name) == Some(comparison.operator));
    let value = match &comparison.value {
        Operand::Number(x) if x.is_finite() => json!(x),
        Operand::Number(x) => json!(x.to_string().to_lowercase()),
        Operand::Text(text) => json!(text),
        Operand::Texts(texts) => json!(texts),
    };
    json!([comparison.entity.prefix(), comparison.key, operator, value])
}
