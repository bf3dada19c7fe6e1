//! Searching model versions: which names a filter and an order may use, and what they are in the database.
//!
//! Mirrors `SqlAlchemyStore.search_model_versions` of MLflow's registry.

use super::experiments;
use super::filter::{Clause, Entity, Grammar, Literal};
use super::operator::Operator;
use super::order;
use super::page_token::{self, Start};
use super::registry_filter::{self, Attributes, Tags, asks_for_prompts, text_operator, write_tags};
use super::sort::{self, Expr, KeyKind, Nulls, SortKey};
use super::{More, Page, Search, Sql, check_text, end_page, finish, number, python};
use crate::db::{Dialect, Row, Value};
use crate::error::Result;
use api::error::invalid;

/// What `model-versions/search` asks for.
#[derive(Debug, Clone)]
pub struct ModelVersionQuery {
    /// The filter; empty for none.
    pub filter: String,
    /// The order's clauses, the first one first; what changed last where there are none.
    pub order_by: Vec<String>,
    /// How many versions at most.
    pub max_results: i64,
    /// The token of the page before; empty for the first page.
    pub page_token: String,
}

/// A compiled search. Among the sort keys are always the two that name a version.
#[derive(Debug)]
pub struct VersionSearch {
    search: Search,
    name_at: usize,
    version_at: usize,
}

impl VersionSearch {
    #[cfg(test)]
    pub(super) fn into_search(self) -> Search {
        self.search
    }

    /// The statement to run.
    pub fn sql(&self) -> &Sql {
        &self.search.sql
    }

    /// Reads a row of the answer.
    ///
    /// # Errors
    /// When the database answers with other columns.
    pub fn row(&self, row: &Row) -> Result<Vec<Value>> {
        self.search.row(row)
    }

    /// The page: names of models and numbers of versions.
    pub fn page(&self, rows: Vec<Vec<Value>>) -> Page<(String, i64)> {
        self.search.page(rows, |keys| match (keys.get(self.name_at), keys.get(self.version_at)) {
            (Some(Value::Text(name)), Some(Value::Int(version))) => Some((name.clone(), *version)),
            _ => None,
        })
    }
}

const MAX_RESULTS: i64 = 200_000;
const NAME: &str = "model_versions.name";
const VERSION: &str = "model_versions.version";
const ATTRIBUTES: Attributes = Attributes {
    names: &["name", "run_id", "source_path", "version_number"],
    numeric: &["creation_timestamp", "last_updated_timestamp", "version_number"],
};
const ORDER_ATTRIBUTES: &[&str] = &["creation_timestamp", "last_updated_timestamp", "name", "version_number"];
/// Orders name their keys as those of experiments do.
const ORDERS: Grammar = Grammar { order_attributes: ORDER_ATTRIBUTES, ..experiments::GRAMMAR };
const TAGS: Tags = Tags {
    exists: "EXISTS (SELECT 1 FROM model_version_tags f WHERE f.name = model_versions.name \
             AND f.version = model_versions.version AND f.key = ",
    // One version with the tag makes all versions of its model a prompt's.
    no_prompt: "NOT EXISTS (SELECT 1 FROM model_version_tags p WHERE p.name = model_versions.name \
                AND p.key = 'mlflow.prompt.is_prompt' AND p.value = 'true')",
};

/// Compiles a search for model versions.
///
/// # Errors
/// `INVALID_PARAMETER_VALUE`, found in the order in which MLflow looks.
pub fn compile(dialect: Dialect, query: &ModelVersionQuery) -> api::Result<VersionSearch> {
    registry_filter::check_max_results(query.max_results, MAX_RESULTS)?;
    check_text(&query.filter)?;
    let clauses = clauses(&query.filter)?;
    let keys = keys(dialect, &query.order_by)?;
    let fingerprint = fingerprint(query);
    let start = Start::read(&query.page_token, &keys, fingerprint)?;

    let mut sql = Sql::new(dialect);
    sql.push("SELECT ");
    sort::write_columns(&mut sql, &keys);
    sql.push(" FROM model_versions WHERE model_versions.current_stage <> 'Deleted_Internal'");
    for (clause, operator) in clauses.iter().filter(|(clause, _)| clause.entity == Entity::Attribute) {
        sql.push(" AND ");
        match clause.key.as_str() {
            "version_number" => sql.compare(VERSION, *operator, version_number(clause)?)?,
            "run_id" => sql.compare("model_versions.run_id", *operator, registry_filter::text(clause))?,
            "source_path" => {
                sql.compare("model_versions.source", *operator, registry_filter::text(clause))?
            }
            _ => sql.compare(NAME, *operator, registry_filter::text(clause))?,
        };
    }
    let prompts = asks_for_prompts(clauses.iter().map(|(clause, _)| clause));
    write_tags(&mut sql, &TAGS, &clauses, prompts)?;
    end_page(&mut sql, &keys, &start);
    let at = |column| keys.iter().position(|key| key.expr == Expr::Column(column)).unwrap_or(usize::MAX);
    let (name_at, version_at) = (at(NAME), at(VERSION));
    let search = finish(sql, &keys, &start, fingerprint, query.max_results, More::Further);
    Ok(VersionSearch { search, name_at, version_at })
}

