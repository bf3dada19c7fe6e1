//! Searching logged models: runs what [`crate::search::logged_models`] compiles.

use super::load;
use crate::db::Tx;
use crate::error::Result;
use crate::search::logged_models::{LoggedModelQuery, compile};
use api::LoggedModel;

/// One page of the models that are found, none of them deleted, and the token of the next page.
///
/// # Errors
/// `INVALID_PARAMETER_VALUE`.
pub async fn search(
    tx: &mut Tx<'_>,
    query: &LoggedModelQuery<'_>,
) -> Result<(Vec<LoggedModel>, Option<String>)> {
    let search = compile(tx.dialect(), query)?;
    let rows = tx.all_once(&search.sql.text, &search.sql.args, |row| search.row(row)).await?;
    let page = search.text_ids(rows);
    Ok((load(tx, &page.ids).await?, page.next_page_token))
}
