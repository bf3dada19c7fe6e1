//! Searching runs: which names a filter and an order may use, and what they are in the database.
//!
//! Mirrors `SqlAlchemyStore._search_runs`, `_get_sqlalchemy_filter_clauses` and `_get_orderby_clauses`. MLflow joins a
//! subquery per clause and removes the duplicates that makes; here every condition on another table is an EXISTS, and an
//! order joins at most one row per run, so nothing is ever duplicated.
//!
//! # Indexes
//! The default order, newest first, is read from an index of our own; the order by a metric from another, where it was made. See
//! [`crate::schema::INDEXES`].

use super::filter::{self, Clause, Entity, Grammar, Literal};
use super::metric_groups::{Group, groups, groups_from};
use super::operator::{self, Operator};
use super::order::{self, OrderBy};
use super::page_token::{self, Start};
use super::sort::{self, Expr, KeyKind, Nulls, SortKey};
use super::{More, Search, Sql, check_max_results, check_text, end_page, finish, float, number, python};
use crate::db::{Dialect, Value};
use api::ViewType;
use api::error::invalid;

/// What `runs/search` asks for.
#[derive(Debug, Clone)]
pub struct RunQuery {
    /// The experiments to look in.
    pub experiment_ids: Vec<i64>,
    /// The filter; empty for none.
    pub filter: String,
    /// Which lifecycle stages to see.
    pub view: ViewType,
    /// The order's clauses, the first one first.
    pub order_by: Vec<String>,
    /// How many runs at most.
    pub max_results: i64,
    /// The token of the page before; empty for the first page.
    pub page_token: String,
}

/// The names of `SearchUtils`.
pub static GRAMMAR: Grammar = Grammar {
    prefixes: &[
        ("metric", Entity::Metric),
        ("metrics", Entity::Metric),
        ("parameter", Entity::Parameter),
        ("parameters", Entity::Parameter),
        ("param", Entity::Parameter),
        ("params", Entity::Parameter),
        ("tag", Entity::Tag),
        ("tags", Entity::Tag),
        ("attribute", Entity::Attribute),
        ("attr", Entity::Attribute),
        ("attributes", Entity::Attribute),
        ("run", Entity::Attribute),
        ("dataset", Entity::Dataset),
        ("datasets", Entity::Dataset),
    ],
    valid_prefixes: "Valid values are ['metric', 'parameter', 'tag', 'attribute', 'dataset']",
    quoted_prefixes: true,
    attributes: &[
        "Created",
        "Run Name",
        "Run name",
        "artifact_uri",
        "created",
        "end_time",
        "run name",
        "run_id",
        "run_name",
        "start_time",
        "status",
        "user_id",
    ],
    numeric_attributes: &["Created", "created", "end_time", "start_time"],
    order_attributes: &[
        "Created",
        "artifact_uri",
        "created",
        "end_time",
        "run_id",
        "run_name",
        "start_time",
        "status",
        "user_id",
    ],
    clause_quote: "'",
};

/// Where to begin to look for the runs that have the metric that the order begins with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Begin {
    /// With whatever the database's planner thinks best.
    Anywhere,
    /// With the runs of the experiments: few, to be sorted.
    Runs,
    /// With the metric's values, in order, which an index has: the page is full long before the end.
    Metric,
}

/// Whether [`Begin`] makes a difference: the order begins with a metric. What is wrong with the order is for [`compile`].
pub fn begins_with_metric(query: &RunQuery) -> bool {
    query
        .order_by
        .first()
        .and_then(|text| order(text).ok())
        .is_some_and(|order| order.entity == Entity::Metric)
}

/// Compiles a search for runs; its ids are run ids.
///
/// # Errors
/// `INVALID_PARAMETER_VALUE`, found in the order in which MLflow looks.
pub fn compile(dialect: Dialect, query: &RunQuery) -> api::Result<Search> {
    compile_from(dialect, query, Begin::Anywhere)
}

