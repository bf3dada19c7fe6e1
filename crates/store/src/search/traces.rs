//! Searching traces: which names an order may use, and what names are in the database.
//!
//! Mirrors `SqlAlchemyStore.search_traces`. As elsewhere a condition on another table is an EXISTS, and an order joins at
//! most one row per trace. MLflow has an index for the order that is asked for most, the newest of an experiment first.

use super::filter::Literal;
use super::operator::Operator;
use super::order;
use super::page_token::{self, Start};
use super::sort::{self, Expr, KeyKind, Nulls, SortKey};
use super::trace_filter::{self, Condition, Entity, Subject};
use super::{More, Search, Sql, check_max_results, check_text, end_page, finish, number, python};
use crate::db::{Dialect, Value};
use api::error::invalid;

/// What a search for traces asks for.
#[derive(Debug, Clone)]
pub struct TraceQuery {
    /// The experiments to look in.
    pub experiment_ids: Vec<i64>,
    /// The filter; empty for none.
    pub filter: String,
    /// The order's clauses, the first one first; newest first where there are none.
    pub order_by: Vec<String>,
    /// How many traces at most.
    pub max_results: i64,
    /// The token of the page before; empty for the first page.
    pub page_token: String,
}

/// One key of an order.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct TraceOrder {
    pub entity: Entity,
    pub key: String,
    pub ascending: bool,
}

const ID: &str = "trace_info.request_id";
const TIME: &str = "trace_info.timestamp_ms";
const ORDER_ATTRIBUTES: [&str; 11] = [
    "end_time",
    "end_time_ms",
    "execution_time",
    "execution_time_ms",
    "experiment_id",
    "name",
    "request_id",
    "run_id",
    "status",
    "timestamp",
    "timestamp_ms",
];

/// Compiles a search for traces; its ids are trace ids.
///
/// # Errors
/// `INVALID_PARAMETER_VALUE`, found in the order in which MLflow looks.
pub fn compile(dialect: Dialect, query: &TraceQuery) -> api::Result<Search> {
    check_max_results(query.max_results)?;
    check_text(&query.filter)?;
    let orders = orders(&query.order_by)?;
    let conditions = trace_filter::parse(&query.filter)?;
    let keys = keys(&orders);
    let fingerprint = fingerprint(query);
    let start = Start::read(&query.page_token, &keys, fingerprint)?;

    let mut sql = Sql::new(dialect);
    sql.push("SELECT ");
    sort::write_columns(&mut sql, &keys);
    sql.push(" FROM trace_info");
    for (n, order) in orders.iter().enumerate() {
        let table = match order.entity {
            Entity::Tag => "trace_tags",
            Entity::Metadata => "trace_request_metadata",
            _ => continue,
        };
        sql.push(" LEFT JOIN ").push(table).push(" s").push_number(n);
        sql.push(" ON s").push_number(n).push(".request_id = trace_info.request_id AND s").push_number(n);
        sql.push(".key = ").bind(order.key.as_str());
    }
    sql.push(" WHERE ").is_one_of("trace_info.experiment_id", query.experiment_ids.clone());
    for condition in conditions {
        sql.push(" AND ");
        write_condition(&mut sql, condition)?;
    }
    end_page(&mut sql, &keys, &start);
    Ok(finish(sql, &keys, &start, fingerprint, query.max_results, More::Full))
}

/// Reads one clause of the order.
pub(super) fn order(text: &str) -> api::Result<TraceOrder> {
    check_text(text)?;
    let (name, ascending) = order::name_and_direction(text)?;
    let (entity, key) = trace_filter::identifier(&name, &ORDER_ATTRIBUTES)?;
    let (entity, key) = trace_filter::moved(entity, key);
    match entity {
        Entity::Attribute | Entity::Tag | Entity::Metadata => Ok(TraceOrder { entity, key, ascending }),
        entity => Err(invalid(format!("Invalid identifier type '{}'", entity.name()))),
    }
}

