//! MLflow's search language: filters, orders and page tokens as SQL.
//!
//! The way of a search: `lex` and `tree` take the text apart as sqlparse does, [`filter`] and [`order`] make clauses of
//! it, one file per searchable entity ([`runs`], [`experiments`], [`logged_models`], [`registered_models`],
//! [`model_versions`], [`traces`]) knows its columns and compiles a
//! [`Search`]. Nothing here touches a database. A store function uses it like this:
//!
//! ```text
//! let search = search::runs::compile(tx.dialect(), &query)?;
//! let rows = tx.all_once(&search.sql.text, &search.sql.args, |row| search.row(row)).await?;
//! let page = search.text_ids(rows); // ids in order, and the token for the next page
//! ```

pub mod experiments;
pub mod filter;
#[cfg(test)]
mod goldens;
mod joins;
mod lex;
mod logged_model_filter;
mod logged_model_token;
pub mod logged_models;
mod metric_groups;
pub mod model_versions;
pub mod operator;
pub mod order;
pub(crate) mod page_token;
#[cfg(test)]
mod paging;
mod python;
pub mod registered_models;
mod registry_filter;
#[cfg(test)]
mod registry_statements;
pub mod runs;
mod sort;
mod sql;
#[cfg(test)]
mod statements;
mod trace_filter;
pub mod traces;
mod tree;

pub use sql::Sql;

use crate::db::{Row, Value};
use crate::error::Result;
use api::error::invalid;
use page_token::Start;
pub(crate) use sort::KeyKind;
use sort::SortKey;

/// MLflow's `SEARCH_MAX_RESULTS_THRESHOLD`.
const MAX_RESULTS_THRESHOLD: i64 = 50_000;

/// A compiled search. Its rows are the sort keys of what it found; the last one is the id.
#[derive(Debug)]
pub struct Search {
    /// The statement to run.
    pub sql: Sql,
    kinds: Vec<KeyKind>,
    fingerprint: u64,
    max_results: usize,
    rows_for_token: usize,
}

/// What one page holds.
#[derive(Debug, PartialEq, Eq)]
pub struct Page<Id> {
    /// The ids found, in order.
    pub ids: Vec<Id>,
    /// The token for the next page; `None` at the end.
    pub next_page_token: Option<String>,
}

/// When a page is followed by a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum More {
    /// When it is full, though nothing may follow: what MLflow does for runs.
    Full,
    /// When there is a further row, which the statement has to fetch.
    Further,
}

impl Search {
    /// Reads a row of the answer.
    ///
    /// # Errors
    /// When the database answers with other columns.
    pub fn row(&self, row: &Row) -> Result<Vec<Value>> {
        let read = |(i, kind): (usize, &KeyKind)| {
            Ok(match kind {
                KeyKind::Int => row.opt_int(i)?.into(),
                KeyKind::Float => row.opt_float(i)?.into(),
                KeyKind::Text => row.opt_text(i)?.into(),
            })
        };
        self.kinds.iter().enumerate().map(read).collect()
    }

    /// The page of a search whose ids are texts.
    pub fn text_ids(&self, rows: Vec<Vec<Value>>) -> Page<String> {
        self.page(rows, |mut keys| match keys.pop() {
            Some(Value::Text(id)) => Some(id),
            _ => None,
        })
    }

    /// The page of a search whose ids are integers.
    pub fn int_ids(&self, rows: Vec<Vec<Value>>) -> Page<i64> {
        self.page(rows, |mut keys| match keys.pop() {
            Some(Value::Int(id)) => Some(id),
            _ => None,
        })
    }

    /// The page of a search, whose ids are found among the keys of a row.
    fn page<Id>(&self, mut rows: Vec<Vec<Value>>, id: impl Fn(Vec<Value>) -> Option<Id>) -> Page<Id> {
        let more = rows.len() >= self.rows_for_token;
        rows.truncate(self.max_results);
        let last = rows.last().filter(|_| more);
        let next_page_token = last.map(|keys| page_token::encode(self.fingerprint, keys));
        let ids = rows.into_iter().filter_map(id).collect();
        Page { ids, next_page_token }
    }
}

/// Ends a WHERE clause with the row that the page comes after, and appends the order.
fn end_page(sql: &mut Sql, keys: &[SortKey], start: &Start) {
    if let Start::After(values) = start {
        sql.push(" AND ");
        sort::write_after(sql, keys, values);
    }
    sort::write_order(sql, keys);
}

/// Ends a statement with the limit.
fn finish(
    mut sql: Sql,
    keys: &[SortKey],
    start: &Start,
    fingerprint: u64,
    max_results: i64,
    more: More,
) -> Search {
    let rows_for_token = max_results + i64::from(more == More::Further);
    sql.push(" LIMIT ").bind(rows_for_token);
    if let Start::Offset(offset) = start {
        sql.push(" OFFSET ").bind(*offset);
    }
    let kinds = keys.iter().map(|key| key.kind).collect();
    let count = |n: i64| usize::try_from(n).unwrap_or(usize::MAX);
    Search { sql, kinds, fingerprint, max_results: count(max_results), rows_for_token: count(rows_for_token) }
}

/// Mirrors `SqlAlchemyStore._validate_max_results_param`.
fn check_max_results(max_results: i64) -> api::Result<()> {
    let wrong = |rule: &str| {
        Err(invalid(format!(
            "Invalid value {max_results} for parameter 'max_results' supplied. It must be {rule}"
        )))
    };
    match max_results {
        ..1 => wrong("a positive integer"),
        1..=MAX_RESULTS_THRESHOLD => Ok(()),
        _ => wrong(&format!("at most {MAX_RESULTS_THRESHOLD}")),
    }
}

/// A number of a filter: an integer where it is one, so that indexes on integer columns serve.
fn number(text: &str) -> api::Result<Value> {
    match text.parse::<i64>() {
        Ok(n) => Ok(Value::Int(n)),
        Err(_) => float(text).map(Value::Float),
    }
}

/// Python's `float(..)`.
fn float(text: &str) -> api::Result<f64> {
    text.trim()
        .parse()
        .map_err(|_| invalid(format!("could not convert string to float: {}", python::repr(text))))
}

/// NUL cannot be stored in PostgreSQL's texts, so nothing could be found; refused here, before the database does.
fn check_text(text: &str) -> api::Result<()> {
    if text.contains('\0') { Err(invalid("A search cannot contain the character NUL")) } else { Ok(()) }
}
