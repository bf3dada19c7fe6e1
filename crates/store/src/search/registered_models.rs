//! Searching registered models: which names a filter and an order may use, and what they are in the database.
//!
//! Mirrors `SqlAlchemyStore.search_registered_models` of MLflow's registry.

use super::filter::{Clause, Entity};
use super::operator::Operator;
use super::order;
use super::page_token::{self, Start};
use super::registry_filter::{self, Attributes, Tags, asks_for_prompts, text_operator, write_tags};
use super::sort::{self, Expr, KeyKind, Nulls, SortKey};
use super::{More, Search, Sql, check_text, end_page, finish, python};
use crate::db::Dialect;
use api::error::invalid;

/// What `registered-models/search` asks for.
#[derive(Debug, Clone)]
pub struct RegisteredModelQuery {
    /// The filter; empty for none.
    pub filter: String,
    /// The order's clauses, the first one first; by name where there are none.
    pub order_by: Vec<String>,
    /// How many models at most.
    pub max_results: i64,
    /// The token of the page before; empty for the first page.
    pub page_token: String,
}

const MAX_RESULTS: i64 = 1000;
const NAME: &str = "registered_models.name";
const CHANGED: &str = "registered_models.last_updated_time";
const ATTRIBUTES: Attributes = Attributes { names: &["name"], numeric: &[] };
const TAGS: Tags = Tags {
    exists: "EXISTS (SELECT 1 FROM registered_model_tags f WHERE f.name = registered_models.name AND f.key = ",
    no_prompt: "NOT EXISTS (SELECT 1 FROM registered_model_tags p WHERE p.name = registered_models.name \
                AND p.key = 'mlflow.prompt.is_prompt' AND p.value = 'true')",
};

/// Compiles a search for registered models; its ids are their names.
///
/// # Errors
/// `INVALID_PARAMETER_VALUE`, found in the order in which MLflow looks.
pub fn compile(dialect: Dialect, query: &RegisteredModelQuery) -> api::Result<Search> {
    registry_filter::check_max_results(query.max_results, MAX_RESULTS)?;
    check_text(&query.filter)?;
    let clauses = clauses(&query.filter)?;
    let keys = keys(dialect, &query.order_by)?;
    let fingerprint = fingerprint(query);
    let start = Start::read(&query.page_token, &keys, fingerprint)?;

    let mut sql = Sql::new(dialect);
    sql.push("SELECT ");
    sort::write_columns(&mut sql, &keys);
    sql.push(" FROM registered_models WHERE TRUE");
    for (clause, operator) in clauses.iter().filter(|(clause, _)| clause.entity == Entity::Attribute) {
        sql.push(" AND ");
        sql.compare(NAME, *operator, registry_filter::text(clause))?;
    }
    let prompts = asks_for_prompts(clauses.iter().map(|(clause, _)| clause));
    write_tags(&mut sql, &TAGS, &clauses, prompts)?;
    end_page(&mut sql, &keys, &start);
    Ok(finish(sql, &keys, &start, fingerprint, query.max_results, More::Further))
}

/// Reads a filter, and checks its comparators.
pub(super) fn clauses(filter: &str) -> api::Result<Vec<(Clause, Operator)>> {
    let clauses = registry_filter::parse(&ATTRIBUTES, filter)?;
    clauses.into_iter().map(|clause| text_operator(&clause).map(|operator| (clause, operator))).collect()
}

/// Reads one clause of the order: a column, and whether it ascends.
pub(super) fn order(text: &str) -> api::Result<(&'static str, bool)> {
    let (name, ascending) = order::name_and_direction(text)?;
    let column = match name.as_str() {
        "name" => NAME,
        "timestamp" | "last_updated_timestamp" => CHANGED,
        _ => {
            let known = python::set(&["name", "timestamp"]);
            return Err(invalid(format!(
                "Invalid order by key '{name}' specified. Valid keys are '{known}'"
            )));
        }
    };
    Ok((column, ascending))
}

/// The whole order, ending in the name. MLflow leaves NULLs where the engine puts them.
fn keys(dialect: Dialect, order_by: &[String]) -> api::Result<Vec<SortKey>> {
    let mut keys: Vec<SortKey> = vec![];
    let clauses = order_by.iter().map(|text| order(text));
    for clause in clauses.chain([Ok((NAME, true))]) {
        let (column, ascending) = clause?;
        let expr = Expr::Column(column);
        let is_last = keys.len() == order_by.len();
        match keys.iter().any(|key| key.expr == expr) {
            true if is_last => break,
            // An internal error in MLflow, though the request is at fault.
            true => {
                return Err(invalid(format!(
                    "`order_by` contains duplicate fields: {}",
                    python::list(order_by)
                )));
            }
            false => {}
        }
        let (kind, nulls) = match column {
            NAME => (KeyKind::Text, Nulls::Never),
            _ if dialect.nulls_first(ascending) => (KeyKind::Int, Nulls::First),
            _ => (KeyKind::Int, Nulls::Last),
        };
        keys.push(SortKey { expr, kind, ascending, nulls });
    }
    // What comes after the name cannot matter, and the name has to be the last key.
    let name = keys.iter().position(|key| key.expr == Expr::Column(NAME));
    keys.truncate(name.map_or(keys.len(), |name| name + 1));
    Ok(keys)
}

fn fingerprint(query: &RegisteredModelQuery) -> u64 {
    let order = query.order_by.iter().map(String::as_str);
    page_token::fingerprint(["registered models", &query.filter].into_iter().chain(order))
}
