//! `runs/search`: finds a page of run ids, then loads those runs.

use super::load;
use crate::db::Tx;
use crate::error::Result;
use crate::search::runs::{RunQuery, compile};
use api::{Run, ViewType};

/// What `runs/search` asks for.
#[expect(missing_docs, reason = "the fields are the wire's own")]
pub struct RunSearch {
    pub experiment_ids: Vec<i64>,
    pub filter: String,
    pub view: ViewType,
    pub max_results: i64,
    pub order_by: Vec<String>,
    pub page_token: String,
}

/// One page of runs, and the token of the next.
///
/// # Errors
/// `INVALID_PARAMETER_VALUE`, in MLflow's words.
pub async fn search(tx: &mut Tx<'_>, query: &RunSearch) -> Result<(Vec<Run>, Option<String>)> {
    let compiled = compile(
        tx.dialect(),
        &RunQuery {
            experiment_ids: &query.experiment_ids,
            filter: &query.filter,
            view: query.view,
            order_by: &query.order_by,
            max_results: query.max_results,
            page_token: &query.page_token,
        },
    )?;
    let rows = tx.all_once(&compiled.sql.text, &compiled.sql.args, |row| compiled.row(row)).await?;
    let page = compiled.text_ids(rows);
    Ok((load(tx, &page.ids).await?, page.next_page_token))
}
