//! Searching experiments: which names a filter and an order may use, and what they are in the database.
//!
//! Mirrors `SqlAlchemyStore._search_experiments`, `_get_search_experiments_filter_clauses` and
//! `_get_search_experiments_order_by_clauses`. Unlike in a search for runs, comparators in words must be in capitals.

use super::filter::{self, Clause, Entity, Grammar, Literal};
use super::operator::{self, Operator};
use super::order::{self, OrderBy};
use super::page_token::{self, Start};
use super::sort::{self, Expr, KeyKind, Nulls, SortKey};
use super::{More, Search, Sql, check_max_results, check_text, end_page, finish, number};
use crate::db::{Dialect, Value};
use api::ViewType;
use api::error::invalid;

/// What `experiments/search` asks for.
#[derive(Debug, Clone)]
pub struct ExperimentQuery {
    /// The filter; empty for none.
    pub filter: String,
    /// Which lifecycle stages to see.
    pub view: ViewType,
    /// The order's clauses, the first one first; newest first when there are none.
    pub order_by: Vec<String>,
    /// How many experiments at most.
    pub max_results: i64,
    /// The token of the page before; empty for the first page.
    pub page_token: String,
}

/// The names of `SearchExperimentsUtils`.
pub const GRAMMAR: Grammar = Grammar {
    prefixes: &[("attribute", Entity::Attribute), ("tag", Entity::Tag), ("tags", Entity::Tag)],
    valid_prefixes: "Valid entity types are ('attribute', 'tag', 'tags')",
    quoted_prefixes: false,
    attributes: &["creation_time", "last_update_time", "name"],
    numeric_attributes: &["creation_time", "last_update_time"],
    order_attributes: &["creation_time", "experiment_id", "last_update_time", "name"],
    clause_quote: "",
};

/// Compiles a search for experiments; its ids are experiment ids.
///
/// # Errors
/// `INVALID_PARAMETER_VALUE`, found in the order in which MLflow looks.
pub fn compile(dialect: Dialect, query: &ExperimentQuery) -> api::Result<Search> {
    check_max_results(query.max_results)?;
    check_text(&query.filter)?;
    let clauses = filter::parse(&GRAMMAR, &query.filter)?;
    let conditions = clauses.iter().map(|clause| operator(clause).map(|op| (clause, op)));
    let conditions: Vec<_> = conditions.collect::<api::Result<_>>()?;
    let keys = keys(dialect, &query.order_by)?;
    let fingerprint = fingerprint(query);
    let start = Start::read(&query.page_token, &keys, fingerprint)?;

    let mut sql = Sql::new(dialect);
    sql.push("SELECT ");
    sort::write_columns(&mut sql, &keys);
    sql.push(" FROM experiments WHERE ").push(match query.view {
        ViewType::ActiveOnly => "experiments.lifecycle_stage = 'active'",
        ViewType::DeletedOnly => "experiments.lifecycle_stage = 'deleted'",
        ViewType::All => "experiments.lifecycle_stage IN ('active', 'deleted')",
    });
    for (clause, operator) in conditions {
        sql.push(" AND ");
        write_condition(&mut sql, clause, operator)?;
    }
    end_page(&mut sql, &keys, &start);
    Ok(finish(sql, &keys, &start, fingerprint, query.max_results, More::Further))
}

pub(super) fn operator(clause: &Clause) -> api::Result<Operator> {
    let comparator = clause.comparator.as_str();
    if clause.entity == Entity::Tag {
        return Operator::from_name(comparator)
            .filter(|op| matches!(op, Operator::Eq | Operator::Ne | Operator::Like | Operator::ILike))
            .ok_or_else(|| invalid(format!("Invalid comparator for tag: {comparator}")));
    }
    operator::check(&GRAMMAR, clause, comparator)
}

fn column(attribute: &str) -> (&'static str, KeyKind) {
    match attribute {
        "name" => ("experiments.name", KeyKind::Text),
        "creation_time" => ("experiments.creation_time", KeyKind::Int),
        "last_update_time" => ("experiments.last_update_time", KeyKind::Int),
        _ => ("experiments.experiment_id", KeyKind::Int),
    }
}

/// Reads one clause of the order.
pub(super) fn order(text: &str) -> api::Result<OrderBy> {
    let order = order::parse(&GRAMMAR, text)?;
    match order.entity {
        Entity::Attribute => Ok(order),
        entity => Err(invalid(format!("Invalid order_by entity: {}", entity.name()))),
    }
}

/// The whole order, ending in the id. MLflow leaves NULLs (the times of experiments older than those columns) where the
/// engine puts them.
fn keys(dialect: Dialect, order_by: &[String]) -> api::Result<Vec<SortKey>> {
    let mut keys = vec![];
    let mut add = |attribute: &str, ascending| {
        let (column, kind) = column(attribute);
        let nulls = match attribute {
            "name" | "experiment_id" => Nulls::Never,
            _ if dialect.nulls_first(ascending) => Nulls::First,
            _ => Nulls::Last,
        };
        keys.push(SortKey { expr: Expr::Column(column), kind, ascending, nulls });
    };
    if order_by.is_empty() {
        add("creation_time", false);
        add("experiment_id", true);
        return Ok(keys);
    }
    for text in order_by {
        let order = order(text)?;
        add(&order.key, order.ascending);
    }
    add("experiment_id", false);
    // What comes after an id cannot matter, and the id has to be the last key.
    let id = keys.iter().position(|key| key.expr == Expr::Column("experiments.experiment_id"));
    keys.truncate(id.map_or(keys.len(), |id| id + 1));
    Ok(keys)
}

fn write_condition(sql: &mut Sql, clause: &Clause, operator: Operator) -> api::Result<()> {
    let value = match &clause.value {
        Literal::Number(text) => number(text)?,
        Literal::Text(text) => text.as_str().into(),
        Literal::Texts(texts) => Value::Texts(texts.clone()),
    };
    if clause.entity == Entity::Attribute {
        sql.compare(column(&clause.key).0, operator, value)?;
    } else {
        sql.push(
            "EXISTS (SELECT 1 FROM experiment_tags f WHERE f.experiment_id = experiments.experiment_id AND f.key = ",
        );
        sql.bind(clause.key.as_str()).push(" AND ");
        sql.compare("f.value", operator, value)?.push(")");
    }
    Ok(())
}

fn fingerprint(query: &ExperimentQuery) -> u64 {
    let view = query.view.stages().iter().copied();
    let order = query.order_by.iter().map(String::as_str);
    page_token::fingerprint(["experiments", &query.filter].into_iter().chain(view).chain(order))
}