/// [`compile`], for a planner without statistics.
///
/// # Errors
/// As [`compile`].
pub fn compile_from(dialect: Dialect, query: &RunQuery, begin: Begin) -> api::Result<Search> {
    check_max_results(query.max_results)?;
    check_text(&query.filter)?;
    let clauses = filter::parse(&GRAMMAR, &query.filter)?;
    let orders = orders(&query.order_by)?;
    let conditions = clauses.iter().map(|clause| operator(clause).map(|op| (clause, op)));
    let conditions: Vec<_> = conditions.collect::<api::Result<_>>()?;
    let groups = groups(&orders, &conditions);
    let fingerprint = fingerprint(query);
    let start = Start::read(&query.page_token, &keys(&orders, groups[0]), fingerprint)?;
    let groups = groups_from(groups, &start);

    let is_one = groups.len() == 1;
    let mut sql = Sql::new(dialect);
    for (n, group) in groups.iter().enumerate() {
        if !is_one {
            // Each is read after those before it, until the page is full: both engines append in the order of the text, and
            // PostgreSQL gives no part that has a limit to other workers.
            sql.push(if n == 0 { "SELECT * FROM (" } else { " UNION ALL SELECT * FROM (" });
        }
        let keys = keys(&orders, *group);
        write_group(&mut sql, query, &orders, &conditions, (*group, begin), &keys)?;
        end_page(&mut sql, &keys, if n == 0 { &start } else { &Start::Beginning });
        if !is_one {
            let before = if let Start::Offset(offset) = start { offset } else { 0 };
            sql.push(" LIMIT ").bind(query.max_results.saturating_add(before));
            sql.push(") AS g").push_number(n);
        }
    }
    Ok(finish(sql, &keys(&orders, groups[0]), &start, fingerprint, query.max_results, More::Full))
}

/// Appends the search for one group's runs, its WHERE clause open.
fn write_group(
    sql: &mut Sql,
    query: &RunQuery,
    orders: &[OrderBy],
    conditions: &[(&Clause, Operator)],
    (group, begin): (Group, Begin),
    keys: &[SortKey],
) -> api::Result<()> {
    sql.push("SELECT ");
    sort::write_columns(sql, keys);
    write_joins(sql, orders, group, begin);
    sql.push(" WHERE ").is_one_of("runs.experiment_id", query.experiment_ids.clone()).push(
        match query.view {
            ViewType::ActiveOnly => " AND runs.lifecycle_stage = 'active'",
            ViewType::DeletedOnly => " AND runs.lifecycle_stage = 'deleted'",
            ViewType::All => " AND runs.lifecycle_stage IN ('active', 'deleted')",
        },
    );
    sql.push(match group {
        Group::All | Group::NumbersAlone => "",
        Group::Numbers => " AND NOT s0.is_nan",
        Group::NotNumbers => " AND s0.is_nan",
        Group::Nothing => " AND s0.run_uuid IS NULL",
    });
    for (clause, operator) in conditions {
        sql.push(" AND ");
        match orders.first().filter(|_| group.has_metric()) {
            Some(metric) if is_on(clause, metric) => {
                _ = sql.compare("s0.value", *operator, value(clause)?)?
            }
            Some(_) if table(clause.entity).is_some() => write_lookup(sql, clause, *operator)?,
            _ => write_condition(sql, clause, *operator)?,
        }
    }
    Ok(())
}

/// Mirrors `SearchUtils.translate_key_alias`, for attributes alone: MLflow also takes `params.created` for a parameter named
/// `start_time`, so that a parameter of that name is never found.
fn attribute(key: &str) -> &str {
    match key {
        "created" | "Created" => "start_time",
        "run name" | "Run name" | "Run Name" => "run_name",
        key => key,
    }
}

/// The column of an attribute.
fn column(attribute: &str) -> (&'static str, KeyKind, Nulls) {
    match attribute {
        // Never NULL: MLflow writes it with every run, and cannot read a run without it.
        "start_time" => ("runs.start_time", KeyKind::Int, Nulls::Never),
        "end_time" => ("runs.end_time", KeyKind::Int, Nulls::Last),
        "run_name" => ("runs.name", KeyKind::Text, Nulls::Last),
        "status" => ("runs.status", KeyKind::Text, Nulls::Last),
        "user_id" => ("runs.user_id", KeyKind::Text, Nulls::Last),
        "artifact_uri" => ("runs.artifact_uri", KeyKind::Text, Nulls::Last),
        _ => ("runs.run_uuid", KeyKind::Text, Nulls::Never),
    }
}