/// Reads a filter, and checks its comparators.
pub(super) fn clauses(filter: &str) -> api::Result<Vec<(Clause, Operator)>> {
    let clauses = registry_filter::parse(&ATTRIBUTES, filter)?;
    clauses.into_iter().map(|clause| operator(&clause).map(|operator| (clause, operator))).collect()
}

fn operator(clause: &Clause) -> api::Result<Operator> {
    if clause.entity == Entity::Attribute && ATTRIBUTES.numeric.contains(&clause.key.as_str()) {
        let numeric = |op: &Operator| op.compares(0.0, 0.0).is_some();
        return Operator::from_name(&clause.comparator).filter(numeric).ok_or_else(|| {
            invalid(format!("Invalid comparator for attribute {}: {}", clause.key, clause.comparator))
        });
    }
    match clause.comparator.as_str() {
        "IN" if clause.entity == Entity::Attribute && clause.key == "run_id" => Ok(Operator::In),
        _ => text_operator(clause),
    }
}

/// A number, which may stand in quotes. (MLflow leaves texts that are no numbers to the database.)
fn version_number(clause: &Clause) -> api::Result<Value> {
    match &clause.value {
        Literal::Number(text) => number(text),
        Literal::Text(text) => number(text.trim()).map_err(|_| {
            invalid(format!(
                "Expected numeric value type for numeric attribute: {}. Found '{text}'",
                clause.key
            ))
        }),
        Literal::Texts(texts) => Ok(Value::Texts(texts.clone())),
    }
}

/// Reads one clause of the order: a column, and whether it ascends. MLflow looks at the name alone, so that `tags.name` is
/// `name`.
pub(super) fn order(text: &str) -> api::Result<(&'static str, bool)> {
    let order = order::parse(&ORDERS, text)?;
    let column = match order.key.as_str() {
        "name" => NAME,
        "version_number" => VERSION,
        "creation_timestamp" => "model_versions.creation_time",
        "last_updated_timestamp" => "model_versions.last_updated_time",
        key => {
            let known = python::set(ORDER_ATTRIBUTES);
            return Err(invalid(format!("Invalid order by key '{key}' specified. Valid keys are {known}")));
        }
    };
    Ok((column, order.ascending))
}

/// The whole order, with the name and the version in it. MLflow leaves NULLs where the engine puts them.
fn keys(dialect: Dialect, order_by: &[String]) -> api::Result<Vec<SortKey>> {
    let mut keys: Vec<SortKey> = vec![];
    let mut add = |(column, ascending): (&'static str, bool)| {
        let expr = Expr::Column(column);
        let is_new = keys.iter().all(|key| key.expr != expr);
        if is_new {
            let (kind, nulls) = match column {
                NAME => (KeyKind::Text, Nulls::Never),
                VERSION => (KeyKind::Int, Nulls::Never),
                _ if dialect.nulls_first(ascending) => (KeyKind::Int, Nulls::First),
                _ => (KeyKind::Int, Nulls::Last),
            };
            keys.push(SortKey { expr, kind, ascending, nulls });
        }
        is_new
    };
    for text in order_by {
        if !add(order(text)?) {
            // An internal error in MLflow, though the request is at fault.
            return Err(invalid(format!("`order_by` contains duplicate fields: {}", python::list(order_by))));
        }
    }
    if order_by.is_empty() {
        add(("model_versions.last_updated_time", false));
    }
    add((NAME, true));
    add((VERSION, false));
    // What comes after both cannot matter, and the last key must not be NULL.
    let last = keys.iter().rposition(|key| [Expr::Column(NAME), Expr::Column(VERSION)].contains(&key.expr));
    keys.truncate(last.map_or(keys.len(), |last| last + 1));
    Ok(keys)
}

fn fingerprint(query: &ModelVersionQuery) -> u64 {
    let order = query.order_by.iter().map(String::as_str);
    page_token::fingerprint(["model versions", &query.filter].into_iter().chain(order))
}
