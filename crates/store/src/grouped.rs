//! The rows that belong to many parents (tags of runs, params of models) in one statement.

use crate::db::{Row, Tx, Value};
use crate::error::Result;
use std::collections::HashMap;

/// Runs `{sql} is one of ids`; column 0 is the parent's id, `map` reads the rest. Parents without rows are left out.
pub(crate) async fn grouped<T>(
    tx: &mut Tx<'_>,
    sql: &'static str,
    ids: &[String],
    map: impl Fn(&Row) -> Result<T>,
) -> Result<HashMap<String, Vec<T>>> {
    let sql = tx.dialect().in_texts(sql, 1, "");
    let rows = tx.all(&sql, &[Value::Texts(ids.to_vec())], |row| Ok((row.text(0)?, map(row)?))).await?;
    let mut groups: HashMap<String, Vec<T>> = HashMap::with_capacity(ids.len());
    for (id, item) in rows {
        groups.entry(id).or_default().push(item);
    }
    Ok(groups)
}
