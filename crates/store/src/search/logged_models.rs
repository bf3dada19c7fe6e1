//! Searching logged models: the query, its order and its SQL.
//!
//! Mirrors `SqlAlchemyStore.search_logged_models`, `_apply_order_by_search_logged_models` and
//! `_apply_filter_string_datasets_search_logged_models`. MLflow joins the metrics, and so finds a model several times when
//! several of its metrics fit; it drops the copies after cutting the page, which then is too short. Here a condition on
//! metrics is an EXISTS and an order by a metric takes one value.

use super::logged_model_filter::{self as model_filter, Comparison, EntityType, Operand, column};
use super::logged_model_token as token;
use super::operator::Operator;
use super::sort::{self, Expr, KeyKind, Nulls, SortKey};
use super::{More, Search, Sql, check_max_results, check_text, end_page, finish, page_token};
use crate::db::Dialect;
use api::error::invalid;

/// What `logged-models/search` asks for.
#[derive(Debug, Clone, Copy)]
pub struct LoggedModelQuery<'a> {
    /// The experiments to look in.
    pub experiment_ids: &'a [i64],
    /// The filter; empty for none.
    pub filter: &'a str,
    /// Data sets one of which a model's metrics must be on.
    pub datasets: &'a [Dataset<'a>],
    /// The order, the first key first.
    pub order_by: &'a [OrderBy<'a>],
    /// How many models at most; MLflow's default is 100.
    pub max_results: i64,
    /// The token of the page before; empty for the first page.
    pub page_token: &'a str,
}

/// A data set metrics are computed on.
#[derive(Debug, Clone, Copy)]
pub struct Dataset<'a> {
    /// The data set's name; a search without it is refused.
    pub dataset_name: &'a str,
    /// The data set's digest, if it matters.
    pub dataset_digest: Option<&'a str>,
}

/// One key of the order.
#[derive(Debug, Clone, Copy)]
pub struct OrderBy<'a> {
    /// An attribute, or `metrics.<name>`.
    pub field_name: &'a str,
    /// The direction.
    pub ascending: bool,
    /// Only metrics on the data set of this name.
    pub dataset_name: Option<&'a str>,
    /// Only metrics on the data set of this digest.
    pub dataset_digest: Option<&'a str>,
}

/// Compiles a search for logged models; its ids are model ids.
///
/// # Errors
/// `INVALID_PARAMETER_VALUE`.
pub fn compile(dialect: Dialect, query: &LoggedModelQuery) -> api::Result<Search> {
    if query.datasets.iter().any(|dataset| dataset.dataset_name.is_empty()) {
        return Err(invalid("`dataset_name` in the `datasets` clause must be specified."));
    }
    // MLflow has no upper limit here.
    check_max_results(query.max_results.min(1))?;
    check_text(query.filter)?;
    let fields = query.order_by.iter().map(field).collect::<api::Result<Vec<_>>>()?;
    let keys = keys(&fields, query.order_by);
    let fingerprint = fingerprint(query);
    let start = token::read(query, &keys, fingerprint)?;
    let comparisons = model_filter::parse(query.filter)?;

    // The inner query computes the values to sort by once; WHERE cannot name what the same SELECT computes.
    let mut sql = Sql::new(dialect);
    sql.push("SELECT ");
    sort::write_columns(&mut sql, &keys);
    sql.push(" FROM (SELECT m.model_id, m.creation_timestamp_ms");
    for (n, (field, order)) in fields.iter().zip(query.order_by).enumerate() {
        sql.push(", ");
        match field {
            Field::Column(column, ..) => drop(sql.push(column)),
            Field::Metric(name) => write_metric(&mut sql, name, order),
        }
        sql.push(" AS k").push_number(n);
    }
    sql.push(" FROM logged_models m WHERE ").is_one_of("m.experiment_id", query.experiment_ids.to_vec());
    sql.push(" AND m.lifecycle_stage <> 'deleted'");
    for comparison in &comparisons {
        sql.push(" AND ");
        write_condition(&mut sql, comparison, query.datasets)?;
    }
    if !query.datasets.is_empty() && !comparisons.iter().any(|c| c.entity == EntityType::Metric) {
        sql.push(" AND EXISTS (SELECT 1 FROM logged_model_metrics f WHERE f.model_id = m.model_id");
        write_datasets(&mut sql, query.datasets);
        sql.push(")");
    }
    sql.push(") found WHERE TRUE");
    end_page(&mut sql, &keys, &start);
    Ok(finish(sql, &keys, &start, fingerprint, query.max_results, More::Further))
}

/// What a key of the order stands for.
enum Field<'a> {
    Column(&'static str, KeyKind),
    Metric(&'a str),
}

fn field<'a>(order: &OrderBy<'a>) -> api::Result<Field<'a>> {
    check_text(order.field_name)?;
    let name = order.field_name;
    match name.split_once('.') {
        None => match column(name) {
            Some((column, kind)) => Ok(Field::Column(column, kind)),
            None => Err(invalid(format!("Invalid order by field name: {name}"))),
        },
        Some(("metrics", metric)) => Ok(Field::Metric(metric)),
        Some(_) => Err(invalid(format!("Invalid order by field name: {name}. Only metrics are supported."))),
    }
}

