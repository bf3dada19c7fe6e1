//! `runs/search`: finds a page of run ids, then loads those runs.

use super::load;
use crate::db::{Tx, Value};
use crate::error::Result;
use crate::search::runs::{Begin, RunQuery, begins_with_metric, compile_from};
use api::Run;

/// One page of runs, and the token of the next.
///
/// # Errors
/// `INVALID_PARAMETER_VALUE`, in MLflow's words.
pub async fn search(tx: &mut Tx<'_>, query: &RunQuery) -> Result<(Vec<Run>, Option<String>)> {
    let begin = match tx.dialect().plans_without_statistics() && begins_with_metric(query) {
        true => begin(tx, &query.experiment_ids).await?,
        false => Begin::Anywhere,
    };
    let compiled = compile_from(tx.dialect(), query, begin)?;
    let rows = tx.all_once(&compiled.sql.text, &compiled.sql.args, |row| compiled.row(row)).await?;
    let page = compiled.text_ids(rows);
    Ok((load(tx, &page.ids).await?, page.next_page_token))
}

/// Up to so many runs are sorted sooner than others' are skipped in the order of an index.
const FEW: usize = 5000;
const RUNS: &str = "SELECT 1 FROM runs WHERE experiment_id";
const HAS_INDEX: &str = "SELECT 1 FROM sqlite_schema WHERE name = 'ferroflow_latest_metrics_key_value'";

async fn begin(tx: &mut Tx<'_>, experiment_ids: &[i64]) -> Result<Begin> {
    let runs = tx.dialect().in_ints(RUNS, 1, "LIMIT 5000");
    if tx.all(&runs, &[Value::Ints(experiment_ids.to_vec())], |_| Ok(())).await?.len() < FEW {
        return Ok(Begin::Runs);
    }
    let has_index = tx.first(HAS_INDEX, &[], |_| Ok(())).await?.is_some();
    Ok(if has_index { Begin::Metric } else { Begin::Anywhere })
}
