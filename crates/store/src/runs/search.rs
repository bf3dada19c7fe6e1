//! `runs/search`: finds a page of run ids, then loads those runs.

use super::load;
use crate::db::Tx;
use crate::error::Result;
use crate::search::runs::{RunQuery, compile};
use api::Run;

/// One page of runs, and the token of the next.
///
/// # Errors
/// `INVALID_PARAMETER_VALUE`, in MLflow's words.
pub async fn search(tx: &mut Tx<'_>, query: &RunQuery) -> Result<(Vec<Run>, Option<String>)> {
    let compiled = compile(tx.dialect(), query)?;
    let rows = tx.all_once(&compiled.sql.text, &compiled.sql.args, |row| compiled.row(row)).await?;
    let page = compiled.text_ids(rows);
    Ok((load(tx, &page.ids).await?, page.next_page_token))
}