fn orders(order_by: &[String]) -> api::Result<Vec<TraceOrder>> {
    let mut orders: Vec<TraceOrder> = vec![];
    for text in order_by {
        let order = order(text)?;
        if orders.iter().any(|o| (o.entity, &o.key) == (order.entity, &order.key)) {
            // An internal error in MLflow, though the request is at fault.
            return Err(invalid(format!("`order_by` contains duplicate fields: {}", python::list(order_by))));
        }
        orders.push(order);
    }
    Ok(orders)
}

/// The column of an attribute. MLflow knows `end_time` in filters, and falls over it in an order.
fn column(attribute: &str) -> (&'static str, KeyKind, Nulls) {
    match attribute {
        "timestamp_ms" => (TIME, KeyKind::Int, Nulls::Never),
        "execution_time_ms" => ("trace_info.execution_time_ms", KeyKind::Int, Nulls::Last),
        "end_time_ms" => (
            "(trace_info.timestamp_ms + COALESCE(trace_info.execution_time_ms, 0))",
            KeyKind::Int,
            Nulls::Never,
        ),
        "experiment_id" => ("trace_info.experiment_id", KeyKind::Int, Nulls::Never),
        "status" => ("trace_info.status", KeyKind::Text, Nulls::Never),
        "client_request_id" => ("trace_info.client_request_id", KeyKind::Text, Nulls::Last),
        _ => (ID, KeyKind::Text, Nulls::Never),
    }
}

/// The whole order: what was asked for, then newest first, then by id. What comes after an id cannot matter.
fn keys(orders: &[TraceOrder]) -> Vec<SortKey> {
    let mut keys = vec![];
    for (n, order) in orders.iter().enumerate() {
        let (expr, kind, nulls) = match order.entity {
            Entity::Attribute => {
                let (column, kind, nulls) = column(&order.key);
                (Expr::Column(column), kind, nulls)
            }
            _ => (Expr::Joined(n), KeyKind::Text, Nulls::Last),
        };
        keys.push(SortKey { expr, kind, ascending: order.ascending, nulls });
        if expr == Expr::Column(ID) {
            return keys;
        }
    }
    let by_time =
        SortKey { expr: Expr::Column(TIME), kind: KeyKind::Int, ascending: false, nulls: Nulls::Never };
    if !keys.iter().any(|key| key.expr == by_time.expr) {
        keys.push(by_time);
    }
    keys.push(SortKey { expr: Expr::Column(ID), kind: KeyKind::Text, ascending: true, nulls: Nulls::Never });
    keys
}

