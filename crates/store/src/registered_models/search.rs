//! Searching registered models: runs what [`crate::search::registered_models`] compiles.

use super::load;
use crate::db::Tx;
use crate::error::Result;
use crate::search::registered_models::{RegisteredModelQuery, compile};
use api::RegisteredModel;

/// One page of the models that are found, and the token of the next page.
///
/// # Errors
/// `INVALID_PARAMETER_VALUE`.
pub async fn search(
    tx: &mut Tx<'_>,
    query: &RegisteredModelQuery,
) -> Result<(Vec<RegisteredModel>, Option<String>)> {
    let search = compile(tx.dialect(), query)?;
    let rows = tx.all_once(&search.sql.text, &search.sql.args, |row| search.row(row)).await?;
    let page = search.text_ids(rows);
    Ok((load(tx, &page.ids).await?, page.next_page_token))
}
