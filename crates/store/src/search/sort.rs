//! Orders in SQL: the keys rows are sorted by, and the condition that leaves out the rows of earlier pages.
//!
//! MLflow pages with OFFSET, which reads every row before the page again and skips or repeats rows when runs are created in
//! between. A page here starts after the sort keys of the last row seen ("keyset"), so the keys must be a total order: the
//! last one is the row's id.

use super::sql::{Param, Sql};
use crate::db::Value;

/// A key of an order.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct SortKey {
    pub expr: Expr,
    pub kind: KeyKind,
    pub ascending: bool,
    pub nulls: Nulls,
}

/// What a key is in SQL.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Expr {
    /// A column.
    Column(&'static str),
    /// The same number in every row.
    Always(usize),
    /// A number that no row has.
    NoNumber,
    /// MLflow's three groups of a metric: a number, NaN, no value; by the alias number of its join.
    Bucket(usize),
    /// The value of a joined metric, parameter or tag, by the alias number of its join.
    Joined(usize),
    /// A value computed by an inner query, by its number.
    Computed(usize),
}

/// The type a key has, which a page token has to repeat.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum KeyKind {
    Int,
    Float,
    Text,
}

/// Where NULLs stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Nulls {
    /// There are none.
    Never,
    First,
    Last,
}

impl Expr {
    fn is_constant(self) -> bool {
        matches!(self, Self::Always(_) | Self::NoNumber)
    }

    pub fn write(self, sql: &mut Sql) {
        match self {
            Self::Column(name) => sql.push(name),
            Self::Always(n) => sql.push_number(n),
            Self::NoNumber => sql.push("CAST(NULL AS DOUBLE PRECISION)"),
            Self::Bucket(n) => sql
                .push("CASE WHEN s")
                .push_number(n)
                .push(".is_nan THEN 1 WHEN s")
                .push_number(n)
                .push(".value IS NULL THEN 2 ELSE 0 END"),
            Self::Joined(n) => sql.push("s").push_number(n).push(".value"),
            Self::Computed(n) => sql.push("k").push_number(n),
        };
    }
}

/// Appends the keys as a list of columns.
pub(super) fn write_columns(sql: &mut Sql, keys: &[SortKey]) {
    for (i, key) in keys.iter().enumerate() {
        sql.push(if i > 0 { ", " } else { "" });
        key.expr.write(sql);
    }
}

/// Appends ` ORDER BY ..`.
pub(super) fn write_order(sql: &mut Sql, keys: &[SortKey]) {
    // A bare number would be the number of a column; it orders nothing anyway.
    let keys = keys.iter().filter(|key| !key.expr.is_constant());
    for (i, key) in keys.enumerate() {
        sql.push(if i > 0 { ", " } else { " ORDER BY " });
        key.expr.write(sql);
        sql.push(if key.ascending { "" } else { " DESC" });
        sql.push(match key.nulls {
            Nulls::Never => "",
            Nulls::First => " NULLS FIRST",
            Nulls::Last => " NULLS LAST",
        });
    }
}

/// Appends the condition "comes after the row with these values".
///
/// Where the first key cannot be NULL the condition has the form `a <= $1 AND (a < $1 OR ..)`: the bound in front is what
/// an index can start from.
pub(super) fn write_after(sql: &mut Sql, keys: &[SortKey], values: &[Value]) {
    let (Some((key, rest)), Some((value, rest_values))) = (keys.split_first(), values.split_first()) else {
        sql.push("FALSE");
        return;
    };
    if key.expr.is_constant() {
        // A token of this search repeats it.
        write_after(sql, rest, rest_values);
        return;
    }
    if rest.is_empty() {
        sql.push("(");
        write_beyond(sql, *key, value);
        sql.push(")");
        return;
    }
    sql.push("(");
    if key.nulls == Nulls::Never {
        key.expr.write(sql);
        sql.push(if key.ascending { " >= " } else { " <= " });
        let param = sql.bind_param(value.clone());
        sql.push(" AND (");
        key.expr.write(sql);
        sql.push(if key.ascending { " > " } else { " < " }).again(param).push(" OR ");
        write_after(sql, rest, rest_values);
        sql.push("))");
        return;
    }
    let param = write_beyond(sql, *key, value);
    sql.push(" OR (");
    key.expr.write(sql);
    match param {
        Some(param) => sql.push(" = ").again(param),
        None => sql.push(" IS NULL"),
    };
    sql.push(" AND ");
    write_after(sql, rest, rest_values);
    sql.push("))");
}

/// Appends the condition that this key alone comes after `value`; answers the number the value was bound to.
fn write_beyond(sql: &mut Sql, key: SortKey, value: &Value) -> Option<Param> {
    if *value == Value::Null {
        if key.nulls == Nulls::First {
            key.expr.write(sql);
            sql.push(" IS NOT NULL");
        } else {
            sql.push("FALSE");
        }
        return None;
    }
    key.expr.write(sql);
    sql.push(if key.ascending { " > " } else { " < " });
    let param = sql.bind_param(value.clone());
    if key.nulls == Nulls::Last {
        sql.push(" OR ");
        key.expr.write(sql);
        sql.push(" IS NULL");
    }
    Some(param)
}