fn write_condition(sql: &mut Sql, condition: Condition) -> api::Result<()> {
    let Condition { subject, operator, value } = condition;
    match subject {
        Subject::Attribute(key) => {
            let (column, kind, _) = column(&key);
            let value = if kind == KeyKind::Int { attribute_number(&key, value)? } else { text(value) };
            sql.compare(column, operator, value)?;
        }
        Subject::Tag(key) => {
            sql.push(
                "EXISTS (SELECT 1 FROM trace_tags f WHERE f.request_id = trace_info.request_id AND f.key = ",
            );
            sql.bind(key).push(" AND ").compare("f.value", operator, text(value))?.push(")");
        }
        Subject::Metadata(key) => {
            sql.push(
                "EXISTS (SELECT 1 FROM trace_request_metadata f WHERE f.request_id = trace_info.request_id AND f.key = ",
            );
            sql.bind(key).push(" AND ").compare("f.value", operator, text(value))?.push(")");
        }
        Subject::Run => {
            sql.push(
                "(EXISTS (SELECT 1 FROM trace_request_metadata f WHERE f.request_id = trace_info.request_id \
                 AND f.key = 'mlflow.sourceRun' AND ",
            );
            sql.compare("f.value", operator, text(value.clone()))?;
            sql.push(
                ") OR EXISTS (SELECT 1 FROM entity_associations f WHERE f.source_type = 'trace' \
                 AND f.source_id = trace_info.request_id AND f.destination_type = 'run' AND ",
            );
            sql.compare("f.destination_id", operator, text(value))?.push("))");
        }
        Subject::Prompt => {
            sql.push(
                "EXISTS (SELECT 1 FROM entity_associations f WHERE f.source_type = 'trace' \
                 AND f.source_id = trace_info.request_id AND f.destination_type = 'prompt_version' AND ",
            );
            sql.compare("f.destination_id", operator, text(value))?.push(")");
        }
        Subject::Span(key) => {
            let column = match key.as_str() {
                "name" => "f.name",
                "type" => "f.type",
                "status" => "f.status",
                _ => "f.content",
            };
            sql.push("EXISTS (SELECT 1 FROM spans f WHERE f.trace_id = trace_info.request_id AND ");
            sql.compare(column, operator, text(value))?.push(")");
        }
        Subject::SpanAttribute(name) => {
            sql.push("EXISTS (SELECT 1 FROM spans f WHERE f.trace_id = trace_info.request_id AND ");
            sql.compare("f.content", operator, span_attribute(&name, operator, value)?)?.push(")");
        }
        Subject::Feedback(name) => write_assessment(sql, "feedback", name, operator, value)?,
        Subject::Expectation(name) => write_assessment(sql, "expectation", name, operator, value)?,
    }
    Ok(())
}

fn write_assessment(
    sql: &mut Sql,
    kind: &'static str,
    name: String,
    operator: Operator,
    value: Literal,
) -> api::Result<()> {
    sql.push("EXISTS (SELECT 1 FROM assessments f WHERE f.trace_id = trace_info.request_id AND f.assessment_type = ");
    sql.bind(kind).push(" AND f.name = ").bind(name).push(" AND ");
    // Values are kept as JSON, and compared as such.
    sql.compare("f.value", operator, text(value))?.push(")");
    Ok(())
}

/// What a span's attribute looks like in the JSON that MLflow keeps of it: `"name": "\"value\""`.
fn span_attribute(name: &str, operator: Operator, value: Literal) -> api::Result<Value> {
    let Literal::Text(value) = value else {
        return Err(invalid("Lists of values cannot be used with attributes of spans."));
    };
    if operator != Operator::RLike {
        return Ok(Value::Text(format!("%\"{name}\"{value}%")));
    }
    let (before, value) = match value.strip_prefix('^') {
        Some(rest) => ("\"\\\\\"", rest),
        None => ("\"\\\\\".*", value.as_str()),
    };
    let (value, after) = match value.strip_suffix('$') {
        Some(rest) => (rest, "\\\\\""),
        None => (value, ""),
    };
    Ok(Value::Text(format!("\"{name}\": {before}{value}{after}")))
}

/// A number, which may stand in quotes. (MLflow leaves texts that are no numbers to the database.)
fn attribute_number(key: &str, value: Literal) -> api::Result<Value> {
    match value {
        Literal::Number(text) => number(&text),
        Literal::Text(text) => number(text.trim()).map_err(|_| {
            invalid(format!("Expected numeric value type for numeric attribute: {key}. Found '{text}'"))
        }),
        Literal::Texts(texts) => Ok(Value::Texts(texts)),
    }
}

fn text(value: Literal) -> Value {
    match value {
        Literal::Number(text) | Literal::Text(text) => Value::Text(text),
        Literal::Texts(texts) => Value::Texts(texts),
    }
}

fn fingerprint(query: &TraceQuery) -> u64 {
    let ids: Vec<String> = query.experiment_ids.iter().map(i64::to_string).collect();
    let order = query.order_by.iter().map(String::as_str);
    let parts = ["traces", &query.filter].into_iter().chain(order).chain(["in"]);
    page_token::fingerprint(parts.chain(ids.iter().map(String::as_str)))
}