/// The whole order: what was asked for with NULLs last, newest first, and the id, which MLflow leaves to chance.
fn keys(fields: &[Field], orders: &[OrderBy]) -> Vec<SortKey> {
    let by_id = |ascending| SortKey {
        expr: Expr::Column("model_id"),
        kind: KeyKind::Text,
        ascending,
        nulls: Nulls::Never,
    };
    let mut keys = vec![];
    let mut by_creation = false;
    for (n, (field, order)) in fields.iter().zip(orders).enumerate() {
        let (kind, nulls) = match field {
            Field::Column("m.model_id", _) => {
                keys.push(by_id(order.ascending));
                return keys;
            }
            Field::Column("m.model_type" | "m.source_run_id" | "m.status_message", kind) => {
                (*kind, Nulls::Last)
            }
            Field::Column(column, kind) => {
                by_creation |= *column == "m.creation_timestamp_ms";
                (*kind, Nulls::Never)
            }
            Field::Metric(_) => (KeyKind::Float, Nulls::Last),
        };
        keys.push(SortKey { expr: Expr::Computed(n), kind, ascending: order.ascending, nulls });
    }
    if !by_creation {
        let expr = Expr::Column("creation_timestamp_ms");
        keys.push(SortKey { expr, kind: KeyKind::Int, ascending: false, nulls: Nulls::Never });
    }
    keys.push(by_id(true));
    keys
}

/// Appends the latest value of a metric, on the order's data set if it names one. Runs that logged it for the same time and
/// step are told apart by their ids.
fn write_metric(sql: &mut Sql, name: &str, order: &OrderBy) {
    sql.push("(SELECT f.metric_value FROM logged_model_metrics f WHERE f.model_id = m.model_id AND f.metric_name = ");
    sql.bind(name);
    if let Some(name) = order.dataset_name {
        sql.push(" AND f.dataset_name = ").bind(name);
    }
    if let Some(digest) = order.dataset_digest {
        sql.push(" AND f.dataset_digest = ").bind(digest);
    }
    sql.push(" ORDER BY f.metric_timestamp_ms DESC, f.metric_step DESC, f.run_id DESC LIMIT 1)");
}

fn write_condition(sql: &mut Sql, comparison: &Comparison, datasets: &[Dataset]) -> api::Result<()> {
    let (table, key, value) = match comparison.entity {
        EntityType::Attribute => return write_attribute(sql, comparison),
        EntityType::Metric => ("logged_model_metrics", "f.metric_name", "f.metric_value"),
        EntityType::Param => ("logged_model_params", "f.param_key", "f.param_value"),
        EntityType::Tag => ("logged_model_tags", "f.tag_key", "f.tag_value"),
    };
    sql.push("EXISTS (SELECT 1 FROM ").push(table).push(" f WHERE f.model_id = m.model_id AND ");
    sql.push(key).push(" = ").bind(comparison.key.as_str()).push(" AND ");
    sql.compare(value, comparison.operator, comparison.value.clone().into())?;
    if comparison.entity == EntityType::Metric && !datasets.is_empty() {
        write_datasets(sql, datasets);
    }
    sql.push(")");
    Ok(())
}

fn write_attribute(sql: &mut Sql, comparison: &Comparison) -> api::Result<()> {
    let Some((column, kind)) = column(&comparison.key) else {
        return Err(model_filter::unknown_attribute(&comparison.key));
    };
    let value = match (kind, &comparison.value) {
        (KeyKind::Int, Operand::Text(text))
            if !matches!(comparison.operator, Operator::Like | Operator::ILike) =>
        {
            model_filter::integer(column, text)?.into()
        }
        (KeyKind::Int, Operand::Text(_) | Operand::Texts(_)) => {
            return Err(invalid(format!(
                "The attribute {} can only be compared with = and !=.",
                comparison.key
            )));
        }
        (_, value) => value.clone().into(),
    };
    sql.compare(column, comparison.operator, value)?;
    Ok(())
}

/// Appends the condition that a metric is on one of the data sets. Over REST MLflow takes a missing digest for NULL and
/// finds nothing; here, as in its file store, it means any.
fn write_datasets(sql: &mut Sql, datasets: &[Dataset]) {
    for (i, dataset) in datasets.iter().enumerate() {
        sql.push(if i > 0 { " OR (f.dataset_name = " } else { " AND ((f.dataset_name = " });
        sql.bind(dataset.dataset_name);
        if let Some(digest) = dataset.dataset_digest {
            sql.push(" AND f.dataset_digest = ").bind(digest);
        }
        sql.push(")");
    }
    sql.push(")");
}

fn fingerprint(query: &LoggedModelQuery) -> u64 {
    let mut parts = vec!["logged_models".to_owned(), query.filter.to_owned()];
    parts.extend(query.experiment_ids.iter().map(i64::to_string));
    for dataset in query.datasets {
        parts.push(format!("{:?}", (dataset.dataset_name, dataset.dataset_digest)));
    }
    for order in query.order_by {
        parts.push(format!(
            "{:?}",
            (order.field_name, order.ascending, order.dataset_name, order.dataset_digest)
        ));
    }
    page_token::fingerprint(parts.iter().map(String::as_str))
}