pub(super) fn operator(clause: &Clause) -> api::Result<Operator> {
    operator::check(&GRAMMAR, clause, &clause.comparator.to_uppercase())
}

/// Reads one clause of the order.
pub(super) fn order(text: &str) -> api::Result<OrderBy> {
    check_text(text)?;
    let order = order::parse(&GRAMMAR, text)?;
    match order.entity {
        Entity::Dataset => Err(invalid("Invalid identifier type 'dataset'")),
        _ => Ok(order),
    }
}

fn orders(order_by: &[String]) -> api::Result<Vec<OrderBy>> {
    let mut orders: Vec<OrderBy> = vec![];
    for text in order_by {
        let mut order = order(text)?;
        if order.entity == Entity::Attribute {
            order.key = attribute(&order.key).to_owned();
        }
        if orders.iter().any(|o| (o.entity, &o.key) == (order.entity, &order.key)) {
            // An internal error in MLflow, though the request is at fault.
            return Err(invalid(format!("`order_by` contains duplicate fields: {}", python::list(order_by))));
        }
        orders.push(order);
    }
    Ok(orders)
}

pub(super) fn is_on(clause: &Clause, metric: &OrderBy) -> bool {
    (clause.entity, &clause.key) == (metric.entity, &metric.key)
}

/// The whole order: what was asked for, then newest first, then by id. What comes after an id cannot matter.
fn keys(orders: &[OrderBy], group: Group) -> Vec<SortKey> {
    let mut keys = vec![];
    for (n, order) in orders.iter().enumerate() {
        let ascending = order.ascending;
        match order.entity {
            Entity::Attribute => {
                let (column, kind, nulls) = column(&order.key);
                keys.push(SortKey { expr: Expr::Column(column), kind, ascending, nulls });
                if column == "runs.run_uuid" {
                    return keys;
                }
            }
            Entity::Metric => {
                let (bucket, value) = match n {
                    0 => (
                        Expr::Always(group.place()),
                        if group.has_metric() { Expr::Joined(0) } else { Expr::NoNumber },
                    ),
                    _ => (Expr::Bucket(n), Expr::Joined(n)),
                };
                let nulls = if n == 0 { Nulls::Never } else { Nulls::Last };
                keys.push(SortKey { expr: bucket, kind: KeyKind::Int, ascending: true, nulls: Nulls::Never });
                keys.push(SortKey { expr: value, kind: KeyKind::Float, ascending, nulls });
            }
            _ => keys.push(SortKey {
                expr: Expr::Joined(n),
                kind: KeyKind::Text,
                ascending,
                nulls: Nulls::Last,
            }),
        }
    }
    let by_start = SortKey {
        expr: Expr::Column("runs.start_time"),
        kind: KeyKind::Int,
        ascending: false,
        nulls: Nulls::Never,
    };
    if !keys.iter().any(|key| key.expr == by_start.expr) {
        keys.push(by_start);
    }
    let by_id = Expr::Column("runs.run_uuid");
    keys.push(SortKey { expr: by_id, kind: KeyKind::Text, ascending: true, nulls: Nulls::Never });
    keys
}

/// Appends ` FROM ..`. SQLite reads the tables around a CROSS JOIN in the order of the text.
fn write_joins(sql: &mut Sql, orders: &[OrderBy], group: Group, begin: Begin) {
    sql.push(match begin {
        Begin::Metric if group.has_metric() => " FROM latest_metrics s0",
        _ => " FROM runs",
    });
    for (n, order) in orders.iter().enumerate() {
        let Some(table) = table(order.entity) else { continue };
        match begin {
            _ if n > 0 || !group.has_metric() => {
                sql.push(" LEFT JOIN ").push(table).push(" s").push_number(n)
            }
            Begin::Anywhere => sql.push(" JOIN latest_metrics s0"),
            Begin::Runs => sql.push(" CROSS JOIN latest_metrics s0"),
            Begin::Metric => sql.push(" CROSS JOIN runs"),
        };
        sql.push(" ON s").push_number(n);
        sql.push(".run_uuid = runs.run_uuid AND s").push_number(n).push(".key = ").bind(order.key.as_str());
    }
}

