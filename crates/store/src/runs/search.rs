//! `runs/search`: finds a page of run ids, then loads those runs.

use super::load;
use crate::db::{Tx, Value};
use crate::error::Result;
use crate::schema::sqlite_has_metric_values;
use crate::search::runs::{Begin, RunQuery, begins_with_metric, compile_from};
use api::Run;

/// One page of runs, and the token of the next.
///
/// # Errors
/// `INVALID_PARAMETER_VALUE`, in MLflow's words.
pub async fn search(tx: &mut Tx<'_>, query: &RunQuery) -> Result<(Vec<Run>, Option<String>)> {
    let begin = if tx.dialect().plans_without_statistics() && begins_with_metric(query) {
        begin(tx, &query.experiment_ids).await?
    } else {
        Begin::Anywhere
    };
    let compiled = compile_from(tx.dialect(), query, begin)?;
    let rows = tx.all_once(&compiled.sql.text, &compiled.sql.args, |row| compiled.row(row)).await?;
    let page = compiled.text_ids(rows);
    Ok((load(tx, &page.ids).await?, page.next_page_token))
}

/// Fewer runs than these are sorted sooner than others' are skipped in the order of an index.
const FEW: usize = 5000;
const SOME_RUNS: &str = "SELECT 1 FROM runs WHERE experiment_id";

async fn begin(tx: &mut Tx<'_>, experiment_ids: &[i64]) -> Result<Begin> {
    let some = tx.dialect().in_ints(SOME_RUNS, 1, "LIMIT $2");
    let args = [Value::Ints(experiment_ids.to_vec()), Value::Int(FEW as i64)];
    Ok(if tx.all(&some, &args, |_| Ok(())).await?.len() < FEW {
        Begin::Runs
    } else if sqlite_has_metric_values(tx).await? {
        Begin::Metric
    } else {
        Begin::Anywhere
    })
}
