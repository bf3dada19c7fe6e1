//! Searching model versions: runs what [`crate::search::model_versions`] compiles.

use super::load;
use crate::db::Tx;
use crate::error::Result;
use crate::search::model_versions::{ModelVersionQuery, compile};
use api::ModelVersion;

/// One page of the versions that are found, none of them deleted, and the token of the next page.
///
/// # Errors
/// `INVALID_PARAMETER_VALUE`.
pub async fn search(
    tx: &mut Tx<'_>,
    query: &ModelVersionQuery,
) -> Result<(Vec<ModelVersion>, Option<String>)> {
    let search = compile(tx.dialect(), query)?;
    let sql = search.sql();
    let rows = tx.all_once(&sql.text, &sql.args, |row| search.row(row)).await?;
    let page = search.page(rows);
    Ok((load::these(tx, &page.ids).await?, page.next_page_token))
}