fn table(entity: Entity) -> Option<&'static str> {
    match entity {
        Entity::Metric => Some("latest_metrics"),
        Entity::Parameter => Some("params"),
        Entity::Tag => Some("tags"),
        Entity::Attribute | Entity::Dataset => None,
    }
}

pub(super) fn value(clause: &Clause) -> api::Result<Value> {
    Ok(match &clause.value {
        Literal::Number(text) if clause.entity == Entity::Metric => Value::Float(float(text)?),
        Literal::Number(text) => number(text)?,
        Literal::Text(text) => text.as_str().into(),
        Literal::Texts(texts) => Value::Texts(texts.clone()),
    })
}

/// Appends a condition on the one metric, parameter or tag of a run with the clause's key, found run by run.
fn write_lookup(sql: &mut Sql, clause: &Clause, operator: Operator) -> api::Result<()> {
    sql.push("COALESCE((SELECT ");
    sql.compare("f.value", operator, value(clause)?)?;
    sql.push(" FROM ").push(table(clause.entity).expect("a metric, parameter or tag has a table"));
    sql.push(" f WHERE f.run_uuid = runs.run_uuid AND f.key = ").bind(clause.key.as_str()).push("), FALSE)");
    Ok(())
}

fn write_condition(sql: &mut Sql, clause: &Clause, operator: Operator) -> api::Result<()> {
    let value = value(clause)?;
    let key = if clause.entity == Entity::Attribute { attribute(&clause.key) } else { &clause.key };
    match (clause.entity, key) {
        (Entity::Dataset, "context") => {
            sql.push(
                "EXISTS (SELECT 1 FROM inputs f JOIN input_tags t ON t.input_uuid = f.input_uuid \
                 WHERE f.destination_type = 'RUN' AND f.destination_id = runs.run_uuid AND f.source_type = 'DATASET' \
                 AND t.name = 'mlflow.data.context' AND ",
            );
            sql.compare("t.value", operator, value)?.push(")");
        }
        (Entity::Dataset, key) => {
            sql.push(
                "EXISTS (SELECT 1 FROM inputs f JOIN datasets d ON d.dataset_uuid = f.source_id \
                 WHERE f.destination_type = 'RUN' AND f.destination_id = runs.run_uuid AND f.source_type = 'DATASET' AND ",
            );
            let column = if key == "digest" { "d.digest" } else { "d.name" };
            sql.compare(column, operator, value)?.push(")");
        }
        // The name is kept in a tag; the column is empty in runs of MLflow before 1.30.
        (Entity::Attribute, "run_name") => {
            sql.push("EXISTS (SELECT 1 FROM tags f WHERE f.run_uuid = runs.run_uuid AND f.key = 'mlflow.runName' AND ");
            sql.compare("f.value", operator, value)?.push(")");
        }
        (Entity::Attribute, key) => {
            sql.compare(column(key).0, operator, value)?;
        }
        (entity, key) => {
            sql.push("EXISTS (SELECT 1 FROM ")
                .push(table(entity).expect("a metric, parameter or tag has a table"));
            sql.push(" f WHERE f.run_uuid = runs.run_uuid AND f.key = ").bind(key).push(" AND ");
            sql.compare("f.value", operator, value)?.push(")");
        }
    }
    Ok(())
}

fn fingerprint(query: &RunQuery) -> u64 {
    let ids: Vec<String> = query.experiment_ids.iter().map(i64::to_string).collect();
    let view = query.view.stages().iter().copied();
    let order = query.order_by.iter().map(String::as_str);
    let parts = ["runs", &query.filter].into_iter().chain(view).chain(order).chain(["in"]);
    page_token::fingerprint(parts.chain(ids.iter().map(String::as_str)))
}
